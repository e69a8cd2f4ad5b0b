"""Bindings of a run: every setting that it may read while it trains, and nothing else.

A run's identity is a hash of its `Bindings`. Stages, losses and samplers are created from parts of
them and see no other settings, so no setting that affects a result can be missing from the
identity. Settings that do not affect results are left out: devices, threads, processes, folders.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, FieldSerializationInfo, field_serializer

from fmq.config.choices import Aggregate
from fmq.config.sections import NetworkSettings, TrainingSettings


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bound(_Frozen):
    """A loss or a sampler, by name, and the numbers that it is created with.

    Attributes:
        name: name of the loss or the sampler.
        numbers: its settings, by name.
        neutral: defaults of the numbers; at its default, a number leaves a run's identity alone.
        code: digest of the user-defined method file that contains it; empty for fmq's own.
    """

    name: str
    numbers: dict[str, Any] = {}
    neutral: dict[str, Any] = Field(default={}, exclude=True)
    code: str = ""

    @field_serializer("numbers")
    def _counted(self, numbers: dict[str, Any], info: FieldSerializationInfo) -> dict[str, Any]:
        """Leave out numbers at their neutral values where defaults are left out."""
        if not info.exclude_defaults:
            return numbers
        return {
            name: value
            for name, value in numbers.items()
            if name not in self.neutral or self.neutral[name] != value
        }


class Simulation(_Frozen):
    """How simulator steps become chunks and rewards.

    Attributes:
        discount: gamma, per environment step.
        chunk_length: H, actions executed open-loop.
        backup_length: environment steps of the critics' backup.
        sparse_reward: whether every non-zero reward is mapped to -1.
        episode_limit: environment steps per episode; None takes the suite's limit.
        success_timing: whether OGBench judges success on the state before the action or after it.
        demonstrations: whether RoboMimic's demonstrations end at their first success.
    """

    discount: float
    chunk_length: int
    backup_length: int
    sparse_reward: bool = False
    episode_limit: int | None = None
    success_timing: str = "before"
    demonstrations: str = "first_success"


class Offline(_Frozen):
    """Schedule of an offline run, in gradient steps counted from the start of pre-training."""

    first: int
    last: int
    evaluate_every: int

    @property
    def evaluations(self) -> range:
        """Steps of the evaluations between the first step and the last."""
        return _multiples(self.evaluate_every, self.first, self.last)


class Online(_Frozen):
    """Schedule of an online run, in environment steps.

    Attributes:
        last: environment steps in total.
        start_training: environment steps before the first update.
        update_every: environment steps per gradient step.
        capacity: transitions in the buffer.
        evaluate_every: environment steps between evaluations.
        first_update: gradient steps made before this run, from the start of pre-training.
        interacts: whether the policy acts; if not, updates on the offline data follow the same
            schedule.
    """

    last: int
    start_training: int
    update_every: int
    capacity: int
    evaluate_every: int
    first_update: int
    interacts: bool = True

    def updates(self, step: int) -> int:
        """Return the number of gradient updates up to and including an environment step."""
        every = self.update_every
        return max(step // every - self.start_training // every, 0)

    @property
    def evaluations(self) -> range:
        """Steps of the evaluations before the last step."""
        return _multiples(self.evaluate_every, 0, self.last)


def _multiples(every: int, first: int, last: int) -> range:
    """Return the multiples of a number strictly between two steps."""
    return range((first // every + 1) * every, last, every)


class Imported(_Frozen):
    """An imported run: the step that it is evaluated at, and what identifies its files."""

    last: int
    files: tuple[str, ...]
    tf32: bool = False

    @property
    def evaluations(self) -> range:
        """No steps: it is not evaluated before its last one."""
        return range(0)


class Curriculum(_Frozen):
    """The curriculum of self-distillation intervals, in gradient steps of offline training."""

    warmup_steps: int
    anneal_end: int


class Episodes(_Frozen):
    """Size of an evaluation: the number of episodes, and of simulators that step in lockstep."""

    episodes: int
    environments: int

    @property
    def simulators(self) -> int:
        """Number of simulators in one evaluation: at most one per episode."""
        return min(self.environments, self.episodes)


class Bindings(_Frozen):
    """All bindings of a run; values at their defaults do not affect its identity.

    Attributes:
        run: name of the run.
        task: name of the task.
        study_seed: root of every random stream.
        simulation: chunks, backups and rewards.
        networks: architecture of the networks.
        training: settings shared by all stages; None for an imported run.
        actor_loss: loss of the policy; None for an imported run.
        sampler: sampler that acts, and selects the next chunk in the critic target.
        critic_target: ``mean`` or ``min`` over the critics, in the target and in best-of-N.
        curriculum: schedule of the intervals, for losses that use them.
        stage: schedule of the run.
        evaluation: size of its evaluations.
        dataset: what determines the data (`fmq.pipeline.data`).
        together: seeds trained in one process; joint updates differ in the last digits.
    """

    run: str
    task: str
    study_seed: int
    simulation: Simulation
    networks: NetworkSettings
    training: TrainingSettings | None = None
    actor_loss: Bound | None = None
    sampler: Bound
    critic_target: Aggregate
    curriculum: Curriculum | None = None
    stage: Offline | Online | Imported
    evaluation: Episodes
    dataset: dict[str, Any]
    together: tuple[int, ...] = ()
