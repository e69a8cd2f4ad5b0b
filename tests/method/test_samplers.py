"""Test best-of-N and beam search against brute force, and count their network evaluations."""

from functools import partial

import helpers.networks
import pytest
import torch
from helpers.networks import critics, velocity_network
from torch import Tensor

from fmq.config.samplers import sampler_numbers
from fmq.config.sections import SamplingSettings
from fmq.method import samplers
from fmq.method.flow import one_step
from fmq.methods.samplers import make_sampler
from fmq.networks.ensemble import CriticEnsemble
from fmq.networks.velocity import VelocityNetwork

OBS, ACTION, BATCH, BEAM, COPIES = 3, 4, 5, 3, 2
TIME = 1.5 / 2.5  # re-noising time at rho 1.5
normal = partial(helpers.networks.normal, dtype=torch.float32)


@pytest.fixture(scope="module")
def networks() -> tuple[VelocityNetwork, CriticEnsemble]:
    actor, critic = velocity_network(OBS, ACTION, 0), critics(OBS, ACTION, 1)
    return actor.requires_grad_(False), critic.requires_grad_(False)


def search(networks, rounds: int, eta: float = 0.3, completion: str = "flow_map") -> Tensor:
    renoise = [normal(10 + k, BATCH, BEAM * COPIES, ACTION) for k in range(rounds)]
    noise = normal(1, BATCH, BEAM, ACTION)
    return samplers.qgbs(
        *networks, normal(0, BATCH, OBS), noise, renoise, eta=eta, rho=1.5, completion=completion
    )


def smaller_value(critic, obs: Tensor, actions: Tensor) -> Tensor:
    return critic(obs, actions).amin(0)


@pytest.mark.parametrize("how", ["mean", "min"])
def test_best_of_n_is_the_best_by_a_plain_search(networks, how: str) -> None:
    _, critic = networks
    obs, candidates = normal(0, BATCH, OBS), normal(1, BATCH, 7, ACTION)
    chosen = samplers.best_of_n(critic, obs, candidates, how)
    for row in range(BATCH):
        pairs = [[float(q) for q in critic(obs[row], one)] for one in candidates[row]]
        values = [min(pair) if how == "min" else sum(pair) / 2 for pair in pairs]
        assert torch.equal(chosen[row], candidates[row, values.index(max(values))])


def test_mean_and_min_choose_differently() -> None:
    def critic(obs: Tensor, actions: Tensor) -> Tensor:
        return torch.stack([actions[..., 0], 10 - 4 * actions[..., 0]])

    candidates = torch.tensor([[[0.0], [2.0], [4.0]]])  # means 5, 3.5, 2; minima 0, 2, -6
    obs = torch.zeros(1, 1)
    assert samplers.best_of_n(critic, obs, candidates, "mean").item() == 0
    assert samplers.best_of_n(critic, obs, candidates, "min").item() == 2


def test_beam_search_without_rounds_is_best_of_m(networks) -> None:
    actor, critic = networks
    obs, noise = normal(0, BATCH, OBS), normal(1, BATCH, BEAM, ACTION)
    candidates = one_step(actor, samplers.repeat_observations(obs, BEAM), noise)
    expected = samplers.best_of_n(critic, obs, candidates, "min")
    assert torch.equal(search(networks, rounds=0), expected)


def test_one_round_by_a_plain_search(networks) -> None:
    """Copy every candidate, move the best M of all M*B copies, and return the best.

    The two critics disagree strongly, so that their mean would choose differently.
    """
    actor, ensemble = networks

    def critic(obs: Tensor, actions: Tensor) -> Tensor:
        value = ensemble(obs, actions)[0]
        return torch.stack([value, -2 * value])

    result = search((actor, critic), rounds=1)
    noise, fresh = normal(1, BATCH, BEAM, ACTION), normal(10, BATCH, BEAM * COPIES, ACTION)
    for row, obs in enumerate(normal(0, BATCH, OBS)):
        completed = []
        for m in range(BEAM):
            candidate = one_step(actor, obs, noise[row, m])
            for b in range(COPIES):
                noisy = TIME * candidate + (1 - TIME) * fresh[row, m * COPIES + b]
                velocity = actor(obs, noisy, torch.tensor([TIME]), torch.ones(1))
                completed.append((noisy + (1 - TIME) * velocity).clamp(-1, 1))
        completed.sort(key=lambda actions: -smaller_value(critic, obs, actions))
        moved = [ascend(critic, obs, actions, 0.3) for actions in completed[:BEAM]]
        best = max(moved, key=lambda actions: smaller_value(critic, obs, actions))
        torch.testing.assert_close(result[row], best)


