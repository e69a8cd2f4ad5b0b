"""fmq's samplers as data: their labels and settings, and the policies that they suit.

`fmq.methods.samplers` makes them; this module does not import torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from fmq.config.sections import SamplingSettings


class Jumps(IntEnum):
    """Jumps along the flow map, which a sampler makes and a policy has learned."""

    NONE = 0  # only the diagonal u_{t,t}, which Euler steps follow
    FROM_NOISE = 1  # X_{0,1}
    ALL = 2  # X_{r,t} for any two times


@dataclass(frozen=True)
class SamplerRow:
    """What is known of a sampler without making it.

    Attributes:
        label: label in tables and figures.
        settings: the settings of `sampling` that it uses, its keyword arguments.
        jumps: the jumps that it makes; it suits policies that have learned these.
        evaluations: returns the evaluations of the velocity network per chunk, as the paper counts
            them.
    """

    label: str
    settings: tuple[str, ...]
    jumps: Jumps
    evaluations: Callable[[SamplingSettings], int]


SAMPLERS = {
    "one_step": SamplerRow("one step", (), Jumps.FROM_NOISE, lambda sampling: 1),
    "euler": SamplerRow("Euler", ("flow_steps",), Jumps.NONE, lambda sampling: sampling.flow_steps),
    "best_of_n": SamplerRow(
        "best of N", ("samples",), Jumps.FROM_NOISE, lambda sampling: sampling.samples
    ),
    "best_of_n_euler": SamplerRow(
        "best of N, Euler",
        ("samples", "flow_steps"),
        Jumps.NONE,
        lambda sampling: sampling.samples * sampling.flow_steps,
    ),
    "qgbs": SamplerRow(
        "QGBS",
        tuple(name for name in SamplingSettings.model_fields if name.startswith("qgbs_")),
        Jumps.ALL,
        lambda sampling: (
            sampling.qgbs_candidates * (1 + sampling.qgbs_rounds * sampling.qgbs_copies)
        ),
    ),
}


def sampler_numbers(name: str, sampling: SamplingSettings) -> dict[str, Any]:
    """Return the sampling settings that one of fmq's samplers uses."""
    return sampling.model_dump(include=set(SAMPLERS[name].settings))
