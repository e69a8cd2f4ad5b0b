"""The two critics, their values and the gradients of these in the chunks."""

import copy
from collections.abc import Callable
from typing import Self, cast

import torch
from torch import Tensor, nn

from fmq import fused
from fmq.networks import MultilayerPerceptron
from fmq.pullback import Pull, pullback

CRITICS = 2


class Critic(MultilayerPerceptron):
    """Q(s, a): an MLP with layer norm after each hidden activation."""

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
        """As of every perceptron, and for gradients in the inputs too."""
        super().prepare()
        self.transposed = fused.prepare_transposed(self.linear)

    def forward(self, inputs: Tensor) -> Tensor:
        """Values of shape (...) from [s, a] of shape (..., O + H*A)."""
        return self.outputs(inputs).squeeze(-1)

    def pullback(self, inputs: Tensor) -> tuple[Tensor, Pull]:
        """Values (...), and the function from cotangents (..., 1) to those of the inputs."""
        inputs = inputs.to(self.linear[0][0].dtype)
        layers = self.prepared or self.linear
        transposed = self.transposed or [weight.t() for weight, _ in self.linear]
        values, pull = pullback(inputs, layers, self.gains, self.activation, transposed)
        return values.squeeze(-1), pull


class CriticEnsemble(nn.Module):
    """Two critics of the same shape and other weights."""

    def __init__(self, observation_size: int, action_size: int, **shape: object) -> None:
        """Keyword arguments are those of `Critic`."""
        super().__init__()
        self.critics = nn.ModuleList(
            Critic(observation_size, action_size, **shape)  # type: ignore[arg-type]
            for _ in range(CRITICS)
        )

    def with_weights(self, vector: Tensor) -> Self:
        """As of every perceptron; first the first critic's, then the second's."""
        other = copy.copy(self)
        pairs = zip(self.critics, vector.chunk(CRITICS), strict=True)
        critics = nn.ModuleList(cast(Critic, critic).with_weights(part) for critic, part in pairs)
        other._modules = {"critics": critics}
        other.parameters = lambda recurse=True: (  # type: ignore[method-assign]
            number for critic in critics for number in critic.parameters()
        )
        return other

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Values of shape (2, ...) from observations (..., O) and chunks (..., H*A)."""
        inputs = torch.cat([observations, actions], -1)
        return torch.stack([critic(inputs) for critic in self.critics])

    @torch.no_grad()
    def value_and_gradient(
        self, observations: Tensor, actions: Tensor, how: str
    ) -> tuple[Tensor, Tensor]:
        """Values (2, ...), and the action gradient (..., H*A) of one critic or over both.

        Args:
            how: ``first``, ``min`` or ``mean``.
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
        """Values (2, ...), and the gradient (n, H*A) over both critics at any n of these chunks.

        Args:
            how: ``min`` or ``mean``.

        Returns:
            the values, and a function of the rows, counted through all leading axes; None takes
            all of them as they are, (..., H*A).
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
        """As of each critic."""
        for critic in self.critics:
            critic.prepare()  # type: ignore[operator]


def _of_actions(gradient: Tensor, actions: Tensor) -> Tensor:
    """The chunks' part of a gradient in [s, a], in the type of `actions`."""
    return gradient[..., -actions.shape[-1] :].to(actions.dtype)
