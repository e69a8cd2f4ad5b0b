"""Test the chunked Bellman target, the critic loss and the moving-average target network."""

import pytest
import torch

from fmq.method import critic


def test_aggregates_of_two_critics() -> None:
    values = torch.tensor([[1.0, 5.0, -2.0], [3.0, 2.0, -4.0]])
    assert critic.aggregate(values, "mean").tolist() == [2.0, 3.5, -3.0]
    assert critic.aggregate(values, "min").tolist() == [1.0, 2.0, -4.0]


def test_the_target_discounts_the_next_value_over_the_whole_chunk() -> None:
    rewards, next_values = torch.tensor([1.0, -2.0]), torch.tensor([8.0, 16.0])
    target = critic.bellman_target(rewards, torch.ones(2), next_values, discount=0.5, horizon=3)
    assert target.tolist() == [1 + 8 / 8, -2 + 16 / 8]


def test_nothing_follows_a_chunk_in_which_the_task_ended() -> None:
    rewards = torch.tensor([1.0, -2.0])
    masks, next_values = torch.tensor([0.0, 1.0]), torch.tensor([100.0, 0.0])
    assert critic.bellman_target(rewards, masks, next_values, 0.99, 5).tolist() == [1.0, -2.0]


def test_chunks_across_an_episode_end_are_ignored() -> None:
    values = torch.tensor([[1.0, 9.0], [4.0, -7.0]], requires_grad=True)
    target = torch.tensor([3.0, 0.0], requires_grad=True)
    valid = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    loss = critic.critic_loss(values, target, valid[:, -1])
    loss.backward()
    assert loss.item() == pytest.approx(((1 - 3) ** 2 + (4 - 3) ** 2) / 4)
    assert values.grad.tolist() == [[2 * (1 - 3) / 4, 0.0], [2 * (4 - 3) / 4, 0.0]]
    assert target.grad is None


@pytest.mark.parametrize("rate", [0.0, 0.005, 0.25, 1.0])
def test_the_target_follows_at_its_rate(rate: float) -> None:
    generator = torch.Generator().manual_seed(0)
    target, online = torch.randn(2, 9, generator=generator)
    before, towards = target.clone(), online.clone()
    critic.update_target(target, online, rate)
    torch.testing.assert_close(target, (1 - rate) * before + rate * towards)
    assert torch.equal(online, towards)
