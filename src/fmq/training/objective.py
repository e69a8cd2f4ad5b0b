"""The objective of a run, and the inputs and results of an update."""

from typing import NamedTuple

from torch import Tensor

from fmq.config.sections import TrainingSettings
from fmq.method.flow import curriculum_progress
from fmq.methods.losses import ActorLoss
from fmq.methods.making import actor_loss_of
from fmq.methods.samplers import Sampler
from fmq.pipeline.bindings import Curriculum
from fmq.pipeline.identity import canonical
from fmq.pipeline.runs import Run


class Objective(NamedTuple):
    """The objective of a stage or a method, bound to the hyperparameters that it uses.

    Attributes:
        actor_loss: loss of the policy.
        sampler: chooses the next chunk in the critic target.
        critic_target: ``mean`` or ``min`` over the target critics.
        training: settings that all stages share, such as the learning rate.
        identity: tells the actor loss and the sampler from all others: their names, numbers and,
            if they are the user's own, their code.
        curriculum: curriculum of the loss's intervals; None if it has none.
    """

    actor_loss: ActorLoss
    sampler: Sampler
    critic_target: str
    training: TrainingSettings
    identity: str
    curriculum: Curriculum | None = None

    def progress(self, step: int) -> float:
        """Return how far the curriculum has progressed at a gradient step, 0 to 1."""
        if self.curriculum is None:
            return 1.0
        return curriculum_progress(step, self.curriculum.warmup_steps, self.curriculum.anneal_end)


def objective_of(run: Run, sampler: Sampler) -> Objective:
    """Return the objective of a run, bound to its hyperparameters.

    Args:
        sampler: the run's sampler.

    Raises:
        UserError: as in `fmq.methods.making.actor_loss_of`.
    """
    bound = run.bound
    parts = [one.model_dump() for one in (bound.actor_loss, bound.sampler) if one]
    return Objective(
        actor_loss_of(run),
        sampler,
        bound.critic_target,
        run.training,
        identity=canonical(parts),
        curriculum=bound.curriculum,
    )


class Draws(NamedTuple):
    """The random numbers of one update.

    Attributes:
        candidates: noise of the critic target's sampler, shape (batch, noises, H*A).
        noise: standard normal numbers of the actor loss, shape (noises, batch, H*A).
        times: uniform numbers of the actor loss, shape (times, batch, 1).
    """

    candidates: Tensor
    noise: Tensor
    times: Tensor


class Gradients(NamedTuple):
    """The results of an update before it is applied, one row per learner.

    Attributes:
        vectors: gradient of all weights, shape (learners, n).
        values: critic values of the batch's chunks, shape (learners, 2, batch).
        quantities: losses and norms for the metrics, shape (learners,) each.
    """

    vectors: Tensor
    values: Tensor
    quantities: dict[str, Tensor]
