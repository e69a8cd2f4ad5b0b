"""First order, flow map and improvement on critics and fields with a known answer."""

import math

import pytest
import torch
from helpers.networks import critics, normal, velocity_network
from torch import Tensor

from fmq.config.reading import load_study
from fmq.data.sequences import Batch
from fmq.method.flow import Velocity
from fmq.theory import first_order, flow_map, improvement
from fmq.theory.improvement import MEASURED

SIZE, ROWS, HORIZON = 4, 64, 2


def linear_critic(observations: Tensor, actions: Tensor) -> Tensor:
    return (actions @ normal(9, SIZE)).expand(2, *actions.shape[:-1])


def test_a_linear_critic_rises_as_predicted() -> None:
    rows = first_order.measure(linear_critic, normal(0, ROWS, 0), normal(1, ROWS, SIZE))
    for row in rows:
        assert row["gain"] == pytest.approx(row["predicted"], rel=1e-6)
        assert row["predicted"] == pytest.approx(row["eta"] * float(normal(9, SIZE).norm()))
        assert row["raised"] == 1


def test_a_quadratic_critic_rises_and_falls_as_its_curvature_says() -> None:
    # Q = -3 |a|^2 at |a| = 1/2: the gradient points to 0, half a unit away.
    chunks = normal(1, ROWS, SIZE)
    chunks = 0.5 * chunks / chunks.norm(dim=-1, keepdim=True)
    rows = first_order.measure(
        lambda observations, actions: (-3 * actions.square().sum(-1)).expand(2, -1),
        normal(0, ROWS, 0),
        chunks,
    )
    for row in rows:
        expected = 3 * (0.25 - (0.5 - row["eta"]) ** 2)
        assert row["gain"] == pytest.approx(expected, abs=1e-6)
        assert row["predicted"] == pytest.approx(3 * row["eta"])
        if row["eta"] != 1.0:  # where it is back at the start, to rounding
            assert row["raised"] == float(row["eta"] < 1)


def test_the_error_of_the_expansion_is_half_the_curvature_along_the_gradient() -> None:
    critic = critics(3, SIZE).double().requires_grad_(False)
    states, chunks = normal(0, ROWS, 3), normal(1, ROWS, SIZE).tanh()
    curvatures = []
    for state, chunk in zip(states, chunks, strict=True):

        def value(a: Tensor, state: Tensor = state) -> Tensor:
            return critic.critics[0](torch.cat([state, a]))

        unit = torch.func.grad(value)(chunk)
        unit = unit / unit.norm()
        curvatures.append(float(unit @ torch.func.hessian(value)(chunk) @ unit))
    row = first_order.measure(critic, states, chunks)[0]
    error = 2 * (row["gain"] - row["predicted"]) / row["eta"] ** 2
    sizes = [abs(one) for one in curvatures]
    assert error == pytest.approx(sum(curvatures) / ROWS, abs=0.1 * sum(sizes) / ROWS)


def decaying(average: bool) -> Velocity:
    """Of da/dt = -2 a: the average velocity of its flow map, or the diagonal alone."""

    def velocity(observations: Tensor, actions: Tensor, r: Tensor, t: Tensor) -> Tensor:
        if not average:
            return -2 * actions
        jump = (t - r).clamp_min(1e-12)
        return actions * torch.expm1(-2 * jump) / jump

    return velocity


DATA = (normal(0, ROWS, 0), normal(1, ROWS, SIZE), normal(2, ROWS, SIZE))


def test_an_exact_flow_map_is_its_own_flow() -> None:
    for row in flow_map.measure(decaying(average=True), *DATA):
        assert row["flow_error"] < 1e-7
        assert row["semigroup_error"] < 1e-12
        assert row["distance"] > 0.01
        assert row["integration_error"] < 1e-6


