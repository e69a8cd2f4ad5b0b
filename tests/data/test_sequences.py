"""The buffer against chunks computed one step at a time from a plain list of transitions."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fmq.data.sequences import ROW_SLACK, SequenceBuffer


class Step(NamedTuple):
    """A transition; observations and actions are two numbers that occur once."""

    observation: float
    action: float
    reward: float
    mask: float
    terminal: bool
    next_observation: float


class Source:
    """Episodes whose every number tells where it comes from."""

    def __init__(self, seed: int) -> None:
        self.random = torch.Generator().manual_seed(seed)
        self.state, self.action = 0, 0

    def uniform(self) -> float:
        return float(torch.rand((), generator=self.random, dtype=torch.float64))

    def episode(self, length: int) -> list[Step]:
        """Half of the episodes are solved at their end, the others are truncated."""
        steps = []
        for left in reversed(range(length)):
            self.action += 1
            solved = left == 0 and self.uniform() < 0.5
            start = float(self.state)
            self.state += 1
            steps.append(
                Step(start, self.action, self.uniform(), 1.0 - solved, left == 0, float(self.state))
            )
        self.state += 1
        return steps

    def episodes(self, lengths: list[int]) -> list[Step]:
        return [step for length in lengths for step in self.episode(length)]


def pair(value: float) -> list[float]:
    return [value, -value]


def make_buffer(steps: list[Step], capacity: int, horizon: int, discount: float) -> SequenceBuffer:
    states, rows, next_rows = [], [], []
    for step in steps:
        if not states or states[-1] != step.observation:
            states.append(step.observation)
        rows.append(len(states) - 1)
        states.append(step.next_observation)
        next_rows.append(len(states) - 1)
    columns = torch.tensor([step[2:4] for step in steps], dtype=torch.float64)
    return SequenceBuffer(
        observations=torch.tensor([pair(state) for state in states], dtype=torch.float64),
        actions=torch.tensor([pair(step.action) for step in steps], dtype=torch.float64),
        rewards=columns[:, 0],
        masks=columns[:, 1],
        terminals=torch.tensor([step.terminal for step in steps]),
        rows=torch.tensor(rows),
        next_rows=torch.tensor(next_rows),
        capacity=capacity,
        horizon=horizon,
        discount=discount,
    )


def append(buffer: SequenceBuffer, steps: list[Step]) -> None:
    for step in steps:
        buffer.append(
            torch.tensor(pair(step.observation)),
            torch.tensor(pair(step.action)),
            step.reward,
            step.mask,
            step.terminal,
            torch.tensor(pair(step.next_observation)),
        )


def extend(buffer: SequenceBuffer, steps: list[Step]) -> None:
    numbers = torch.tensor(steps, dtype=torch.float64).reshape(len(steps), 6)
    states, actions, rewards, masks, terminals, next_states = numbers.T
    observations, actions, next_observations = (
        torch.stack([column, -column], -1) for column in (states, actions, next_states)
    )
    buffer.extend(observations, actions, rewards, masks, terminals.bool(), next_observations)


def assert_holds(buffer: SequenceBuffer, steps: list[Step], horizon: int, discount: float) -> None:
    """The buffer's chunks are those of `steps`, as the definition has them."""
    assert buffer.size == len(steps)
    starts = range(len(steps) - horizon + 1)
    batch = buffer.chunks(torch.tensor(list(starts), dtype=torch.int64))
    for index in starts:
        reward, mask, ended, valid, actions = 0.0, 1.0, False, [], []
        for h, step in enumerate(steps[index : index + horizon]):
            reward += discount**h * step.reward
            mask = min(mask, step.mask)
            valid.append(0.0 if ended else 1.0)
            ended = ended or step.terminal
            actions += pair(step.action)
        last = steps[index + horizon - 1]
        assert batch.observations[index].tolist() == pair(steps[index].observation)
        assert batch.next_observations[index].tolist() == pair(last.next_observation)
        assert batch.actions[index].tolist() == actions
        assert batch.rewards[index].item() == pytest.approx(reward, rel=1e-12)
        assert batch.masks[index].item() == mask
        assert batch.valid[index].tolist() == valid


lengths = st.lists(st.integers(1, 8), min_size=1, max_size=8)
horizons, discounts = st.integers(1, 6), st.sampled_from([0.5, 0.99])


