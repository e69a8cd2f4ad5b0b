"""What acting evaluates, counted by a wrapper, is what the formula says."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fmq.acting.inference import Counted, CountedCritic
from fmq.acting.policy import Policy, make_networks
from fmq.config.reading import load_study
from fmq.config.samplers import SAMPLERS, sampler_numbers
from fmq.data.normalization import Normalizer
from fmq.methods.samplers import make_sampler

STUDY = load_study(Path(__file__).parents[2] / "config.yaml")
PAPER = load_study(*(Path(__file__).parents[2] / n for n in ("config.yaml", "config/paper.yaml")))
NAMES = [*SAMPLERS, *STUDY.ablations.samplers]
WITHOUT_ROUNDS = [name for name in NAMES if STUDY.sampler(name)[1].qgbs_rounds == 0]


@pytest.mark.parametrize(
    ("name", "step"),
    [*((name, False) for name in NAMES), *((name, True) for name in WITHOUT_ROUNDS)],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_counts_are_the_formula(name: str, step: bool, batch: int) -> None:
    base, sampling = STUDY.sampler(name)
    sampling = sampling.model_copy(update={"qgbs_step_without_rounds": step})
    networks = STUDY.networks.model_copy(update={"hidden_width": 8})
    actor, critic = make_networks(3, 4, networks, torch.Generator().manual_seed(0))
    velocity, values = Counted(actor), CountedCritic(critic)
    policy = Policy(
        velocity,
        values,
        Normalizer(torch.zeros(3), torch.ones(3)),
        make_sampler(base, "min", **sampler_numbers(base, sampling)),
        torch.Generator().manual_seed(0),
        (2, 2),
    )
    chunks = policy.act(np.zeros((batch, 3)))
    assert chunks.shape == (batch, 2, 2)
    assert velocity.rows == batch * SAMPLERS[base].evaluations(sampling)
    asked = {"one_step": 0, "euler": 0}.get(base)
    if base.startswith("best_of_n"):
        asked = sampling.samples
    if base == "qgbs":  # every copy, whose gradient takes no other pass, and the last choice
        rounds, beam = sampling.qgbs_rounds, sampling.qgbs_candidates
        asked = beam * (rounds * sampling.qgbs_copies + 1 + step)
    assert values.rows == batch * asked


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("one_step", 1),
        ("euler", 10),
        ("best_of_n", 32),
        ("best_of_n_euler", 320),
        ("qgbs", 20),
        ("qgbs@2-4-16", 144),
        ("qgbs@0-1-32", 32),
    ],
)
def test_the_paper_s_counts(name: str, count: int) -> None:
    base, sampling = PAPER.sampler(name)
    assert SAMPLERS[base].evaluations(sampling) == count


def test_counting_changes_no_number() -> None:
    networks = STUDY.networks.model_copy(update={"hidden_width": 8})
    _, critic = make_networks(3, 4, networks, torch.Generator().manual_seed(0))
    obs, actions, rows = torch.ones(2, 3, 3), torch.zeros(2, 3, 4), torch.tensor([4, 1])
    values, gradient_at = critic.values_then_gradient(obs, actions, "min")
    counted = CountedCritic(critic)
    found, found_gradient_at = counted.values_then_gradient(obs, actions, "min")
    assert torch.equal(found, values)
    assert torch.equal(found_gradient_at(rows), gradient_at(rows))
    assert counted.rows == 6
    for found, expected in zip(
        counted.value_and_gradient(obs, actions, "mean"),
        critic.value_and_gradient(obs, actions, "mean"),
        strict=True,
    ):
        assert torch.equal(found, expected)
    assert counted.rows == 12
