"""A function of tensors as one CUDA graph: launched at once instead of kernel by kernel."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from fmq.training.refusing import told_of

WARM_UP = 3  # calls before recording, in which libraries choose and load their kernels

Result = TypeVar("Result", covariant=True)


class Recorder(Protocol):
    """Records a function without running it."""

    def __call__(
        self, function: Callable[[], Result], generators: Sequence[torch.Generator]
    ) -> tuple[Callable[[], None], Result]:
        """What runs it again, and its results, which every run overwrites."""


def cuda_graph(
    function: Callable[[], Result], generators: Sequence[torch.Generator]
) -> tuple[Callable[[], None], Result]:
    """`Recorder` of CUDA graphs; the random numbers of `generators` go on from replay to replay."""
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
    """`function` of tensors, recorded after `WARM_UP` calls and replayed from then on.

    It may change other tensors in place, and must not wait for the device. Its results are
    overwritten by the next call.

    Args:
        generators: all that it draws from.

    Raises:
        UserError: at the call that records, if it asks the device for a number.
    """
    calls = 0
    inputs: list[Tensor] = []
    replay: Callable[[], None]
    results: Result

    def call(*given: Tensor) -> Result:
        nonlocal calls, replay, results
        calls += 1
        if calls <= WARM_UP:
            return _aside(function, given)
        if not inputs:
            inputs.extend(one.clone() for one in given)
            with told_of("capture", RuntimeError):
                replay, results = record(lambda: function(*inputs), generators)
        for mine, one in zip(inputs, given, strict=True):
            mine.copy_(one, non_blocking=True)
        replay()
        return results

    return call


def _aside(function: Callable[..., Result], given: Sequence[Tensor]) -> Result:
    """Call it on a stream of its own, as recording will: torch's condition for a warm-up."""
    if given[0].device.type != "cuda":
        return function(*given)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        results = function(*given)
    torch.cuda.current_stream().wait_stream(stream)
    return results
