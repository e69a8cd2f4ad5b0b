"""Normalisation of observations by the statistics of the offline data."""

from typing import NamedTuple

from torch import Tensor

MINIMUM_DEVIATION = 1e-3  # so that a constant coordinate is centred, not amplified


class Normalizer(NamedTuple):
    """An affine map of observations; `mean` and `deviation` have shape (O,)."""

    mean: Tensor
    deviation: Tensor

    def __call__(self, observations: Tensor) -> Tensor:
        """Normalise observations of shape (..., O)."""
        return (observations - self.mean) / self.deviation


def fit_normalizer(observations: Tensor, enabled: bool) -> Normalizer:
    """Fit mean and standard deviation of each coordinate of observations (rows, O).

    Returns the identity map if not enabled.
    """
    if not enabled:
        return Normalizer(
            observations.new_zeros(observations.shape[1]),
            observations.new_ones(observations.shape[1]),
        )
    mean = observations.double().mean(0)
    deviation = observations.double().std(0, correction=0).clamp_min(MINIMUM_DEVIATION)
    return Normalizer(mean.to(observations.dtype), deviation.to(observations.dtype))
