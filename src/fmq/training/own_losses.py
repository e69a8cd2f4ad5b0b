"""Try the methods in the study's own files once before training."""

from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from fmq.base.errors import UserError
from fmq.config.method_files import Code
from fmq.data.sequences import Batch
from fmq.methods.execution import drawing_nothing, told_in_one_line
from fmq.methods.losses import ActorInputs, ActorLoss
from fmq.networks.ensemble import CriticEnsemble
from fmq.training import update
from fmq.training.learner import Learner
from fmq.training.objective import Objective

_COLUMNS = {
    *("step", "gradient_step", "critic_loss", "actor_loss", "gradient_norm"),
    *("q_mean", "q_min", "q_max", "drift", "drift_mean", "episodes", "last_success"),
}
"""Columns of every run's `metrics.csv`, besides shares of time and rates."""


def try_once(code: Code, learner: Learner, batch: Batch, objective: Objective) -> None:
    """Compute one update with a method from a file, to find its errors; change nothing.

    Args:
        code: the method's file.
        batch: chunks with raw observations.

    Raises:
        UserError: the loss or the sampler fails, returns something invalid, draws random numbers
            instead of using its inputs, or trains the critics.
    """
    loss = objective.actor_loss
    checked = loss._replace(loss=partial(_checked, code, loss))
    generator = learner.generator.get_state()
    draws = learner.draw(len(batch.actions), objective)
    learner.generator.set_state(generator)
    observations = learner.normalizer(batch.next_observations)
    objective = objective._replace(actor_loss=checked)
    with drawing_nothing(code.path), told_in_one_line(code.path):
        update.gradient(learner, objective, batch, draws, draws.noise.new_ones(()))
        with torch.inference_mode():  # as when acting
            pickers = learner.networks().pickers
            chunks = objective.sampler.choose(*pickers, observations, draws.candidates)
    if not (chunks.abs() <= 1).all():
        raise UserError(f"{code.path}: the sampler returns chunks outside of [-1, 1]; clip them")


def _checked(
    code: Code, actor_loss: ActorLoss, inputs: ActorInputs
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return what the loss returns, once it is checked that training can use it."""
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
    critics = list(cast(CriticEnsemble, inputs.critic).parameters())
    moved = torch.autograd.grad(loss, critics, retain_graph=True, allow_unused=True)
    if any(one is not None for one in moved):
        raise UserError(
            f"{code.path}: the loss would train the critics too; take their gradient with "
            "respect to the chunk by fmq.method.guidance.value_and_gradient"
        )
    return loss, metrics


def _check_metrics(code: Code, loss: Tensor, metrics: dict[Any, Any]) -> None:
    for name, value in metrics.items():
        word = isinstance(name, str) and name.isidentifier()
        if not word or name in _COLUMNS or name.endswith(("_share", "_rate")):
            raise UserError(
                f"{code.path}: a quantity for the metrics is called {name!r}; it has to be a word "
                f"other than {', '.join(sorted(_COLUMNS))} that does not end in _share or _rate"
            )
        if not isinstance(value, Tensor) or value.shape != () or value.device != loss.device:
            raise UserError(
                f"{code.path}: {name} for the metrics has to be a tensor of shape () on the "
                "device of the loss"
            )
        if not value.isfinite():
            raise UserError(f"{code.path}: {name} for the metrics is {float(value.detach())}")
