"""The replay buffer: offline data, then online transitions, sampled as action chunks."""

from typing import NamedTuple

import torch
from torch import Tensor

ROW_SLACK = 20  # transitions per spare observation row; an episode has one row more


class Batch(NamedTuple):
    """A batch of action chunks of H steps.

    Attributes:
        observations: s_i, shape (batch, O).
        actions: a_i .. a_{i+H-1} flattened, shape (batch, H*A).
        rewards: R_{H-1} = sum_k gamma^k r_{i+k}, shape (batch,).
        masks: the smallest mask of the chunk, 0 if the task ended within it, shape (batch,).
        valid: valid_0 = 1, valid_h = 1 - (a terminal before step h), shape (batch, H).
        whole: 1 if all steps of the backup belong to one episode, shape (batch,).
        next_observations: the observation after step H-1, shape (batch, O).
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    masks: Tensor
    valid: Tensor
    whole: Tensor
    next_observations: Tensor


class SequenceBuffer:
    """A ring buffer of transitions that stores each observation once.

    Transition i starts at observation row `rows[i]` and ends at `next_rows[i]`; consecutive
    transitions share a row. When the buffer is full, the oldest transition is dropped. No chunk
    crosses the seam between the newest and the oldest transition.
    """

    def __init__(
        self,
        *,
        observations: Tensor,
        actions: Tensor,
        rewards: Tensor,
        masks: Tensor,
        terminals: Tensor,
        rows: Tensor,
        next_rows: Tensor,
        capacity: int,
        horizon: int,
        discount: float,
        actions_per_chunk: int | None = None,
    ) -> None:
        """Copy a data set of n transitions; the last one is made terminal.

        Args:
            observations: shape (rows, O); each state once, in the order of the transitions.
            actions: shape (n, A).
            rewards, masks, terminals: shape (n,).
            rows, next_rows: shape (n,), row numbers in `observations`.
            capacity: transitions kept, at least n + 1; fewer are kept if online episodes are
                shorter than `ROW_SLACK` steps.
            horizon: H, the number of steps of a chunk and of its backup.
            discount: gamma, per step.
            actions_per_chunk: number of first steps whose actions are returned, for n-step
                returns of shorter chunks; all H by default.
        """
        self.size = len(actions)
        self.capacity = max(capacity, self.size + 1)
        self.horizon = horizon
        self.actions_per_chunk = actions_per_chunk or horizon
        self.oldest = 0
        spare = self.capacity - self.size
        self.observations = _grown(observations, spare + self.capacity // ROW_SLACK + 2)
        self.row_end = len(observations)
        self.last_row = -1  # row of the newest observation during an episode, else -1
        self.actions = _grown(actions, spare)
        self.rewards = _grown(rewards, spare)
        self.masks = _grown(masks, spare)
        self.terminals = _grown(terminals.bool(), spare)
        self.terminals[self.size - 1] = True
        self.rows = _grown(rows.to(torch.int32), spare)
        self.next_rows = _grown(next_rows.to(torch.int32), spare)
        self._rows_at_hand = self.rows.cpu().numpy()  # reading from a GPU would wait for it
        device = actions.device
        self._steps = torch.arange(horizon, device=device)
        self._discounts = discount ** self._steps.to(rewards.dtype)

    def append(
        self,
        observation: Tensor,
        action: Tensor,
        reward: float,
        mask: float,
        terminal: bool,
        next_observation: Tensor,
    ) -> None:
        """Append one transition; `terminal` also marks the end of a truncated episode.

        On a GPU this only queues copies and does not wait for them.
        """
        begins = self.last_row < 0
        slot, row, next_row = self._place(terminal)
        if begins:
            self.observations[row].copy_(observation, non_blocking=True)
        self.observations[next_row].copy_(next_observation, non_blocking=True)
        self.actions[slot].copy_(action, non_blocking=True)
        # Assigning a number would copy it to the device and wait; `fill_` passes it to a kernel.
        self.rewards[slot].fill_(reward)
        self.masks[slot].fill_(mask)
        self.terminals[slot].fill_(terminal)
        self.rows[slot].fill_(row)
        self.next_rows[slot].fill_(next_row)

    def extend(
        self,
        observations: Tensor,
        actions: Tensor,
        rewards: Tensor,
        masks: Tensor,
        terminals: Tensor,
        next_observations: Tensor,
    ) -> None:
        """Append n transitions in a few copies, with the same result as n calls of `append`.

        Args:
            observations, next_observations: shape (n, O), in host memory like all others.
            actions: shape (n, A).
            rewards, masks, terminals: shape (n,).
        """
        places = [self._place(terminal) for terminal in terminals.tolist()]
        kept = min(len(places), self.size)
        if not kept:
            return
        newest = slice(len(places) - kept, None)
        device = self.actions.device
        slots, rows, next_rows = torch.tensor(places[newest]).T.contiguous().to(device)
        for stored, index, values in (
            # A row that two transitions share has the earlier one's `next_observations`.
            (self.observations, rows, observations[newest]),
            (self.observations, next_rows, next_observations[newest]),
            (self.actions, slots, actions[newest]),
            (self.rewards, slots, rewards[newest]),
            (self.masks, slots, masks[newest]),
            (self.terminals, slots, terminals[newest]),
            (self.rows, slots, rows),
            (self.next_rows, slots, next_rows),
        ):
            stored.index_copy_(0, index, values.to(stored))

    def sample(self, batch_size: int, generator: torch.Generator) -> Batch:
        """Sample chunks uniformly among the transitions followed by at least H - 1 others."""
        starts = self.size - self.horizon + 1
        index = torch.randint(starts, (batch_size,), generator=generator, device=generator.device)
        return self.chunks(index)

    def chunks(self, index: Tensor) -> Batch:
        """Return the chunks that start at transitions `index` (batch,), counted from the oldest."""
        steps = (index.unsqueeze(-1) + (self.oldest + self._steps)) % self.capacity
        terminals = self.terminals[steps]
        ended = terminals.cummax(-1).values[:, :-1]
        rewards = self.rewards[steps]
        valid = torch.ones_like(rewards)
        valid[:, 1:] = (~ended).to(rewards.dtype)
        acted = self.actions_per_chunk
        return Batch(
            observations=self.observations[self.rows[steps[:, 0]]],
            actions=self.actions[steps[:, :acted]].flatten(1),
            rewards=rewards @ self._discounts,
            masks=self.masks[steps].amin(-1),
            valid=valid[:, :acted],
            whole=valid[:, -1],
            next_observations=self.observations[self.next_rows[steps[:, -1]]],
        )

    def _place(self, terminal: bool) -> tuple[int, int, int]:
        """Make room for the next transition and return its slot and its two observation rows."""
        row = self.last_row if self.last_row >= 0 else self._take_row()
        next_row = self._take_row()
        self.last_row = -1 if terminal else next_row
        if self.size == self.capacity:
            self._drop_oldest()
        slot = (self.oldest + self.size) % self.capacity
        self._rows_at_hand[slot] = row
        self.size += 1
        return slot, row, next_row

    def _take_row(self) -> int:
        """Return the next observation row, after dropping the transition that starts there."""
        row = self.row_end % len(self.observations)
        while self.size and self._rows_at_hand[self.oldest] == row:
            self._drop_oldest()
        self.row_end += 1
        return row

    def _drop_oldest(self) -> None:
        self.oldest = (self.oldest + 1) % self.capacity
        self.size -= 1


def _grown(values: Tensor, extra: int) -> Tensor:
    """Return a copy with room for `extra` more entries along the first axis."""
    room = torch.zeros((extra, *values.shape[1:]), dtype=values.dtype, device=values.device)
    return torch.cat([values, room])