def test_one_euler_step_is_told_from_the_flow() -> None:
    rows = {row["jump"]: row for row in flow_map.measure(decaying(average=False), *DATA)}
    length = float(normal(2, ROWS, SIZE).norm(dim=-1).mean())  # of a_0, where a jump of 1 begins
    one, two, flow = 1 - 2, (1 - 1) ** 2, math.exp(-2)
    assert rows[1.0]["flow_error"] == pytest.approx(abs(one - flow) * length, rel=1e-6)
    assert rows[1.0]["semigroup_error"] == pytest.approx(abs(one - two) * length)
    assert rows[1.0]["distance"] == pytest.approx((1 - flow) * length, rel=1e-6)


def test_the_integrator_is_of_fourth_order() -> None:
    def velocity(observations: Tensor, actions: Tensor, r: Tensor, t: Tensor) -> Tensor:
        return actions * torch.cos(5 * t)

    a, r = normal(1, ROWS, SIZE), torch.linspace(0, 0.9, ROWS, dtype=torch.float64).unsqueeze(-1)
    exact = a * torch.exp((math.sin(5) - torch.sin(5 * r)) / 5)
    coarse, fine = (
        float((flow_map.integrate(velocity, a[:, :0], a, r, steps) - exact).abs().max())
        for steps in (8, 16)
    )
    assert math.log2(coarse / fine) == pytest.approx(4, abs=0.5)


class Chunks:
    """Random chunks, others at every call."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(1)

    def __call__(self, count: int) -> Batch:
        states = torch.randn(count, 3, generator=self.generator, dtype=torch.float64)
        actions = 0.2 * torch.randn(count, SIZE, generator=self.generator, dtype=torch.float64)
        values = dict.fromkeys(Batch._fields, torch.zeros(count, dtype=torch.float64))
        valid = torch.ones(count, HORIZON, dtype=torch.float64)
        return Batch(**values | {"observations": states, "actions": actions, "valid": valid})


def improved(root, critic, **changes) -> list[dict[str, float]]:
    study = load_study(root / "config.yaml")
    study = study.model_copy(update={"fmq": study.fmq.model_copy(update=changes)})
    generator = torch.Generator().manual_seed(0)
    actor = velocity_network(3, SIZE, activation="silu", time_features=0)
    actor = actor.double().requires_grad_(False)
    before = {name: value.clone() for name, value in actor.state_dict().items()}
    rows = improvement.measure(actor, critic, study, Chunks(), ROWS, generator)
    assert all(torch.equal(value, before[name]) for name, value in actor.state_dict().items())
    return rows


def test_training_raises_a_linear_critic_to_what_the_target_promises(root) -> None:
    rows = improved(root, linear_critic, eta=0.1, adaptive=False)
    assert [row["update"] for row in rows] == list(MEASURED)
    first, last = rows[0], rows[-1]
    for name in ("displacement", "gain", "free_gain", "predicted", "raised"):
        assert first[name] == pytest.approx(0, abs=1e-12)
    for row in rows:
        assert row["free_gain"] == pytest.approx(row["predicted"], abs=1e-9)
        assert row["eta"] == pytest.approx(0.1)
        slope = row["promised"] / (0.1 * float(normal(9, SIZE).norm()))
        assert slope == pytest.approx(0.5, abs=0.1)  # the mean of 1 - r
    assert last["predicted"] == pytest.approx(last["promised"], rel=0.1)
    assert last["displacement"] == pytest.approx(0.1, rel=0.15)
    assert last["gain"] > 0
    assert last["raised"] > 0.9


def test_the_radius_of_the_study_is_the_one_that_is_promised(root) -> None:
    # One critic at 0, one at 2: the same deviation everywhere, so d = 1 and eta / (1 + beta).
    def critic(observations: Tensor, actions: Tensor) -> Tensor:
        value = linear_critic(observations, actions)
        return torch.stack([value[0], value[1] + 2])

    rows = improved(root, critic, eta=0.2, adaptive=True, beta=1.0)
    assert rows[0]["eta"] == pytest.approx(0.1, rel=1e-6)
