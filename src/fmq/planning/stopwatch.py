"""Seconds per call of functions that take turns, on whatever device they compute."""

import time
from collections.abc import Callable, Mapping
from statistics import mean
from typing import TypeVar

import torch

CPU = torch.device("cpu")

Result = TypeVar("Result")


def seconds_per_call(
    calls: Mapping[str, Callable[[], object]], budget: float, device: torch.device
) -> dict[str, float]:
    """Mean seconds of each call, over the rounds of all calls that fit into a budget of seconds.

    They take turns as in a real run, so that each finds the caches as the others left them. The
    first round does not count, unless it takes longer than the budget on a CPU; on a GPU it also
    prepares the device, which says nothing about the rounds after it.
    """
    start = time.perf_counter()
    first = {name: elapsed(call, device)[0] for name, call in calls.items()}
    if time.perf_counter() - start > budget and device.type == "cpu":
        return first
    times: dict[str, list[float]] = {name: [] for name in calls}
    while not all(times.values()) or time.perf_counter() - start < budget:
        for name, call in calls.items():
            times[name].append(elapsed(call, device)[0])
    return {name: mean(values) for name, values in times.items()}


def elapsed(call: Callable[[], Result], device: torch.device = CPU) -> tuple[float, Result]:
    """Seconds that a call computes, and what it returns.

    On a CPU it is this thread's CPU time, so that what others do on the machine does not count.
    """
    if device.type == "cpu":
        start = time.thread_time()
        result = call()
        return time.thread_time() - start, result
    torch.cuda.synchronize(device)
    start = time.perf_counter()
    result = call()
    torch.cuda.synchronize(device)  # the GPU may still compute when the call has returned
    return time.perf_counter() - start, result
