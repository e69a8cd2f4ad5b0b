"""Observation statistics."""

import torch

from fmq.data.normalization import MINIMUM_DEVIATION, fit_normalizer


def test_statistics_of_known_numbers() -> None:
    normalizer = fit_normalizer(torch.tensor([[0.0, 10.0], [2.0, 30.0]]), enabled=True)
    assert normalizer.mean.tolist() == [1.0, 20.0]
    assert normalizer.deviation.tolist() == [1.0, 10.0]
    assert normalizer(torch.tensor([[[3.0, 0.0]]])).tolist() == [[[2.0, -2.0]]]


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
    observations = torch.tensor([[0.0, 10.0], [2.0, 30.0]])
    assert torch.equal(fit_normalizer(observations, enabled=False)(observations), observations)
