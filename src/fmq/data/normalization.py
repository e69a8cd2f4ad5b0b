"""Observation normalisation by the statistics of the offline data."""

from typing import NamedTuple

from torch import Tensor

MINIMUM_DEVIATION = 1e-3  # a constant coordinate is centred, not blown up


class Normalizer(NamedTuple):
    """Affine map of observations; `mean` and `deviation` have shape (O,)."""

    mean: Tensor
    deviation: Tensor

    def __call__(self, observations: Tensor) -> Tensor:
        """Normalised observations, shape (..., O)."""
        return (observations - self.mean) / self.deviation


def fit_normalizer(observations: Tensor, enabled: bool) -> Normalizer:
    """Mean and deviation of each coordinate over (rows, O); the identity if not enabled."""
    if not enabled:
        return Normalizer(
            observations.new_zeros(observations.shape[1]),
            observations.new_ones(observations.shape[1]),
        )
    mean = observations.double().mean(0)
    deviation = observations.double().std(0, correction=0).clamp_min(MINIMUM_DEVIATION)
    return Normalizer(mean.to(observations.dtype), deviation.to(observations.dtype))
