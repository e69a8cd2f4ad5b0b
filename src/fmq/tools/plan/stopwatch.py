"""Time functions that are called in turn, on a CPU or a GPU."""

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
    """Return the mean seconds of each call, over as many rounds of all calls as fit the budget.

    The calls take turns as in a real run, so that each finds the caches as the others left them.
    The first round is a warm-up. On a CPU it is used only if it exceeds the budget; on a GPU it is
    never used, because it includes the initialization of the device.

    Args:
        calls: functions by name.
        budget: seconds for all rounds together.
        device: device that the functions compute on.
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
    """Return the seconds that a call takes, and its result.

    On a CPU, the CPU time of this thread is measured, so that other processes do not count.
    """
    if device.type == "cpu":
        start = time.thread_time()
        result = call()
        return time.thread_time() - start, result
    torch.cuda.synchronize(device)
    start = time.perf_counter()
    result = call()
    torch.cuda.synchronize(device)  # calls return before the GPU has finished
    return time.perf_counter() - start, result
