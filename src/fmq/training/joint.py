"""The gradients of an update as a function of all weights, for one seed or for several at once.

This is the form that graphs are made of (`fmq.training.compiling`). Inputs and results have a first
axis of seeds, but for the last input, the progress of the curriculum, which all seeds share.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from fmq.data.sequences import Batch
from fmq.training.learner import Learner
from fmq.training.objective import Draws, Objective
from fmq.training.update import Losses, gradient, losses

Rest = tuple[Tensor, dict[str, Tensor]]
Tensors = TypeVar("Tensors", Batch, Draws)


def eager_gradients(
    learner: Learner, objective: Objective, batch: Batch, draws: Draws, progress: Tensor
) -> Losses:
    """Return the gradient of one learner, with its own networks and without a graph."""
    return _expanded(*gradient(learner, objective, _only(batch), _only(draws), progress))


def joint_gradients(learner: Learner, objective: Objective, seeds: int) -> Callable[..., Losses]:
    """Return the gradients as a function of weights, target, offline, batch, draws and progress.

    Args:
        learner: any of the learners: its weights do not matter.
    """
    return partial(_of_one if seeds == 1 else _of_several, partial(_losses_at, learner, objective))


def _losses_at(
    learner: Learner,
    objective: Objective,
    weights: Tensor,
    target: Tensor,
    offline: Tensor,
    batch: Batch,
    draws: Draws,
    progress: Tensor,
) -> tuple[Tensor, Rest]:
    networks = learner.networks_with(weights, target, offline)
    loss, values, quantities = losses(learner, objective, networks, batch, draws, progress)
    return loss, (values, quantities)


def _of_one(
    losses_at: Callable[..., tuple[Tensor, Rest]], *inputs: Tensor | Batch | Draws
) -> Losses:
    """Use plain autograd: under `torch.func`, networks could not use oneDNN's products."""
    *rows, progress = inputs
    weights, *others = tree_map(lambda tensor: tensor[0], rows)
    with torch.enable_grad():
        own = weights.detach().requires_grad_(True)
        loss, rest = losses_at(own, *others, progress)
        (vector,) = torch.autograd.grad(loss, own)
    return _expanded(vector, *rest)


def _of_several(
    losses_at: Callable[..., tuple[Tensor, Rest]], *inputs: Tensor | Batch | Draws
) -> Losses:
    each = torch.func.grad(losses_at, has_aux=True)
    vectors, (values, quantities) = torch.func.vmap(each, (0, 0, 0, 0, 0, None))(*inputs)
    return vectors, values, quantities


def _only(rows: Tensors) -> Tensors:
    """Return the batch or the draws of a single seed."""
    return type(rows)(*(part[0] for part in rows))


def _expanded(vector: Tensor, values: Tensor, quantities: dict[str, Tensor]) -> Losses:
    """Return the results of a single seed with a first axis."""
    rows = {name: quantity.unsqueeze(0) for name, quantity in quantities.items()}
    return vector.unsqueeze(0), values.unsqueeze(0), rows
