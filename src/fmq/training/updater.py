"""The joint update of policy and critics, of one seed or of several at once."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from fmq.critic import update_target
from fmq.data.sequences import Batch
from fmq.flow import curriculum_progress
from fmq.training import divergence
from fmq.training.adam import adam_step
from fmq.training.capturing import captured
from fmq.training.divergence import Divergence, Signs
from fmq.training.learner import Learner
from fmq.training.objective import Draws, Gradients, Objective
from fmq.training.stacking import graph_gradients, stack, together


class Unsettled(NamedTuple):
    """An update that was not yet looked at.

    Attributes:
        step: gradient step.
        batches: of each learner.
        signs: what tells, on the host, to which it may still be on its way.
        wait: until it is there.
    """

    step: int
    batches: Sequence[Batch]
    signs: Signs
    wait: Callable[[], object]


class Updater:
    """Updates learners that differ in their seed alone, all with the same kernels.

    The numbers of several become rows of matrices, of which each learner's are views: a second
    updater of the same learners would take them away from the first.
    """

    def __init__(
        self, learners: Sequence[Learner], objective: Objective, compile: bool = False
    ) -> None:
        """Of learners with whatever they start from; `objective` is that of all updates.

        Args:
            compile: whether the gradient is a compiled program (`fmq.training.compiling`).
        """
        first = learners[0]
        self.learners, self.objective, self.study = learners, objective, first.study
        self.vectors = first.vectors if len(learners) == 1 else together(learners)
        device = self.vectors.weights.device
        # To look at an update is to wait for it. A GPU's is looked at once the next is launched.
        self.looks_later = device.type != "cpu"
        self.unsettled: Unsettled | None = None
        self.gradients: Callable[[Batch, Draws, Tensor], Gradients]
        if len(learners) == 1 and not compile:
            self.gradients = partial(first.gradients, objective)
        else:
            self.gradients = graph_gradients(first, self.vectors, objective, compile)
        self.advance = self._advance
        if self.study.training.capture and device.type == "cuda":
            self.advance = captured(self._advance, [one.generator for one in learners])

    def update(
        self, batches: Sequence[Batch], step: int, measure: bool = False
    ) -> list[dict[str, float]]:
        """One joint gradient step on every actor's and critic's loss.

        Args:
            batches: chunks with raw observations, for each learner.
            step: gradient step, counted from the start of offline training.
            measure: also compute and return metrics, for each learner.

        Raises:
            Divergence: a loss or the gradient is not finite, or a Q is impossible. That update
                changed nothing. On a GPU this is said at the latest by the next call, whose own
                update is made by then, or by `settle`.
        """
        offline = self.study.offline
        progress = curriculum_progress(step, offline.warmup_steps, offline.anneal_end)
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
        """Raise `Divergence` if the last update went wrong; on a GPU, wait for it first."""
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
        """A whole update, of tensors alone; where one is looked at later, weights too."""
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
        """Move the weights and the target's; not at all where `skip` is 1.0 and not 0.0."""
        settings, vectors = self.study.training, self.vectors
        adam_step(vectors.weights, gradient, vectors.moments, settings.learning_rate, skip)
        rate = settings.target_rate if skip is None else settings.target_rate * (1 - skip)
        critics = vectors.weights[..., -vectors.target.shape[-1] :]
        update_target(vectors.target, critics, rate)


def _unsettled(step: int, batches: Sequence[Batch], signs: Signs) -> Unsettled:
    """Its signs in a place of their own: a recorded update would overwrite them."""
    numbers = signs.numbers
    if numbers.device.type == "cpu":
        return Unsettled(step, batches, signs._replace(numbers=numbers.clone()), _at_once)
    there = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=True)
    there.copy_(numbers, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    return Unsettled(step, batches, signs._replace(numbers=there), event.synchronize)


def _at_once() -> None:
    """Nothing is to be waited for."""


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