@settings(deadline=None, max_examples=60)
@given(lengths, lengths, horizons, discounts, st.booleans())
def test_chunks_of_offline_and_appended_episodes(
    offline: list[int], online: list[int], horizon: int, discount: float, unfinished: bool
) -> None:
    source = Source(0)
    steps, later = source.episodes([*offline, horizon]), source.episodes(online)
    if unfinished:
        later = later[:-1]
    buffer = make_buffer(steps, 1000, horizon, discount)
    assert_holds(buffer, steps, horizon, discount)
    append(buffer, later)
    assert_holds(buffer, steps + later, horizon, discount)


@settings(deadline=None, max_examples=60)
@given(lengths, st.lists(st.integers(1, 8), min_size=10, max_size=40), st.integers(0, 25))
def test_a_full_ring_holds_the_newest_transitions(
    offline: list[int], online: list[int], spare: int
) -> None:
    """As many as fit into the capacity and into the observation rows, and no chunk is mixed."""
    source = Source(0)
    steps = source.episodes([*offline, 3])
    buffer = make_buffer(steps, len(steps) + spare, 3, 0.9)
    for length in online:
        new = source.episode(length)
        for part in (new[:-1], new[-1:]):
            append(buffer, part)
            steps += part
            assert_holds(buffer, steps[-kept(buffer, steps) :], 3, 0.9)


def kept(buffer: SequenceBuffer, steps: list[Step]) -> int:
    """How many of the newest transitions fit; states are numbered in the order they were met."""
    oldest_state = steps[-1].next_observation - len(buffer.observations) + 1
    fitting = sum(step.observation >= oldest_state for step in steps)
    return min(fitting, buffer.capacity)


@settings(deadline=None, max_examples=40)
@given(
    lengths,
    st.lists(st.lists(st.integers(1, 8), max_size=12), min_size=1, max_size=4),
    st.integers(0, 25),
    st.booleans(),
)
def test_extending_by_many_is_appending_each(
    offline: list[int], online: list[list[int]], spare: int, unfinished: bool
) -> None:
    """Parts may end within an episode, and may be longer than the buffer."""
    source = Source(0)
    steps = source.episodes([*offline, 3])
    one, other = (make_buffer(steps, len(steps) + spare, 3, 0.9) for _ in range(2))
    for part in online:
        new = source.episodes(part)
        for some in (new[:-1], new[-1:]) if unfinished else (new,):
            append(one, some)
            extend(other, some)
            steps += some
            assert_holds(other, steps[-kept(one, steps) :], 3, 0.9)
            for name in ("oldest", "row_end", "last_row"):
                assert getattr(one, name) == getattr(other, name)


class OnGPU(torch.Tensor):
    """Stands for a tensor on a GPU, and refuses whatever makes the host wait for one."""

    READS = ("item", "tolist", "numpy", "cpu", "__int__", "__float__", "__bool__", "__index__")

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        queued = (kwargs and kwargs.get("non_blocking")) or isinstance(args[-1], cls)
        writes = func.__name__ in ("copy_", "__setitem__")
        if func.__name__ in cls.READS or (writes and not queued):
            raise AssertionError(f"{func.__name__} waits")
        return super().__torch_function__(func, types, args, kwargs)


def test_appending_does_not_wait_for_a_gpu() -> None:
    source = Source(0)
    steps, new = source.episodes([6, 4]), source.episodes([3, 4])
    here, there = (make_buffer(steps, 12, 2, 0.9) for _ in range(2))
    for name, value in vars(there).items():
        if isinstance(value, torch.Tensor):
            setattr(there, name, value.as_subclass(OnGPU))
    with pytest.raises(AssertionError, match="waits"):
        there.rewards[0] = 1.0
    append(here, new)
    append(there, new)
    for name, value in vars(here).items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(getattr(there, name).as_subclass(torch.Tensor), value)


def test_the_capacity_is_used_in_full_by_episodes_of_ordinary_length() -> None:
    source = Source(0)
    steps = source.episodes([50])
    buffer = make_buffer(steps, 200, 5, 0.99)
    for _ in range(20):
        new = source.episode(ROW_SLACK + 5)
        append(buffer, new)
        steps += new
    assert_holds(buffer, steps[-200:], 5, 0.99)


