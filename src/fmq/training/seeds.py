"""The gradient of an update for several seeds at once, whose tensors lie along a first axis."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fmq.data.sequences import Batch
from fmq.training.objective import Draws
from fmq.training.update import Losses, gradient


def gradients_over_seeds(losses: Callable[..., Losses], seeds: int) -> Callable[..., Losses]:
    """Return `update.gradient` as a function of the tensors of all seeds.

    Inputs and results have a first axis of seeds, but for the last input, which all seeds share.

    Args:
        losses: the losses of one seed, `update.losses` with its first two arguments bound.
    """
    each = _of_one(losses) if seeds == 1 else _of_several(losses)

    def gradients(*inputs: Any) -> Losses:
        vectors, values, quantities = each(*inputs)
        norm = torch.linalg.vector_norm(vectors, dim=-1)
        return vectors, values, quantities | {"gradient_norm": norm}

    return gradients


def _of_one(losses: Callable[..., Losses]) -> Callable[..., Losses]:
    """Pass a single seed's tensors without their first axis.

    Its networks may then run in oneDNN's products, which `torch.func.vmap` cannot batch.
    """

    def alone(
        weights: Tensor, target: Tensor, offline: Tensor, batch: Batch, draws: Draws, last: Tensor
    ) -> Losses:
        batch, draws = Batch(*(one[0] for one in batch)), Draws(*(one[0] for one in draws))
        inputs = (weights[0], target[0], offline[0], batch, draws, last)
        vector, values, quantities = gradient(losses, *inputs)
        rows = {name: number.unsqueeze(0) for name, number in quantities.items()}
        return vector.unsqueeze(0), values.unsqueeze(0), rows

    return alone


def _of_several(losses: Callable[..., Losses]) -> Callable[..., Losses]:
    """Vectorise over the seeds; `torch.autograd.grad` cannot be called inside `torch.func.vmap`."""

    def with_rest(*inputs: Any) -> tuple[Tensor, tuple[Tensor, dict[str, Tensor]]]:
        loss, values, quantities = losses(*inputs)
        return loss, (values, quantities)

    each = torch.func.grad(with_rest, has_aux=True)

    def together(*inputs: Any) -> Losses:
        axes = (*[0] * (len(inputs) - 1), None)
        vectors, (values, quantities) = torch.func.vmap(each, axes)(*inputs)
        return vectors, values, quantities

    return together
