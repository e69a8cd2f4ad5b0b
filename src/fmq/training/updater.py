"""The joint update of policy and critics, for one seed or for several at once."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from fmq.data.sequences import Batch
from fmq.method.critic import update_target
from fmq.training import divergence
from fmq.training.adam import adam_step
from fmq.training.capturing import captured
from fmq.training.divergence import Divergence, Signs
from fmq.training.learner import Learner
from fmq.training.objective import Draws, Gradients, Objective
from fmq.training.stacking import graph_gradients, stack, together


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

    The vectors of several learners become rows of matrices, and each learner's vectors become
    views: a second updater of the same learners would take them away from the first.
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
        self.vectors = first.vectors if len(learners) == 1 else together(learners)
        device = self.vectors.weights.device
        # Checking an update waits for it; on a GPU, it is checked once the next one is launched.
        self.looks_later = device.type != "cpu"
        self.unsettled: Unsettled | None = None
        self.gradients: Callable[[Batch, Draws, Tensor], Gradients]
        if len(learners) == 1 and not compile:
            self.gradients = partial(first.gradients, objective)
        else:
            self.gradients = graph_gradients(first, self.vectors, objective, compile)
        self.advance = self._advance
        if capture and device.type == "cuda":
            self.advance = captured(self._advance, [one.generator for one in learners])

    def update(
        self, batches: Sequence[Batch], step: int, measure: bool = False
    ) -> list[dict[str, float]]:
        """Take one joint gradient step on the actor and critic loss of every learner.

        Args:
            batches: chunks with raw observations, one batch per learner.
            step: gradient step, counted from the start of offline training.
            measure: also compute and return metrics, one dictionary per learner.

        Raises:
            Divergence: a loss or the gradient is not finite, or a Q is impossible. That update
                changed nothing. On a GPU, this is raised by `settle` or at the latest by the next
                call, which has made its own update by then.
        """
        progress = self.objective.progress(step)
        batch = batches[0] if len(batches) == 1 else stack(batches)
        found, signs = self.advance(*batch, batch.rewards.new_full((), progress))
        last, self.unsettled = self.unsettled, _unsettled(step, batches, signs)
        self._look_at(last)
        if not self.looks_later:
            self.settle()
            self._step(found.vector)
        if not measure:
            return [{} for _ in batches]
        self.settle()
        return _metrics(found)

    def settle(self) -> None:
        """Raise `Divergence` if the last update diverged; on a GPU, wait for it first."""
        last, self.unsettled = self.unsettled, None
        self._look_at(last)

    def _look_at(self, last: Unsettled | None) -> None:
        if last is None:
            return
        last.wait()
        possible = self.learners[0].possible_values
        for number, fault in enumerate(divergence.faults(last.signs, possible)):
            if fault is not None:
                raise Divergence(fault, number, last.step, last.batches[number])

    def _advance(self, *inputs: Tensor) -> tuple[Gradients, Signs]:
        """Compute a whole update from tensors alone; on a GPU, also change the weights."""
        *parts, progress = inputs
        batch = Batch(*parts)
        if len(self.learners) == 1:
            self.learners[0].refresh_pickers()
        found = self.gradients(batch, self._draw(batch), progress)
        signs = divergence.signs(found.values, found.quantities)
        if self.looks_later:
            possible = self.learners[0].possible_values
            self._step(found.vector, divergence.wrong(signs, possible))
        return found, signs

    def _draw(self, batch: Batch) -> Draws:
        draws = [one.draw(batch.rewards.shape[-1], self.objective) for one in self.learners]
        return draws[0] if len(draws) == 1 else stack(draws)

    def _step(self, gradient: Tensor, skip: Tensor | None = None) -> None:
        """Update the weights and target weights; change nothing where `skip` is 1.0, not 0.0."""
        objective, vectors = self.objective, self.vectors
        adam_step(vectors.weights, gradient, vectors.moments, objective.learning_rate, skip)
        rate = objective.target_rate if skip is None else objective.target_rate * (1 - skip)
        critics = vectors.weights[..., -vectors.target.shape[-1] :]
        update_target(vectors.target, critics, rate)


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
    rows = zip(*(column.reshape(-1).tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]
