"""The gradient of an update as a graph of plain operations, for one learner or several."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from fmq.data.sequences import Batch
from fmq.training.compiling import compiled, recorded
from fmq.training.learner import Learner
from fmq.training.objective import Draws, Gradients, Objective
from fmq.training.vectors import Vectors, row, stacked

Tensors = TypeVar("Tensors", Batch, Draws)
Joint = tuple[Tensor, Tensor, dict[str, Tensor]]


def together(learners: Sequence[Learner]) -> Vectors:
    """Stack the vectors of learners into matrices, and make the rows the learners' own vectors."""
    vectors = stacked([one.vectors for one in learners])
    for number, one in enumerate(learners):
        one.live_in(row(vectors, number))
    return vectors


def stack(several: Sequence[Tensors]) -> Tensors:
    """Stack the batches or draws of several learners along a first axis."""
    return type(several[0])(*map(torch.stack, zip(*several, strict=True)))


def graph_gradients(
    learner: Learner, vectors: Vectors, objective: Objective, compile: bool
) -> Callable[[Batch, Draws, Tensor], Gradients]:
    """Return `Learner.gradients` as a graph, which is built or loaded at the first call.

    With several learners, inputs and results have a first axis of learners, and the function is
    vectorised over it (`torch.func.vmap`), which takes longer than running most graphs.

    Args:
        learner: the learner, or one that stands for all of them.
        vectors: its vectors, or those of all learners from `together`.
        compile: whether the graph is compiled.

    Raises:
        UserError: at the first call, if the loss reads a tensor's value.
    """
    several = vectors.weights.dim() == 2
    function = _of_several(learner, objective) if several else _of_one(learner, objective)
    graph: Callable[..., Joint] | None = None

    def gradients(batch: Batch, draws: Draws, progress: Tensor) -> Gradients:
        nonlocal graph
        *matrices, _ = vectors
        inputs = (*matrices, progress, *batch, *draws)
        if graph is None and compile:
            graph = compiled(function, inputs, _identity(learner, objective, several))
        elif graph is None:
            graph = recorded(function, inputs, "stack_seeds")
        with torch.no_grad():
            return Gradients(*graph(*inputs))

    return gradients


def _identity(learner: Learner, objective: Objective, several: bool) -> list[Any]:
    shapes = [learner.shapes.model_dump(), *learner.backup, learner.action_size]
    normalizer = [part.tolist() for part in learner.normalizer]
    rounded = learner.rounded is not None
    return [objective.identity, objective.critic_target, shapes, normalizer, rounded, several]


def _losses(learner: Learner, objective: Objective) -> Callable[..., Any]:
    """Return the losses as a function of the weights."""

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

    return losses


def _of_one(learner: Learner, objective: Objective) -> Callable[..., Joint]:
    losses = _losses(learner, objective)

    def alone(weights: Tensor, *rest: Tensor) -> Joint:
        with torch.enable_grad():
            weights = weights.detach().requires_grad_(True)
            loss, (values, quantities) = losses(weights, *rest[:3], *_parts(rest[3:]))
            (vector,) = torch.autograd.grad(loss, weights)
        return vector, values, quantities | _norm(vector)

    return alone


def _of_several(learner: Learner, objective: Objective) -> Callable[..., Joint]:
    each = torch.func.grad(_losses(learner, objective), has_aux=True)
    vectorised = torch.func.vmap(each, (0, 0, 0, None, 0, 0))

    def joint(*inputs: Tensor) -> Joint:
        vector, (values, quantities) = vectorised(*inputs[:4], *_parts(inputs[4:]))
        return vector, values, quantities | _norm(vector)

    return joint


def _parts(data: Sequence[Tensor]) -> tuple[Batch, Draws]:
    return Batch(*data[: len(Batch._fields)]), Draws(*data[len(Batch._fields) :])


def _norm(vector: Tensor) -> dict[str, Tensor]:
    return {"gradient_norm": torch.linalg.vector_norm(vector, dim=-1)}
