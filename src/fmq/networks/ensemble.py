"""The two critics, their values, and the gradients of the values in the action chunks."""

import copy
from collections.abc import Callable
from typing import Self, cast

import torch
from torch import Tensor, nn

from fmq.networks import fused
from fmq.networks.pullback import Pull, pullback
from fmq.networks.velocity import MultilayerPerceptron

CRITICS = 2


class Critic(MultilayerPerceptron):
    """A critic Q(s, a): an MLP with a layer norm after each hidden activation."""

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        hidden_width: int,
        hidden_layers: int,
        activation: str,
        generator: torch.Generator,
    ) -> None:
        sizes = [observation_size + action_size, *[hidden_width] * hidden_layers, 1]
        super().__init__(sizes, activation, norm=True, generator=generator)
        self.transposed: list[Tensor] | None = None

    def prepare(self) -> None:
        """Treat the weights as final, also for gradients in the inputs.

        See `MultilayerPerceptron.prepare`.
        """
        super().prepare()
        self.transposed = fused.prepare_transposed(self.linear)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return values of shape (...) for inputs [s, a] of shape (..., O + H*A)."""
        return self.outputs(inputs).squeeze(-1)

    def pullback(self, inputs: Tensor) -> tuple[Tensor, Pull]:
        """Return values (...) and a function that maps cotangents (..., 1) to input cotangents."""
        inputs = inputs.to(self.linear[0][0].dtype)
        layers = self.prepared or self.linear
        transposed = self.transposed or [weight.t() for weight, _ in self.linear]
        values, pull = pullback(inputs, layers, self.gains, self.activation, transposed)
        return values.squeeze(-1), pull


class CriticEnsemble(nn.Module):
    """Two critics of the same shape with different weights."""

    def __init__(self, observation_size: int, action_size: int, **shape: object) -> None:
        """Create both critics; `shape` holds the keyword arguments of `Critic`."""
        super().__init__()
        self.critics = nn.ModuleList(
            Critic(observation_size, action_size, **shape)  # type: ignore[arg-type]
            for _ in range(CRITICS)
        )

    def with_weights(self, vector: Tensor) -> Self:
        """Return a copy that computes with the weights in `vector`.

        The weights of the first critic come before those of the second; see
        `MultilayerPerceptron.with_weights`.
        """
        other = copy.copy(self)
        pairs = zip(self.critics, vector.chunk(CRITICS), strict=True)
        critics = nn.ModuleList(cast(Critic, critic).with_weights(part) for critic, part in pairs)
        other._modules = {"critics": critics}
        other.parameters = lambda recurse=True: (  # type: ignore[method-assign]
            number for critic in critics for number in critic.parameters()
        )
        return other

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return values of shape (2, ...) for observations (..., O) and chunks (..., H*A)."""
        inputs = torch.cat([observations, actions], -1)
        return torch.stack([critic(inputs) for critic in self.critics])

    @torch.no_grad()
    def value_and_gradient(
        self, observations: Tensor, actions: Tensor, how: str
    ) -> tuple[Tensor, Tensor]:
        """Return values (2, ...) and the action gradient (..., H*A).

        Args:
            how: what the gradient is taken of: the ``first`` critic, or the ``min`` or ``mean`` of
                both.
        """
        if how != "first":
            values, gradient_at = self.values_then_gradient(observations, actions, how)
            return values, gradient_at(None)
        inputs = torch.cat([observations, actions], -1)
        first, second = (cast(Critic, critic) for critic in self.critics)
        one, pull = first.pullback(inputs)
        gradient = pull(torch.ones_like(one).unsqueeze(-1))
        return torch.stack([one, second(inputs)]), _of_actions(gradient, actions)

    @torch.no_grad()
    def values_then_gradient(
        self, observations: Tensor, actions: Tensor, how: str
    ) -> tuple[Tensor, Callable[[Tensor | None], Tensor]]:
        """Return values (2, ...) and a function that computes gradients at chosen chunks.

        Args:
            how: what the gradient is taken of: the ``min`` or ``mean`` of both critics.

        Returns:
            The values, and a function from n row indices into the flattened leading axes to
            action gradients (n, H*A); for None it returns those of all chunks, (..., H*A).
        """
        inputs = torch.cat([observations, actions], -1)
        pulls, values = [], []
        for critic in self.critics:
            value, pull = cast(Critic, critic).pullback(inputs)
            values.append(value)
            pulls.append(pull)
        one, other = values
        smaller = (one <= other).to(one.dtype)
        share = {"min": smaller, "mean": torch.full_like(one, 0.5)}[how].unsqueeze(-1)

        def gradient_at(rows: Tensor | None) -> Tensor:
            mine = share if rows is None else share.view(-1, 1)[rows]
            gradient = pulls[0](mine, rows) + pulls[1](1 - mine, rows)
            return _of_actions(gradient, actions)

        return torch.stack(values), gradient_at

    def prepare(self) -> None:
        """Treat the weights of both critics as final; see `Critic.prepare`."""
        for critic in self.critics:
            critic.prepare()  # type: ignore[operator]


def _of_actions(gradient: Tensor, actions: Tensor) -> Tensor:
    """Return the part of a gradient in [s, a] that belongs to a, in the dtype of `actions`."""
    return gradient[..., -actions.shape[-1] :].to(actions.dtype)
