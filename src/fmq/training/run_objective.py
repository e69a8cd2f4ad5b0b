"""Make a run's objective: its losses and its sampler, with the hyperparameters it is bound to."""

from fmq.acting.policy import Sampler
from fmq.base.errors import UserError
from fmq.config.own_methods import defined
from fmq.pipeline.identity import canonical
from fmq.pipeline.runs import Run
from fmq.training.actor_losses import ACTOR_LOSSES, ActorLoss
from fmq.training.objective import Objective


def find_actor_loss(run: Run) -> ActorLoss:
    """Return the actor loss of a run: a built-in one, or the one in its method's file.

    Raises:
        UserError: the file fails, or its `actor_loss` is not one.
    """
    bound = run.bound.actor_loss
    assert bound is not None, "an imported run is not trained"
    if run.code is None:
        return ACTOR_LOSSES[bound.name](**bound.numbers)
    row = run.study.own_methods[run.kind]
    found: ActorLoss = defined(run.kind, row, "actor_loss", ActorLoss, bound.numbers)
    for name in ("noises", "times"):
        count = getattr(found, name)
        if type(count) is not int or count < 0:
            raise UserError(
                f"{run.code.path}: actor_loss.{name} has to be an integer, 0 or more, got {count!r}"
            )
    return found


def objective_of(run: Run, sampler: Sampler) -> Objective:
    """Return the objective of a run, bound to its hyperparameters.

    Args:
        sampler: the run's sampler.

    Raises:
        UserError: as in `find_actor_loss`.
    """
    bound, training = run.bound, run.training
    return Objective(
        find_actor_loss(run),
        sampler,
        bound.critic_target,
        learning_rate=training.learning_rate,
        target_rate=training.target_rate,
        identity=canonical([one.model_dump() for one in (bound.actor_loss, bound.sampler) if one]),
        curriculum=bound.curriculum,
    )
