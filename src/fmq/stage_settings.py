"""Settings of networks, stages and samplers: the sections of a study."""

from typing import Literal

from pydantic import Field, model_validator

from fmq.methods import Aggregate
from fmq.section import Section


class NetworkSettings(Section):
    """Shapes of the velocity network and of each critic."""

    hidden_width: int = Field(ge=1, description="units per hidden layer")
    hidden_layers: int = Field(ge=1, description="hidden layers")
    activation: Literal["gelu", "silu"] = Field(description="gelu is the tanh approximation")
    time_features: int = Field(
        ge=0, multiple_of=2, description="Fourier features of each flow time; 0 feeds the raw time"
    )
    normalize_observations: bool = Field(description="by the data set's mean and deviation")


class TrainingSettings(Section):
    """Shared by the offline and the online stages."""

    batch_size: int = Field(ge=1, description="action chunks per gradient step")
    learning_rate: float = Field(gt=0, description="Adam")
    selection: Literal["float32", "bfloat16"] = Field(
        description="precision of the hidden layers where the critic target picks the next chunk"
    )
    compile: Literal["auto", "always", "never"] = Field(
        description="updates as a compiled program, built once per machine; auto where it pays: on "
        "a CPU with a C++ compiler, in runs of 1,000 updates and more"
    )
    tf32: bool = Field(
        description="products of float32 with 10 bits of mantissa on a GPU, as JAX does by default"
    )
    capture: bool = Field(
        description="an update as one CUDA graph, launched at once; without a GPU without effect"
    )
    stack_seeds: bool = Field(
        description="all seeds of a task are trained in one process, in joint updates: for GPUs, "
        "where one seed leaves most of the device idle, and for short runs, where the start counts"
    )
    target_rate: float = Field(gt=0, le=1, description="tau of the target critics' moving average")
    log_every: int = Field(ge=1, description="gradient steps between rows of metrics.csv")


class OfflineSettings(Section):
    """Pre-training on the diagonal, then distillation into a flow map."""

    steps: int = Field(ge=1, description="gradient steps in all, the same for every method")
    warmup_steps: int = Field(ge=1, description="steps on the diagonal before distillation")
    anneal_end: int = Field(ge=1, description="step at which the intervals cover all of [0, 1]")
    distillation: Literal["esd", "lsd", "psd"] = Field(
        description="Eulerian, Lagrangian or progressive self-distillation"
    )
    critic_target: Aggregate = Field(description="over the two target critics")
    evaluate_every: int = Field(ge=1, description="gradient steps between evaluations")

    @model_validator(mode="after")
    def _ordered(self) -> "OfflineSettings":
        if not self.warmup_steps < self.steps:
            raise ValueError("warmup_steps has to be less than steps")
        if not self.warmup_steps < self.anneal_end:
            raise ValueError("anneal_end has to be more than warmup_steps")
        return self


class OnlineSettings(Section):
    """Fine-tuning in the simulator."""

    steps: int = Field(ge=1, description="environment steps")
    start_training: int = Field(ge=0, description="environment steps before the first update")
    update_every: int = Field(ge=1, description="environment steps per gradient step")
    critic_target: Aggregate = Field(
        description="of methods without one of their own, as FMQ: min is clipped double Q"
    )
    capacity: int = Field(ge=1, description="transitions kept; at least the data set's and one")
    evaluate_every: int = Field(ge=1, description="environment steps between evaluations")


class FMQSettings(Section):
    """Theorem 3.2: the trust region of the FMQ target."""

    eta: float = Field(ge=0, description="radius of the trust region")
    adaptive: bool = Field(description="shrink it where the critics disagree")
    beta: float = Field(ge=0, description="eta / (1 + beta d), d the disagreement")
    gradient_at: Literal["offline", "online"] = Field(
        description="the policy whose chunk the critic's gradient is taken at"
    )
    diagonal_weight: float = Field(ge=0, description="weight of the diagonal loss beside FMQ's")
    distillation_weight: float = Field(ge=0, description="weight of the ESD loss beside FMQ's")


class SamplingSettings(Section):
    """How a policy turns noise into an action chunk."""

    samples: int = Field(ge=1, description="N of best-of-N, acting and in the critic target")
    flow_steps: int = Field(ge=1, description="Euler steps along the diagonal velocity")
    qgbs_candidates: int = Field(ge=1, description="M, candidates kept")
    qgbs_copies: int = Field(ge=1, description="B, re-noised copies of each")
    qgbs_rounds: int = Field(ge=0, description="K, rounds; 0 is best-of-M")
    qgbs_eta: float = Field(ge=0, description="length of the gradient step")
    qgbs_rho: float = Field(gt=0, description="re-noise to t' = rho / (1 + rho)")
    qgbs_completion: Literal["flow_map", "diagonal"] = Field(
        description="how re-noised copies are completed; diagonal as in the authors' released code"
    )


class EvaluationSettings(Section):
    """Episodes per evaluation; every method meets the same starts."""

    episodes: int = Field(ge=1, description="episodes per evaluation")
    environments: int = Field(ge=1, description="simulators stepped in lockstep")
    processes: int = Field(
        default=1,
        ge=1,
        description="that the simulators are spread over; 1 is the job's own; changes no result",
    )

    @property
    def simulators(self) -> int:
        """Of one evaluation: no more than it has episodes."""
        return min(self.environments, self.episodes)

    @property
    def workers(self) -> int:
        """Processes of one evaluation's simulators: no more than there are simulators."""
        return min(self.processes, self.simulators)


class StatisticsSettings(Section):
    """Stratified bootstrap over runs."""

    resamples: int = Field(ge=100, description="bootstrap resamples")
    confidence: float = Field(gt=0.5, lt=1, description="level of the intervals")
