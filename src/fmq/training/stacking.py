"""Learners of several seeds as one: their numbers in matrices, their gradients in one pass."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from fmq.data.sequences import Batch
from fmq.training.learner import Learner
from fmq.training.objective import Draws, Gradients, Objective
from fmq.training.refusing import told_of
from fmq.training.vectors import Vectors, row, stacked

Tensors = TypeVar("Tensors", Batch, Draws)
Joint = tuple[Tensor, Tensor, dict[str, Tensor]]


def together(learners: Sequence[Learner]) -> Vectors:
    """Matrices of the numbers of learners, of which theirs become the rows."""
    vectors = stacked([one.vectors for one in learners])
    for number, one in enumerate(learners):
        one.live_in(row(vectors, number))
    return vectors


def stack(several: Sequence[Tensors]) -> Tensors:
    """Batches or draws of several learners as one, with a first axis of learners."""
    return type(several[0])(*map(torch.stack, zip(*several, strict=True)))


def joint_gradients(
    learner: Learner,
    vectors: Vectors,
    objective: Objective,
    finish: Callable[[Callable[..., Joint]], Callable[..., Joint]],
) -> Callable[[Batch, Draws, Tensor], Gradients]:
    """`Learner.gradients` of several learners at once, with a first axis of learners throughout.

    Vectorised over the learners (`torch.func.vmap`) at the first call, which takes a second, and
    kept as a graph of plain operations: to vectorise takes longer than most of these.

    Args:
        learner: one like all of them.
        vectors: of all of them, as `together` gives them.
        finish: makes of that graph what is called; e.g. compiles it.

    Raises:
        UserError: at the first call, if the loss asks for a number of one learner.
    """
    graph: Callable[..., Joint] | None = None

    def losses(
        weights: Tensor,
        target: Tensor,
        offline: Tensor,
        progress: Tensor,
        batch: Batch,
        draws: Draws,
    ) -> tuple[Tensor, tuple[Tensor, dict[str, Tensor]]]:
        mine = Vectors(weights, target, offline, learner.vectors.moments)
        networks = learner.networks_with(mine)
        loss, values, quantities = learner.losses(objective, networks, batch, draws, progress)
        return loss, (values, quantities)

    def joint(
        weights: Tensor, target: Tensor, offline: Tensor, progress: Tensor, *data: Tensor
    ) -> Joint:
        batch, draws = Batch(*data[: len(Batch._fields)]), Draws(*data[len(Batch._fields) :])
        each = torch.func.vmap(torch.func.grad(losses, has_aux=True), (0, 0, 0, None, 0, 0))
        vector, (values, quantities) = each(weights, target, offline, progress, batch, draws)
        norm = {"gradient_norm": torch.linalg.vector_norm(vector, dim=-1)}
        return vector, values, quantities | norm

    def gradients(batch: Batch, draws: Draws, progress: Tensor) -> Gradients:
        nonlocal graph
        *matrices, _ = vectors
        inputs = (*matrices, progress, *batch, *draws)
        if graph is None:
            graph = finish(_recorded(joint, inputs))
        with torch.no_grad():
            return Gradients(*graph(*inputs))

    return gradients


def _recorded(function: Callable[..., Joint], inputs: Sequence[Tensor]) -> Callable[..., Joint]:
    """The operations of a function of tensors as a graph."""
    from torch.fx.experimental.proxy_tensor import make_fx  # as slow as torch itself

    cannot = "this update cannot be made for several seeds at once"
    with told_of("stack_seeds", cannot, RuntimeError, AttributeError):
        graph: Callable[..., Joint] = make_fx(function)(*inputs)
    return graph
