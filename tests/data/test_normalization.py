"""Observation statistics."""

import torch

from fmq.data.normalization import MINIMUM_DEVIATION, Normalizer, fit_normalizer


def observations(scale: float = 5.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return 3.0 + scale * torch.randn(1000, 4, generator=generator)


def test_fitted_observations_have_mean_zero_and_deviation_one() -> None:
    normalized = fit_normalizer(observations(), enabled=True)(observations())
    torch.testing.assert_close(normalized.mean(0), torch.zeros(4), rtol=0, atol=1e-5)
    torch.testing.assert_close(normalized.std(0, correction=0), torch.ones(4))


def test_statistics_of_known_numbers() -> None:
    normalizer = fit_normalizer(torch.tensor([[0.0, 10.0], [2.0, 30.0]]), enabled=True)
    assert normalizer.mean.tolist() == [1.0, 20.0]
    assert normalizer.deviation.tolist() == [1.0, 10.0]
    assert normalizer(torch.tensor([3.0, 0.0])).tolist() == [2.0, -2.0]


def test_leading_dimensions_are_kept() -> None:
    values = observations()
    normalizer = fit_normalizer(values, enabled=True)
    folded = normalizer(values.view(10, 100, 4))
    assert torch.equal(folded.view(1000, 4), normalizer(values))


def test_a_constant_coordinate_is_centred_and_not_blown_up() -> None:
    values = torch.full((10, 1), 7.0)
    normalizer = fit_normalizer(values, enabled=True)
    assert (normalizer(values) == 0).all()
    assert normalizer(values + 0.01).max() <= 1.001 * 0.01 / MINIMUM_DEVIATION


def test_statistics_do_not_lose_digits_far_from_zero() -> None:
    """The variance as a difference of mean squares, in single precision, would be off by 10%."""
    values = 1000 + torch.arange(2.0).repeat(500_000).unsqueeze(-1)
    normalizer = fit_normalizer(values, enabled=True)
    torch.testing.assert_close(normalizer.mean, torch.tensor([1000.5]), rtol=0, atol=1e-4)
    torch.testing.assert_close(normalizer.deviation, torch.tensor([0.5]), rtol=1e-5, atol=0)
    assert normalizer.mean.dtype == normalizer.deviation.dtype == torch.float32


def test_disabled_it_is_the_identity() -> None:
    normalizer = fit_normalizer(observations(), enabled=False)
    assert isinstance(normalizer, Normalizer)
    assert torch.equal(normalizer(observations()), observations())
