"""Policies: from raw observations to chunks of actions."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fmq.acting.policy import Policy, make_networks
from fmq.base.errors import UserError
from fmq.config.reading import load_study
from fmq.config.samplers import SAMPLERS, sampler_numbers
from fmq.config.sections import SamplingSettings
from fmq.data.normalization import Normalizer
from fmq.methods.samplers import MAKERS, Sampler, make_sampler

OBS, ACTION, HORIZON = 3, 2, 4
IDENTITY = Normalizer(torch.zeros(OBS), torch.ones(OBS))


@pytest.fixture(scope="module")
def sampling() -> SamplingSettings:
    return load_study(Path(__file__).parents[2] / "config.yaml").sampling


@pytest.fixture(scope="module")
def networks():
    settings = load_study(Path(__file__).parents[2] / "config.yaml").networks
    generator = torch.Generator().manual_seed(0)
    small = settings.model_copy(update={"hidden_width": 16})
    networks = make_networks(OBS, ACTION * HORIZON, small, generator)
    return [network.requires_grad_(False) for network in networks]


def make_policy(networks, sampler, normalizer: Normalizer = IDENTITY, seed: int = 0) -> Policy:
    generator = torch.Generator().manual_seed(seed)
    return Policy(*networks, normalizer, sampler, generator, (HORIZON, ACTION))


def observations(count: int = 6) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, OBS))


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_acts_in_chunks_inside_the_box(networks, sampling, name: str) -> None:
    sampler = make_sampler(name, "min", **sampler_numbers(name, sampling))
    for count in (1, 6):
        chunks = make_policy(networks, sampler).act(observations(count))
        assert chunks.shape == (count, HORIZON, ACTION)
        assert chunks.dtype == np.float32
        assert np.abs(chunks).max() <= 1
        assert chunks.std() > 0.01


@pytest.mark.parametrize("name", SAMPLERS)
def test_noise_comes_from_the_policy_s_own_generator(networks, sampling, name: str) -> None:
    sampler = make_sampler(name, "min", **sampler_numbers(name, sampling))
    torch.manual_seed(1)
    policy = make_policy(networks, sampler)
    first, second = policy.act(observations()), policy.act(observations())
    torch.manual_seed(2)
    again = make_policy(networks, sampler)
    np.testing.assert_array_equal(again.act(observations()), first)
    np.testing.assert_array_equal(again.act(observations()), second)
    assert not np.array_equal(first, second)
    other = make_policy(networks, sampler, seed=1).act(observations())
    assert not np.array_equal(other, first)


def test_more_samples_have_a_higher_value(networks, sampling) -> None:
    obs = torch.as_tensor(observations(200), dtype=torch.float32)
    _, critic = networks
    values = []
    for samples in (1, 4, 32):
        settings = sampling.model_copy(update={"samples": samples})
        sampler = make_sampler("best_of_n", "min", samples=settings.samples)
        chunks = make_policy(networks, sampler).act(obs.numpy())
        actions = torch.as_tensor(chunks).flatten(1)
        values.append(float(critic(obs, actions).amin(0).mean()))
    assert values[0] < values[1] < values[2]


def test_observations_are_normalised_and_chunks_unfolded_step_by_step(networks) -> None:
    def echo(velocity, critic, obs: Tensor, noise: Tensor) -> Tensor:
        return torch.cat([obs, torch.zeros(len(obs), ACTION * HORIZON - OBS)], -1)

    normalizer = Normalizer(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 4.0, 8.0]))
    policy = make_policy(networks, Sampler(1, echo), normalizer)
    chunks = policy.act(np.array([[3.0, 2.0, 5.0], [1.0, 6.0, 3.0]]))
    assert chunks[0].tolist() == [[1, 0], [0.25, 0], [0, 0], [0, 0]]
    assert chunks[1].tolist() == [[0, 1], [0, 0], [0, 0], [0, 0]]


def test_the_table_of_samplers_and_their_makers_have_the_same_names() -> None:
    assert list(SAMPLERS) == list(MAKERS)


def test_an_unknown_sampler_is_refused(sampling) -> None:
    with pytest.raises(UserError, match=r"unknown sampler 'beam'; allowed: .*one_step.*qgbs"):
        make_sampler("beam", "min")


def test_an_array_is_taken_however_it_lies_in_memory(networks) -> None:
    policy = make_policy(networks, make_sampler("one_step", "mean"))
    plain = observations(3).astype(np.float32)
    rows = np.zeros(3, [("observation", np.float32, (OBS,)), ("terminal", np.bool_)])
    rows["observation"] = plain
    same = [plain[::-1].copy()[::-1], np.asfortranarray(plain), plain.astype(">f4")]
    for array in (*same, rows["observation"]):
        np.testing.assert_array_equal(policy.normalize(array), policy.normalize(plain))
    one = rows[:1]["observation"]  # contiguous, says numpy
    np.testing.assert_array_equal(policy.normalize(one), policy.normalize(plain[:1]))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_an_observation_that_is_not_finite_has_no_action(networks, sampling, value: float) -> None:
    policy = make_policy(networks, make_sampler("one_step", "mean"))
    spoiled = observations()
    spoiled[1, 0] = value
    with pytest.raises(UserError, match="not finite"):
        policy.act(spoiled)
