"""A recorded update equals the eager one; on a CPU, the recorder runs the function again."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from helpers.learners import BATCH, STEP, make_learner, objective, random_batch
from torch import Tensor

from fmq.base.errors import UserError
from fmq.training.capturing import WARM_UP, captured, cuda_graph
from fmq.training.divergence import Divergence
from fmq.training.updater import Updater


class Rerun:
    """A stand-in for a CUDA graph: recording changes nothing; replays overwrite the results.

    Like a graph, it reads the function's input tensors from their places in memory.
    """

    def __init__(self, state: Sequence[Tensor]) -> None:
        self.state, self.recorded, self.replayed = state, 0, 0

    def __call__(
        self, function: Callable[[], Any], generators: Sequence[torch.Generator]
    ) -> tuple[Callable[[], None], Any]:
        before = [tensor.clone() for tensor in self.state]
        noise = [generator.get_state() for generator in generators]
        results = function()
        for tensor, old in zip(self.state, before, strict=True):
            tensor.copy_(old)
        for generator, old in zip(generators, noise, strict=True):
            generator.set_state(old)
        self.recorded += 1

        def replay() -> None:
            self.replayed += 1
            for mine, new in zip(leaves(results), leaves(function()), strict=True):
                mine.copy_(new)

        return replay, results


def leaves(results: Any) -> list[Tensor]:
    found = torch.utils._pytree.tree_leaves(results)
    return [leaf for leaf in found if isinstance(leaf, Tensor)]


@pytest.mark.parametrize("loss", [pytest.param("flow_map", marks=pytest.mark.slow), "fmq"])
@pytest.mark.parametrize("count", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_recorded_updates_are_the_eager_ones(loss: str, count: int) -> None:
    rows, vectors = [], []
    for recording in (False, True):
        learners = [make_learner(init=number, noise=number) for number in range(count)]
        updater = Updater(learners, objective(loss, learners[0]))
        rerun = Rerun([*updater.vectors[:3], *updater.vectors.moments])
        if recording:
            noise = [learner.generator for learner in learners]
            updater.advance = captured(updater._advance, noise, rerun)
        metrics = [
            updater.update(
                [random_batch(10 * step + number) for number in range(count)],
                STEP - 2000 + 500 * step,  # during the curriculum
                measure=True,
            )
            for step in range(WARM_UP + 4)
        ]
        rows.append(metrics)
        vectors.append(updater.vectors.weights)
    assert (rerun.recorded, rerun.replayed) == (1, 4)
    assert rows[0] == rows[1]
    assert torch.equal(*vectors)


def test_a_replay_does_not_overwrite_what_was_not_yet_looked_at() -> None:
    learner = make_learner()
    updater = Updater([learner], objective("fmq", learner))
    rerun = Rerun([*updater.vectors[:3], *updater.vectors.moments])
    updater.advance = captured(updater._advance, [learner.generator], rerun)
    for step in range(WARM_UP + 2):
        updater.update([random_batch(step)], STEP + step)
    spoiled = random_batch()._replace(rewards=torch.full((BATCH,), torch.inf))
    updater.update([spoiled], STEP + 10)
    with pytest.raises(Divergence) as told:
        updater.update([random_batch()], STEP + 11)
    assert told.value.step == STEP + 10


def test_what_cannot_be_recorded_is_told_in_one_line() -> None:
    def refuse(*_: Any) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    function = captured(lambda x: x, [], refuse)
    for _ in range(WARM_UP):
        function(torch.ones(1))
    with pytest.raises(UserError, match=r"^training.capture: .* \(operation .* capturing\); set"):
        function(torch.ones(1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_cuda_graph_goes_on_with_its_random_numbers() -> None:
    device = torch.device("cuda")
    eager, recorded = (torch.Generator(device).manual_seed(0) for _ in range(2))

    def draw(generator: torch.Generator) -> Callable[[Tensor], Tensor]:
        return lambda x: x + torch.randn(5, generator=generator, device=device)

    graph = captured(draw(recorded), [recorded], cuda_graph)
    for step in range(2 * WARM_UP):
        x = torch.full((5,), float(step), device=device)
        assert torch.equal(graph(x), draw(eager)(x))
