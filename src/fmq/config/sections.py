"""Settings of networks, training stages, samplers, evaluation and statistics."""

from typing import Literal

from pydantic import Field, model_validator

from fmq.config.choices import Activation, Aggregate, Completion
from fmq.config.section import Section

Distillation = Literal["esd", "lsd", "psd"]
"""Eulerian, Lagrangian or progressive self-distillation."""


class NetworkSettings(Section):
    """The architecture of the velocity network and of each critic."""

    hidden_width: int = Field(ge=1, description="units per hidden layer")
    hidden_layers: int = Field(ge=1, description="hidden layers")
    activation: Activation = Field(description="gelu is its tanh approximation")
    time_features: int = Field(
        ge=0,
        multiple_of=2,
        description="Fourier features per flow time; 0 feeds the raw time",
    )
    normalize_observations: bool = Field(
        description="normalise observations by the data set's mean and standard deviation"
    )


class TrainingSettings(Section):
    """Settings that the offline and the online stages share."""

    batch_size: int = Field(ge=1, description="action chunks per gradient step")
    learning_rate: float = Field(gt=0, description="learning rate of Adam")
    selection: Literal["float32", "bfloat16"] = Field(
        description="precision of the hidden layers when the critic target selects the next chunk"
    )
    compile: Literal["auto", "always", "never"] = Field(
        description="run updates as a compiled program, built once per machine; auto compiles "
        "where it pays: on a CPU with a C++ compiler, in runs of 1,000 or more updates"
    )
    tf32: bool = Field(
        description="on a GPU, multiply float32 matrices in TF32 (10 bits of mantissa), as JAX "
        "does by default"
    )
    capture: bool = Field(description="run an update as one CUDA graph; without effect on a CPU")
    stack_seeds: bool = Field(
        description="train all seeds of a task in one process, in joint updates: for GPUs, where "
        "one seed leaves most of the device idle, and for short runs, where start-up time matters"
    )
    target_rate: float = Field(gt=0, le=1, description="tau, rate of the target critics' average")
    log_every: int = Field(ge=1, description="gradient steps between rows of metrics.csv")


class OfflineSettings(Section):
    """Offline stage: pre-training on the diagonal, then distillation into a flow map."""

    steps: int = Field(ge=1, description="total gradient steps, the same for every method")
    warmup_steps: int = Field(
        ge=1, description="gradient steps on the diagonal, before distillation"
    )
    anneal_end: int = Field(
        ge=1, description="gradient step from which the curriculum's intervals cover all of [0, 1]"
    )
    distillation: Distillation = Field(
        description="Eulerian, Lagrangian or progressive self-distillation"
    )
    critic_target: Aggregate = Field(description="mean or min over the two target critics")
    evaluate_every: int = Field(ge=1, description="gradient steps between evaluations")
    shared: bool = Field(
        default=False,
        description="train offline for the first of the seeds only, and start the online runs of "
        "all seeds from there, as the paper's figures show and the authors' code can",
    )

    @model_validator(mode="after")
    def _ordered(self) -> "OfflineSettings":
        if not self.warmup_steps < self.steps:
            raise ValueError("warmup_steps must be less than steps")
        if not self.warmup_steps < self.anneal_end:
            raise ValueError("anneal_end must be more than warmup_steps")
        return self


class OnlineSettings(Section):
    """Online stage: fine-tuning in the simulator."""

    steps: int = Field(ge=1, description="environment steps")
    start_training: int = Field(ge=0, description="environment steps before the first update")
    update_every: int = Field(ge=1, description="environment steps per gradient step")
    critic_target: Aggregate = Field(
        description="mean or min over the two target critics, for methods that do not set their "
        "own, such as FMQ; min is clipped double Q"
    )
    capacity: int = Field(
        ge=1, description="transitions in the buffer; at least the data set's, plus one"
    )
    evaluate_every: int = Field(ge=1, description="environment steps between evaluations")
    simulators: Literal["here", "apart"] = Field(
        default="here",
        description="where a run's simulator is stepped: here, in turn with the updates, or apart, "
        "beside them in a process with a core of its own for each seed; does not change results",
    )


class FMQSettings(Section):
    """The FMQ loss: the trust region of Theorem 3.2, and losses added to it."""

    eta: float = Field(ge=0, description="radius of the trust region")
    adaptive: bool = Field(description="shrink the radius where the critics disagree")
    beta: float = Field(ge=0, description="the radius is eta / (1 + beta d), d the disagreement")
    gradient_at: Literal["offline", "online"] = Field(
        description="policy at whose chunk the critic's gradient is taken"
    )
    diagonal_weight: float = Field(ge=0, description="weight of an added diagonal loss")
    distillation_weight: float = Field(ge=0, description="weight of an added ESD loss")


class SamplingSettings(Section):
    """Samplers: how a policy turns noise into an action chunk."""

    samples: int = Field(ge=1, description="N of best-of-N, for acting and in the critic target")
    bfn_samples: int | None = Field(
        default=None,
        ge=1,
        description="N of best-of-N for chunks of one action (BFN, BFN-n), 4 in QC's README; null "
        "takes samples",
    )
    flow_steps: int = Field(ge=1, description="Euler steps along the diagonal velocity")
    qgbs_candidates: int = Field(ge=1, description="M, candidates kept per round")
    qgbs_copies: int = Field(ge=1, description="B, re-noised copies of each candidate")
    qgbs_rounds: int = Field(ge=0, description="K, number of rounds; 0 is best-of-M")
    qgbs_eta: float = Field(ge=0, description="length of the gradient step in action space")
    qgbs_rho: float = Field(gt=0, description="copies are re-noised to t' = rho / (1 + rho)")
    qgbs_completion: Completion = Field(
        description="how re-noised copies are completed; diagonal is the authors' released code"
    )
    qgbs_step_without_rounds: bool = Field(
        default=False,
        description="with 0 rounds, move the candidates once along the gradient before the best is "
        "chosen, as the authors' released code does",
    )


class EvaluationSettings(Section):
    """Evaluation: how many episodes are run, and how; all methods get the same initial states."""

    episodes: int = Field(ge=1, description="episodes per evaluation")
    environments: int = Field(ge=1, description="simulators that step in lockstep")
    processes: int = Field(
        default=1,
        ge=1,
        description="processes that share the simulators; 1 is the job's own process; does not "
        "change results",
    )
    beside: bool = Field(
        default=False,
        description="evaluate snapshots on a CPU, in a process of its own beside the training, "
        "which goes on at once; takes a core more",
    )

    @property
    def simulators(self) -> int:
        """Number of simulators in one evaluation: at most one per episode."""
        return min(self.environments, self.episodes)

    @property
    def workers(self) -> int:
        """Number of processes for one evaluation's simulators: at most one per simulator."""
        return min(self.processes, self.simulators)


class StatisticsSettings(Section):
    """Confidence intervals by stratified bootstrap over runs, and the unit of the drift."""

    resamples: int = Field(ge=100, description="number of bootstrap resamples")
    confidence: float = Field(gt=0.5, lt=1, description="level of the confidence intervals")
    drift: Literal["squared_norm", "mean"] = Field(
        default="squared_norm",
        description="drift in the trust region's report: the squared norm, or its mean over the "
        "H*A numbers of a chunk, as the authors' released code logs it",
    )
