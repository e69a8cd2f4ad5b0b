"""A policy: networks, a sampler and observation statistics, from observations to action chunks."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fmq import samplers
from fmq.data.normalization import Normalizer
from fmq.ensemble import CriticEnsemble
from fmq.errors import UserError
from fmq.flow import Velocity, euler, one_step
from fmq.fused import recording, vectorised
from fmq.guidance import CriticFunction
from fmq.networks import VelocityNetwork
from fmq.own_methods import OwnMethod, defined, told_in_one_line
from fmq.settings import Study
from fmq.stage_settings import NetworkSettings, SamplingSettings

Proposal = Callable[[Velocity, Tensor, Tensor], Tensor]


class Sampler(NamedTuple):
    """How noise becomes an action chunk.

    Attributes:
        noises: noise vectors that it wants per observation.
        choose: from (velocity, critic, observations (batch, O), noise (batch, noises, H*A)) to
            chunks (batch, H*A).
    """

    noises: int
    choose: Callable[[Velocity, CriticFunction, Tensor, Tensor], Tensor]


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


def make_sampler(name: str, sampling: SamplingSettings, aggregate: str) -> Sampler:
    """The sampler `name`.

    Args:
        aggregate: ``mean`` or ``min`` over the critics, for best-of-N; QGBS always takes the min.
    """
    integrate = partial(euler, steps=sampling.flow_steps)
    table = {
        "one_step": Sampler(1, partial(_single, one_step)),
        "euler": Sampler(1, partial(_single, integrate)),
        "best_of_n": Sampler(sampling.samples, partial(_best_of_n, one_step, aggregate)),
        "best_of_n_euler": Sampler(sampling.samples, partial(_best_of_n, integrate, aggregate)),
        "qgbs": Sampler(
            sampling.qgbs_candidates * (1 + sampling.qgbs_rounds * sampling.qgbs_copies),
            partial(_qgbs, sampling),
        ),
    }
    if name not in table:
        raise UserError(f"unknown sampler {name!r}; allowed: {', '.join(table)}")
    return table[name]


def sampler_of(study: Study, name: str, aggregate: str) -> Sampler:
    """The sampler `name` of a study: fmq's, a variant of one, or that of a method in a file.

    Args:
        aggregate: as in `make_sampler`.

    Raises:
        UserError: a method's file fails, or what it calls `sampler` is none.
    """
    if name in study.own_methods:
        return _own_sampler(name, study.own_methods[name])
    base, sampling = study.sampler(name)
    return make_sampler(base, sampling, aggregate)


def _own_sampler(name: str, row: OwnMethod) -> Sampler:
    found: Sampler = defined(name, row, "sampler", Sampler)
    if type(found.noises) is not int or found.noises < 0:
        raise UserError(
            f"{row.file}: sampler.noises has to be an integer, 0 or more, got {found.noises!r}"
        )

    def choose(velocity: Velocity, critic: CriticFunction, obs: Tensor, noise: Tensor) -> Tensor:
        # Who compiles or stacks tells what that cannot take in a way of its own.
        told_there = recording() or vectorised(noise)
        with nullcontext() if told_there else told_in_one_line(row.code):
            chunks = found.choose(velocity, critic, obs, noise)
        if chunks.shape != (len(noise), noise.shape[-1]):
            raise UserError(
                f"{row.file}: the sampler returns {tuple(chunks.shape)} for noise of "
                f"{tuple(noise.shape)}; it has to be a chunk each, (batch, H*A)"
            )
        return chunks

    return found._replace(choose=choose)


def _single(
    propose: Proposal, velocity: Velocity, critic: CriticFunction, obs: Tensor, noise: Tensor
) -> Tensor:
    return propose(velocity, obs, noise[:, 0])


def _best_of_n(
    propose: Proposal,
    aggregate: str,
    velocity: Velocity,
    critic: CriticFunction,
    obs: Tensor,
    noise: Tensor,
) -> Tensor:
    repeated = samplers.repeat_observations(obs, noise.shape[1])
    return samplers.best_of_n(critic, obs, propose(velocity, repeated, noise), aggregate)


def _qgbs(
    sampling: SamplingSettings,
    velocity: Velocity,
    critic: CriticFunction,
    obs: Tensor,
    noise: Tensor,
) -> Tensor:
    beam = sampling.qgbs_candidates
    return samplers.qgbs(
        velocity,
        critic,
        obs,
        noise[:, :beam],
        noise[:, beam:].split(beam * sampling.qgbs_copies, 1) if sampling.qgbs_rounds else (),
        eta=sampling.qgbs_eta,
        rho=sampling.qgbs_rho,
        completion=sampling.qgbs_completion,
    )


class Policy:
    """Acts on raw observations; the noise comes from its own generator."""

    def __init__(
        self,
        velocity: Velocity,
        critic: CriticFunction,
        normalizer: Normalizer,
        sampler: Sampler,
        generator: torch.Generator,
        chunk_shape: tuple[int, int],
    ) -> None:
        """`chunk_shape` is (H, A)."""
        self.velocity = velocity
        self.critic = critic
        self.normalizer = normalizer
        self.sampler = sampler
        self.generator = generator
        self.chunk_shape = chunk_shape

    @classmethod
    def load(
        cls, folder: str | Path, sampler: str | Sampler | None = None, seed: int = 0
    ) -> "Policy":
        """The policy that `fmq export` or `fmq import-jax` wrote into `folder`, on the CPU.

        Args:
            sampler: how noise becomes a chunk, by name or as such; the policy's own unless given.
            seed: of the noise.

        Raises:
            UserError: the folder is damaged or no policy, or the sampler does not fit it.
        """
        from fmq.export.loading import load_exported  # which imports this module

        return load_exported(Path(folder), sampler, seed)

    @torch.inference_mode()
    def act(self, observations: np.ndarray) -> np.ndarray:
        """Action chunks (batch, H, A) in [-1, 1] for observations (batch, O).

        Raises:
            UserError: observations of another shape, or that are not finite.
        """
        size = len(self.normalizer.mean)
        if np.ndim(observations) != 2 or np.shape(observations)[1] != size:
            raise UserError(
                f"observations of shape {np.shape(observations)}: this policy takes (batch, {size})"
            )
        if not np.isfinite(observations).all():
            raise UserError("observations that are not finite; no action follows from them")
        device = self.normalizer.mean.device
        batch = torch.as_tensor(observations, dtype=torch.float32, device=device)
        shape = (len(batch), self.sampler.noises, math.prod(self.chunk_shape))
        noise = torch.randn(shape, generator=self.generator, device=device)
        normalized = self.normalizer(batch)
        actions = self.sampler.choose(self.velocity, self.critic, normalized, noise)
        return actions.view(-1, *self.chunk_shape).cpu().numpy()
