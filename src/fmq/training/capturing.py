"""Record a function of tensors as a CUDA graph: one launch instead of one per kernel."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from fmq.acting.policy import Policy
from fmq.training.refusing import told_of

WARM_UP = 3  # calls before recording, in which libraries choose and load their kernels

Result = TypeVar("Result", covariant=True)


class Recorder(Protocol):
    """A function that records another function without running it."""

    def __call__(
        self, function: Callable[[], Result], generators: Sequence[torch.Generator]
    ) -> tuple[Callable[[], None], Result]:
        """Return a function that replays the recording, and the results, which it overwrites."""


def cuda_graph(
    function: Callable[[], Result], generators: Sequence[torch.Generator]
) -> tuple[Callable[[], None], Result]:
    """Record a CUDA graph; each replay continues the random streams of `generators`."""
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        results = function()
    return graph.replay, results


def captured(
    function: Callable[..., Result],
    generators: Sequence[torch.Generator],
    record: Recorder = cuda_graph,
) -> Callable[..., Result]:
    """Return `function`, recorded after `WARM_UP` calls and replayed from then on.

    The function takes tensors and (named) tuples of them, of the same shapes at every call. From
    the first call on, it is given contiguous copies of them that stay where they are: what it
    prepares during the warm-up, such as a compiled program, is then what is recorded.

    It may change other tensors in place, but must not wait for the device. Each call
    overwrites the results of the previous one.

    Args:
        generators: all random generators that the function draws from.

    Raises:
        UserError: at the recording call, if the function reads a number from the device.
    """
    calls = 0
    inputs: Any = None
    replay: Callable[[], None] | None = None
    results: Result

    def call(*given: Any) -> Result:
        nonlocal calls, inputs, replay, results
        if inputs is None:
            inputs = tree_map(_place, given)
        for mine, one in zip(tree_leaves(inputs), tree_leaves(given), strict=True):
            mine.copy_(one, non_blocking=True)
        calls += 1
        if calls <= WARM_UP:
            return _aside(function, inputs)
        if replay is None:
            with told_of("capture", RuntimeError):
                replay, results = record(lambda: function(*inputs), generators)
        replay()
        return results

    return call


def capture_acting(policy: Policy, record: Recorder = cuda_graph) -> None:
    """Make a policy act on a single observation by one recorded graph.

    The weights are read from their places, so that the policy may be one in training. More
    observations at a time, whose number varies, are not recorded.
    """
    policy.decide_one = captured(policy.decide, [policy.generator], record)


def _place(tensor: Tensor) -> Tensor:
    return torch.empty_like(tensor, memory_format=torch.contiguous_format)


def _aside(function: Callable[..., Result], given: Sequence[Any]) -> Result:
    """Call the function on a side stream, as recording does: torch requires this of a warm-up."""
    if tree_leaves(given)[0].device.type != "cuda":
        return function(*given)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        results = function(*given)
    torch.cuda.current_stream().wait_stream(stream)
    return results
