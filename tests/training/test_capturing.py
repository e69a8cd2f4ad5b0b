"""A recorded update equals the eager one; on a CPU, the recorder runs the function again."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from helpers.learners import (
    ACTION,
    BATCH,
    HORIZON,
    STEP,
    make_buffer,
    make_learner,
    objective,
    random_batch,
)
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from fmq.acting.policy import Policy
from fmq.base.errors import UserError
from fmq.methods import qc
from fmq.methods.losses import ActorInputs, ActorLoss
from fmq.training import compiling
from fmq.training.capturing import WARM_UP, capture_acting, captured, cuda_graph
from fmq.training.divergence import Divergence
from fmq.training.updater import Updater, _stack


class Unread(TorchDispatchMode):
    """Refuses operations that wait for the device, since their result or its size is a number."""

    WAITING = (
        torch.ops.aten._local_scalar_dense,
        torch.ops.aten.equal,
        torch.ops.aten.nonzero,
        torch.ops.aten.masked_select,
    )

    def __torch_dispatch__(
        self, operation: Any, types: Any, arguments: Any = (), named: Any = None
    ) -> Any:
        if operation.overloadpacket in self.WAITING:
            raise RuntimeError(f"{operation} waits for the device, which is recording")
        return operation(*arguments, **(named or {}))


class Compiler:
    """A stand-in for torch's compiler of GPU programs: it runs graphs as they are.

    Inside a `with` block it refuses to compile.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.compiled, self.refuses = 0, False
        monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=self.compile))
        monkeypatch.setattr(
            compiling, "_program", lambda *given: compiling._just_in_time(*given[:2])
        )

    def __enter__(self) -> None:
        self.refuses = True

    def __exit__(self, *error: object) -> None:
        self.refuses = False

    def compile(self, graph: torch.fx.GraphModule, _: Sequence[Tensor]) -> Callable[..., Any]:
        if self.refuses:
            raise RuntimeError("the compiler is called while the device is recording")
        self.compiled += 1
        return graph.forward


class Rerun:
    """A stand-in for a CUDA graph: recording changes nothing; replays overwrite the results.

    Like a graph, it reads the function's input tensors from their places in memory.
    """

    def __init__(
        self, state: Sequence[Tensor], refusing: AbstractContextManager[object] | None = None
    ) -> None:
        """Make a recorder of functions that change `state`, with a context to record in."""
        self.state, self.recorded, self.replayed = state, 0, 0
        self.refusing = refusing or Unread()

    def __call__(
        self, function: Callable[[], Any], generators: Sequence[torch.Generator]
    ) -> tuple[Callable[[], None], Any]:
        before = [tensor.clone() for tensor in self.state]
        noise = [generator.get_state() for generator in generators]
        with self.refusing:
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


def own(inputs: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
    """A loss as a user writes it, whose metric is not detached."""
    matching, _ = qc.actor_loss().loss(inputs)
    return matching, {"matching": 2 * matching}


@pytest.mark.parametrize(
    ("loss", "count"),
    [
        ("fmq", 1),
        (ActorLoss(1, 1, own), 1),
        pytest.param("fmq", 2, marks=pytest.mark.slow),
        pytest.param(ActorLoss(1, 1, own), 2, marks=pytest.mark.slow),
    ],
    ids=["fmq", "own", "fmq stacked", "own stacked"],
)
def test_a_compiled_update_is_recorded_without_its_compiler(
    loss: str | ActorLoss, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batches are a buffer's, and everything is compiled before the recording begins."""
    compiler, buffer, vectors = Compiler(monkeypatch), make_buffer(), []
    for compile in (False, True):
        learners = [make_learner(init=number, noise=number) for number in range(count)]
        updater = Updater(learners, objective(loss, learners[0]), compile)
        if compile:
            rerun = Rerun([*updater.vectors[:3], *updater.vectors.moments], compiler)
            noise = [learner.generator for learner in learners]
            updater.advance = captured(updater._advance, noise, rerun)
        batches = torch.Generator().manual_seed(0)
        for step in range(WARM_UP + 2):
            sampled = [buffer.sample(BATCH, batches) for _ in learners]
            updater.update(sampled, STEP + step, measure=True)
        vectors.append(updater.vectors.weights)
    assert (compiler.compiled, rerun.recorded, rerun.replayed) == (1, 1, 2)
    torch.testing.assert_close(*vectors, rtol=1e-4, atol=1e-5)


def test_what_is_recorded_has_the_inputs_of_the_warm_up() -> None:
    """A column of a matrix has other strides than its copy, and another place than the next."""
    seen = []

    def look(column: Tensor) -> Tensor:
        seen.append((column.data_ptr(), column.stride()))
        return column + 1

    function = captured(look, [], Rerun([]))
    for step in range(WARM_UP + 2):
        column = torch.arange(6.0).view(2, 3)[:, -1] + step
        assert torch.equal(function(column), column + 1)
        column = torch.arange(6.0).view(2, 3)[:, -1]
        assert torch.equal(function(column), column + 1)
    assert len(set(seen)) == 1


def test_reading_a_number_while_recording_is_told() -> None:
    function = captured(lambda x: x + float(x), [], Rerun([]))
    for _ in range(WARM_UP):
        function(torch.ones(()))
    with pytest.raises(UserError, match=r"^training.capture: "):
        function(torch.ones(()))


@pytest.mark.parametrize("count", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_metrics_keep_no_graph(count: int) -> None:
    learners = [make_learner() for _ in range(count)]
    updater = Updater(learners, objective(ActorLoss(1, 1, own), learners[0]))
    batch = _stack([random_batch(number) for number in range(count)])
    found, signs = updater._advance(batch, torch.ones(()))
    assert "matching" in found.quantities
    for tensor in (found.vectors, found.values, *found.quantities.values(), signs.numbers):
        assert not tensor.requires_grad


def test_a_recorded_policy_acts_as_the_eager_one_while_it_is_trained() -> None:
    """A single observation is recorded, several are not; noise and weights are the policy's."""
    chunks, recorders = [], []
    for recording in (False, True):
        learner = make_learner()
        aim = objective("fmq", learner)
        updater = Updater([learner], aim)
        noise = torch.Generator().manual_seed(3)
        shape = (HORIZON, ACTION)
        policy = Policy(
            learner.actor, learner.critic, learner.normalizer, aim.sampler, noise, shape
        )
        if recording:
            recorders.append(Rerun([]))
            capture_acting(policy, recorders[0])
        for step in range(WARM_UP + 3):
            batch = random_batch(step)
            chunks.append(policy.act(batch.observations[:1].numpy()).copy())
            updater.update([batch], STEP + step)
            chunks.append(policy.act(batch.observations[:2].numpy()))
    assert (recorders[0].recorded, recorders[0].replayed) == (1, 3)
    half = len(chunks) // 2
    for mine, theirs in zip(chunks[half:], chunks[:half], strict=True):
        assert np.array_equal(mine, theirs)


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