def ascend(critic, obs: Tensor, actions: Tensor, eta: float) -> Tensor:
    actions = actions.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(smaller_value(critic, obs, actions), actions)
    return (actions.detach() + eta * gradient / gradient.norm()).clamp(-1, 1)


def test_without_rounds_the_candidates_may_take_one_step(networks) -> None:
    """The best of M candidates, as they are or, as in the released code, after a step each."""
    actor, critic = networks
    obs, noise = normal(0, BATCH, OBS), normal(1, BATCH, BEAM, ACTION)
    run = partial(samplers.qgbs, actor, critic, obs, noise, [], eta=0.3, rho=1.5)
    for row in range(BATCH):
        value = partial(smaller_value, critic, obs[row])
        candidates = [one_step(actor, obs[row], noise[row, m]) for m in range(BEAM)]
        moved = [ascend(critic, obs[row], one, 0.3) for one in candidates]
        for chunks, stepping in ((candidates, False), (moved, True)):
            found = run(completion="flow_map", step_without_rounds=stepping)[row]
            torch.testing.assert_close(found, max(chunks, key=value))


@pytest.mark.parametrize("rounds", [1, 3])
def test_following_a_linear_critic_never_lowers_the_value(networks, rounds: int) -> None:
    """For a general critic this does not hold: all fresh copies may be worse."""
    actor, _ = networks
    weights = normal(5, ACTION)

    def linear(obs: Tensor, actions: Tensor) -> Tensor:
        return torch.stack([actions @ weights, actions @ weights + 1])

    still, moved = (search((actor, linear), rounds, eta) @ weights for eta in (0.0, 0.3))
    assert (moved >= still - 1e-6).all()
    assert (moved > still + 1e-3).any()


@pytest.mark.parametrize("completion", ["flow_map", "diagonal"])
def test_beam_search_stays_in_the_box(networks, completion: str) -> None:
    actions = search(networks, rounds=2, eta=5.0, completion=completion)
    assert actions.abs().max() == 1


def test_completions_differ_in_the_end_time(networks) -> None:
    actor, critic = networks
    seen = {}
    for completion in ("flow_map", "diagonal"):
        calls = []

        def record(obs: Tensor, a: Tensor, r: Tensor, t: Tensor, calls: list = calls) -> Tensor:
            calls.append((float(r.max()), float(t.max())))
            return actor(obs, a, r, t)

        search((record, critic), rounds=1, completion=completion)
        seen[completion] = calls
    assert seen["flow_map"] == [(0, 1), pytest.approx((TIME, 1))]
    assert seen["diagonal"] == [(0, 1), pytest.approx((TIME, TIME))]


@pytest.mark.parametrize(
    ("sampler", "evaluations"),
    [
        ("one_step", 1),
        ("euler", 6),
        ("best_of_n", 5),
        ("best_of_n_euler", 5 * 6),
        ("qgbs", 4 * (1 + 2 * 3)),  # M (1 + K B)
    ],
)
def test_network_evaluations_per_action(networks, sampler: str, evaluations: int) -> None:
    actor, critic = networks
    settings = SamplingSettings(
        samples=5,
        flow_steps=6,
        qgbs_candidates=4,
        qgbs_copies=3,
        qgbs_rounds=2,
        qgbs_eta=0.3,
        qgbs_rho=1.5,
        qgbs_completion="flow_map",
    )
    count = 0

    def counted(obs: Tensor, actions: Tensor, r: Tensor, t: Tensor) -> Tensor:
        nonlocal count
        count += actions.shape[:-1].numel()
        return actor(obs, actions, r, t)

    noises, choose = make_sampler(sampler, "min", **sampler_numbers(sampler, settings))
    actions = choose(counted, critic, normal(0, BATCH, OBS), normal(1, BATCH, noises, ACTION))
    assert actions.shape == (BATCH, ACTION)
    assert count == BATCH * evaluations