def test_many_episodes_of_one_step_overwrite_the_oldest_states_only() -> None:
    source = Source(0)
    steps = source.episodes([10])
    buffer = make_buffer(steps, 40, 3, 0.9)
    for count in range(1, 200):
        new = source.episode(1)
        append(buffer, new)
        steps += new
        assert buffer.size >= min(10 + count, 40 // 2)
        assert_holds(buffer, steps[-buffer.size :], 3, 0.9)


def test_the_capacity_leaves_room_for_one_new_transition() -> None:
    source = Source(0)
    steps = source.episodes([6, 4])
    buffer = make_buffer(steps, 0, 2, 0.9)
    assert buffer.capacity == 11
    append(buffer, new := source.episode(1))
    assert_holds(buffer, steps + new, 2, 0.9)


def test_the_last_offline_transition_ends_an_episode() -> None:
    """A cut-off data set: a chunk must not run on into the first online episode."""
    source = Source(0)
    cut, online = source.episode(6)[:4], source.episode(6)
    terminals = [step.terminal for step in cut]
    assert not any(terminals)
    buffer = make_buffer(cut, 100, 3, 0.9)
    append(buffer, online)
    closed = [*cut[:-1], cut[-1]._replace(terminal=True)]
    assert_holds(buffer, closed + online, 3, 0.9)


def test_the_data_set_is_copied() -> None:
    terminals = torch.zeros(3, dtype=torch.bool)
    observations = torch.arange(4.0).unsqueeze(-1)
    original = observations.clone()
    buffer = SequenceBuffer(
        observations=observations,
        actions=torch.zeros(3, 1),
        rewards=torch.zeros(3),
        masks=torch.ones(3),
        terminals=terminals,
        rows=torch.arange(3),
        next_rows=torch.arange(3) + 1,
        capacity=4,
        horizon=2,
        discount=0.9,
    )
    for _ in range(20):
        buffer.append(torch.ones(1), torch.ones(1), -1.0, 1.0, True, torch.ones(1))
    assert not terminals.any()
    assert torch.equal(observations, original)


def test_observations_are_stored_once() -> None:
    source = Source(0)
    buffer = make_buffer(source.episodes([100, 100]), 1000, 5, 0.99)
    assert len(buffer.observations) < 1.06 * 1000
    append(buffer, source.episode(790))
    states = buffer.observations[: 101 + 101 + 791, 0]
    assert states.tolist() == [float(state) for state in range(101 + 101 + 791)]


def test_starts_are_drawn_uniformly_from_all_that_have_a_whole_chunk() -> None:
    source = Source(0)
    steps = source.episodes([6])
    buffer = make_buffer(steps, 12, 3, 0.9)
    for _ in range(4):
        append(buffer, source.episode(6))
    draws = 12_000
    batch = buffer.sample(draws, torch.Generator().manual_seed(0))
    starts, counts = batch.actions[:, 0].unique(return_counts=True)
    assert starts.tolist() == [19.0 + k for k in range(10)]  # actions 19 to 30 are kept
    expected = draws / 10
    assert (counts - expected).abs().max() < 4 * (expected * 0.9) ** 0.5


def test_a_large_buffer_takes_hardly_more_than_its_numbers() -> None:
    """cube-triple's widths; docs/performance.md has the same for its two million transitions."""
    count, observation, action = 20_000, 46, 5
    rows = torch.arange(count)
    buffer = SequenceBuffer(
        observations=torch.zeros(count + 1, observation),
        actions=torch.zeros(count, action),
        rewards=torch.zeros(count),
        masks=torch.zeros(count),
        terminals=torch.zeros(count),
        rows=rows,
        next_rows=rows + 1,
        capacity=200_000,
        horizon=5,
        discount=0.99,
    )
    arrays = (torch.Tensor, np.ndarray)
    taken = sum(value.nbytes for value in vars(buffer).values() if isinstance(value, arrays))
    raw = 4 * buffer.capacity * (observation + action + len(("reward", "mask", "terminal")))
    assert taken < 1.1 * raw


def test_n_step_returns_of_shorter_chunks() -> None:
    source = Source(0)
    steps = source.episodes([6, 7])
    whole, short = (make_buffer(steps, 20, 3, 0.9) for _ in range(2))
    short.actions_per_chunk = 1
    index = torch.arange(len(steps) - 2)
    chunks, first = whole.chunks(index), short.chunks(index)
    assert torch.equal(first.actions, chunks.actions[:, : first.actions.shape[1]])
    assert first.actions.shape[1] * 3 == chunks.actions.shape[1]
    assert first.valid.tolist() == [[1.0]] * len(index)
    for name in ("observations", "rewards", "masks", "whole", "next_observations"):
        assert torch.equal(getattr(first, name), getattr(chunks, name))
    assert 0 < chunks.whole.mean() < 1
