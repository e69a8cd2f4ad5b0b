"""A policy: networks, a sampler and observation statistics, from observations to action chunks."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from fmq import samplers
from fmq.data.normalization import Normalizer
from fmq.errors import UserError
from fmq.flow import Velocity, euler, one_step
from fmq.guidance import CriticFunction
from fmq.networks import CriticEnsemble, VelocityNetwork
from fmq.settings import NetworkSettings, SamplingSettings

Sampler = Callable[[Velocity, CriticFunction, Tensor, torch.Generator], Tensor]
Proposal = Callable[[Velocity, Tensor, Tensor], Tensor]


def make_networks(
    observation_size: int,
    action_size: int,
    settings: NetworkSettings,
    generator: torch.Generator,
) -> tuple[VelocityNetwork, CriticEnsemble]:
    """A velocity network and two critics for chunks of `action_size` = H * A numbers."""
    width, depth = settings.hidden_width, settings.hidden_layers
    actor = VelocityNetwork(
        observation_size,
        action_size,
        hidden_width=width,
        hidden_layers=depth,
        activation=settings.activation,
        time_features=settings.time_features,
        generator=generator,
    )
    critic = CriticEnsemble(
        observation_size,
        action_size,
        hidden_width=width,
        hidden_layers=depth,
        activation=settings.activation,
        generator=generator,
    )
    return actor, critic


def make_sampler(
    name: str, sampling: SamplingSettings, action_size: int, aggregate: str
) -> Sampler:
    """The sampler `name` as a function (velocity, critic, observations, generator) -> chunks.

    Args:
        action_size: of a flattened chunk, H * A.
        aggregate: ``mean`` or ``min`` over the critics, for best-of-N; QGBS always takes the min.

    Returns:
        A function from observations (batch, O) to chunks (batch, H*A).
    """
    integrate = partial(euler, steps=sampling.flow_steps)
    if name == "qgbs":
        return _qgbs(sampling, action_size)
    table = {
        "one_step": _single(one_step, action_size),
        "euler": _single(integrate, action_size),
        "best_of_n": _best_of_n(one_step, sampling.samples, action_size, aggregate),
        "best_of_n_euler": _best_of_n(integrate, sampling.samples, action_size, aggregate),
    }
    if name not in table:
        raise UserError(f"unknown sampler {name!r}; allowed: {', '.join([*table, 'qgbs'])}")
    return table[name]


def gaussian(like: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Standard normal noise with the type and device of `like`."""
    return torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)


def _single(propose: Proposal, action_size: int) -> Sampler:
    def sample(
        velocity: Velocity, critic: CriticFunction, obs: Tensor, generator: torch.Generator
    ) -> Tensor:
        return propose(velocity, obs, gaussian(obs, (len(obs), action_size), generator))

    return sample


def _best_of_n(propose: Proposal, count: int, action_size: int, aggregate: str) -> Sampler:
    def sample(
        velocity: Velocity, critic: CriticFunction, obs: Tensor, generator: torch.Generator
    ) -> Tensor:
        noise = gaussian(obs, (len(obs), count, action_size), generator)
        candidates = propose(velocity, samplers.repeat_observations(obs, count), noise)
        return samplers.best_of_n(critic, obs, candidates, aggregate)

    return sample


def _qgbs(sampling: SamplingSettings, action_size: int) -> Sampler:
    beam, copies = sampling.qgbs_candidates, sampling.qgbs_copies

    def sample(
        velocity: Velocity, critic: CriticFunction, obs: Tensor, generator: torch.Generator
    ) -> Tensor:
        shape = (len(obs), beam * copies, action_size)
        return samplers.qgbs(
            velocity,
            critic,
            obs,
            gaussian(obs, (len(obs), beam, action_size), generator),
            [gaussian(obs, shape, generator) for _ in range(sampling.qgbs_rounds)],
            eta=sampling.qgbs_eta,
            rho=sampling.qgbs_rho,
            completion=sampling.qgbs_completion,
        )

    return sample


class Policy:
    """Acts on raw observations; the noise comes from its own generator."""

    def __init__(
        self,
        velocity: Velocity,
        critic: CriticFunction,
        normalizer: Normalizer,
        sampler: Sampler,
        generator: torch.Generator,
        chunk_length: int,
    ) -> None:
        self.velocity = velocity
        self.critic = critic
        self.normalizer = normalizer
        self.sampler = sampler
        self.generator = generator
        self.chunk_length = chunk_length

    @torch.no_grad()
    def act(self, observations: np.ndarray) -> np.ndarray:
        """Action chunks (batch, H, A) in [-1, 1] for observations (batch, O)."""
        device = self.normalizer.mean.device
        batch = torch.as_tensor(observations, dtype=torch.float32, device=device)
        actions = self.sampler(self.velocity, self.critic, self.normalizer(batch), self.generator)
        return actions.view(len(batch), self.chunk_length, -1).cpu().numpy()
