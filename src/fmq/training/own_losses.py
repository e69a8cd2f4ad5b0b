"""Actor losses in files of their own: found, and tried once before a run trains with them."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from fmq.data.sequences import Batch
from fmq.errors import UserError
from fmq.own_methods import Code, defined, drawing_nothing, told_in_one_line
from fmq.runs import Run
from fmq.training.actor_losses import ACTOR_LOSSES, ActorInputs, ActorLoss
from fmq.training.learner import Learner
from fmq.training.objective import Objective

_COLUMNS = {
    *("step", "gradient_step", "critic_loss", "actor_loss", "gradient_norm"),
    *("q_mean", "q_min", "q_max", "drift", "episodes", "last_success"),
}
"""Of `metrics.csv`, that every run has; shares and rates of time come on top."""


def find_actor_loss(run: Run) -> ActorLoss:
    """The loss of a run's policy: one of fmq's, or that in its method's file.

    Raises:
        UserError: the file fails, or what it calls `actor_loss` is none.
    """
    if run.code is None:
        return ACTOR_LOSSES[run.actor_loss]
    found: ActorLoss = defined(run.kind, run.study.own_methods[run.kind], "actor_loss", ActorLoss)
    for name in ("noises", "times"):
        count = getattr(found, name)
        if type(count) is not int or count < 0:
            raise UserError(
                f"{run.code.path}: actor_loss.{name} has to be an integer, 0 or more, got {count!r}"
            )
    return found


def try_once(code: Code, learner: Learner, batch: Batch, objective: Objective) -> None:
    """Compute one update with a method in a file, and change nothing: its faults show here.

    Args:
        code: of the file.
        batch: chunks with raw observations.

    Raises:
        UserError: the loss or the sampler fails, returns something else than it has to, draws
            random numbers that are not its inputs, or moves the critics.
    """
    loss = objective.actor_loss
    checked = loss._replace(loss=partial(_checked, code, learner, loss))
    generator = learner.generator.get_state()
    draws = learner.draw(len(batch.actions), objective)
    learner.generator.set_state(generator)
    learner.refresh_pickers()
    observations = learner.normalizer(batch.next_observations)
    with drawing_nothing(code), told_in_one_line(code):
        learner.gradients(
            objective._replace(actor_loss=checked), batch, draws, draws.noise.new_ones(())
        )
        with torch.inference_mode():  # as it acts
            chunks = objective.sampler.choose(*learner.pickers, observations, draws.candidates)
    if not (chunks.abs() <= 1).all():
        raise UserError(f"{code.path}: the sampler returns chunks outside of [-1, 1]; clip them")


def _checked(
    code: Code, learner: Learner, actor_loss: ActorLoss, inputs: ActorInputs
) -> tuple[Tensor, dict[str, Tensor]]:
    """What the loss returns, if that can be trained with."""
    try:
        found: Any = actor_loss.loss(inputs)
    except IndexError as error:
        asked = f"noises={actor_loss.noises}, times={actor_loss.times}"
        error.args = (f"{error}; actor_loss asks for {asked}",)
        raise
    if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], dict)):
        raise UserError(
            f"{code.path}: the loss returns {type(found).__name__}; it has to return the loss and "
            "a dictionary of quantities for the metrics, e.g. (loss, {})"
        )
    loss, metrics = found
    if not isinstance(loss, Tensor) or loss.shape != () or not loss.is_floating_point():
        told = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else repr(loss)
        raise UserError(f"{code.path}: the loss is {told}; it has to be a mean, of shape ()")
    if not loss.requires_grad:
        raise UserError(f"{code.path}: the loss does not depend on inputs.velocity")
    _check_metrics(code, loss, metrics)
    moved = torch.autograd.grad(
        loss, list(learner.critic.parameters()), retain_graph=True, allow_unused=True
    )
    if any(one is not None for one in moved):
        raise UserError(
            f"{code.path}: the loss would move the critics, not the policy alone; take their "
            "gradient in the chunk with fmq.guidance.value_and_gradient"
        )
    return loss, metrics


def _check_metrics(code: Code, loss: Tensor, metrics: dict[Any, Any]) -> None:
    for name, value in metrics.items():
        word = isinstance(name, str) and name.isidentifier()
        if not word or name in _COLUMNS or name.endswith(("_share", "_rate")):
            raise UserError(
                f"{code.path}: a quantity for the metrics is called {name!r}; it has to be a word "
                f"that is none of {', '.join(sorted(_COLUMNS))}, and no share or rate"
            )
        if not isinstance(value, Tensor) or value.shape != () or value.device != loss.device:
            raise UserError(
                f"{code.path}: {name} for the metrics has to be a tensor of shape (), where the "
                "loss is"
            )
        if not value.isfinite():
            raise UserError(f"{code.path}: {name} for the metrics is {float(value.detach())}")
