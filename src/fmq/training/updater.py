"""Updates of one or several learners, as they are run: jointly, compiled, or recorded."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from fmq.data.sequences import Batch
from fmq.training import divergence, update
from fmq.training.capturing import captured
from fmq.training.compiling import compiled, recorded
from fmq.training.divergence import Divergence, Signs
from fmq.training.joint import eager_gradients, joint_gradients
from fmq.training.learner import Learner
from fmq.training.objective import Draws, Gradients, Objective
from fmq.training.vectors import row, stacked

Tensors = TypeVar("Tensors", Batch, Draws)


class Unsettled(NamedTuple):
    """An update that was not yet checked for divergence.

    Attributes:
        step: gradient step.
        batches: the batch of each learner.
        signs: the signs of divergence on the host, where they may not have arrived yet.
        wait: waits until they have arrived.
    """

    step: int
    batches: Sequence[Batch]
    signs: Signs
    wait: Callable[[], object]


class Updater:
    """Updates learners that differ only in their seed, all with the same kernels.

    The vectors of the learners become rows of matrices, and each learner's vectors become views: a
    second updater of the same learners would take them away from the first.
    """

    def __init__(
        self,
        learners: Sequence[Learner],
        objective: Objective,
        compile: bool = False,
        capture: bool = False,
    ) -> None:
        """Take over learners with their current numbers; `objective` is that of all updates.

        Args:
            compile: whether the gradient is a compiled program (`fmq.training.compiling`).
            capture: whether a GPU runs the whole update as one graph (`fmq.training.capturing`).
        """
        first = learners[0]
        self.learners, self.objective = learners, objective
        self.vectors = stacked([one.vectors for one in learners])
        for number, one in enumerate(learners):
            one.live_in(row(self.vectors, number))
        self.gradients = partial(eager_gradients, first, objective)
        if compile or len(learners) > 1:
            graph = joint_gradients(first, objective, len(learners))
            if compile:
                graph = compiled(graph, graph_identity(first, objective))
            else:  # vectorising at each call would take longer than the update
                graph = recorded(graph, "stack_seeds")
            self.gradients = partial(graph, *self.vectors[:3])
        self.advance = self._advance
        if capture and self.vectors.weights.device.type == "cuda":
            self.advance = captured(self._advance, [one.generator for one in learners])
        self.unsettled: Unsettled | None = None

    def update(
        self, batches: Sequence[Batch], step: int, measure: bool = False
    ) -> list[dict[str, float]]:
        """Take one joint gradient step on the actor and critic loss of every learner.

        An update that diverges changes nothing. Whether it did is only known to the device, so the
        host asks once it has launched the next update.

        Args:
            batches: chunks with raw observations, one batch per learner.
            step: gradient step, counted from the start of offline training.
            measure: also compute and return metrics, one dictionary per learner.

        Raises:
            Divergence: the update before this one diverged; with `measure`, also if this one did.
        """
        batch = _stack(batches)
        progress = batch.rewards.new_full((), self.objective.progress(step))
        found, signs = self.advance(batch, progress)
        last, self.unsettled = self.unsettled, _unsettled(step, batches, signs)
        self._check(last)
        if not measure:
            return [{} for _ in batches]
        self.settle()
        return _metrics(found)

    def settle(self) -> None:
        """Raise `Divergence` if the last update diverged; on a GPU, wait for it first."""
        last, self.unsettled = self.unsettled, None
        self._check(last)

    def _check(self, last: Unsettled | None) -> None:
        if last is None:
            return
        last.wait()
        possible = self.learners[0].possible_values
        for number, fault in enumerate(divergence.faults(last.signs, possible)):
            if fault is not None:
                raise Divergence(fault, number, last.step, last.batches[number])

    def _advance(self, batch: Batch, progress: Tensor) -> tuple[Gradients, Signs]:
        """Make a whole update on tensors alone, without waiting for the device."""
        draws = _stack([one.draw(batch.rewards.shape[-1], self.objective) for one in self.learners])
        vectors, values, quantities = self.gradients(batch, draws, progress)
        norm = torch.linalg.vector_norm(vectors, dim=-1)
        found = Gradients(vectors, values, quantities | {"gradient_norm": norm})
        signs = divergence.signs(found.values, found.quantities)
        skip = divergence.wrong(signs, self.learners[0].possible_values)
        update.step(self.vectors, vectors, self.objective, skip.to(vectors.dtype))
        return found, signs


def graph_identity(learner: Learner, objective: Objective) -> list[Any]:
    """Return plain values that distinguish a graph of gradients from all of other constants."""
    constants = [learner.shapes.model_dump(), learner.backup, learner.action_size]
    normalizer = [part.tolist() for part in learner.normalizer]
    rounded = learner.selection
    return [objective.identity, objective.critic_target, *constants, rounded, normalizer]


def _stack(several: Sequence[Tensors]) -> Tensors:
    """Stack the batches or draws of several learners along a first axis."""
    return type(several[0])(*map(torch.stack, zip(*several, strict=True)))


def _unsettled(step: int, batches: Sequence[Batch], signs: Signs) -> Unsettled:
    """Return an update with a copy of its signs, which a recorded update would overwrite."""
    numbers = signs.numbers
    if numbers.device.type == "cpu":
        return Unsettled(step, batches, signs._replace(numbers=numbers.clone()), _at_once)
    there = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=True)
    there.copy_(numbers, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    return Unsettled(step, batches, signs._replace(numbers=there), event.synchronize)


def _at_once() -> None:
    """Wait for nothing."""


def _metrics(found: Gradients) -> list[dict[str, float]]:
    q = found.values.flatten(-2)
    columns = {
        **found.quantities,
        "q_mean": q.mean(-1),
        "q_min": q.amin(-1),
        "q_max": q.amax(-1),
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]
