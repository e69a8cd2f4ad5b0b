"""Policies, which map observations to action chunks with networks, a sampler and statistics."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fmq.base.errors import UserError
from fmq.config.own_methods import OwnMethod, defined, told_in_one_line
from fmq.config.sections import NetworkSettings
from fmq.data.normalization import Normalizer
from fmq.method import samplers
from fmq.method.flow import Velocity, euler, one_step
from fmq.method.guidance import CriticFunction
from fmq.networks.ensemble import CriticEnsemble
from fmq.networks.fused import recording, vectorised
from fmq.networks.velocity import VelocityNetwork
from fmq.pipeline.runs import Run

Proposal = Callable[[Velocity, Tensor, Tensor], Tensor]


class Sampler(NamedTuple):
    """A sampler, which turns noise into an action chunk.

    Attributes:
        noises: number of noise vectors that it needs per observation.
        choose: maps (velocity, critic, observations (batch, O), noise (batch, noises, H*A)) to
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
    """Return a velocity network and two critics for chunks of `action_size` = H * A numbers."""
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


def make_sampler(name: str, aggregate: str, **numbers: Any) -> Sampler:
    """Return the sampler `name` with its parameters.

    Args:
        name: a key of `SAMPLERS`.
        aggregate: ``mean`` or ``min`` over the critics, for best-of-N; QGBS always takes the min.
        numbers: the parameters, as returned by `fmq.pipeline.bindings.sampler_numbers`.

    Raises:
        UserError: there is no such sampler.
    """
    if name not in SAMPLERS:
        raise UserError(f"unknown sampler {name!r}; allowed: {', '.join(SAMPLERS)}")
    return SAMPLERS[name](aggregate, **numbers)


def sampler_of(run: Run, name: str) -> Sampler:
    """Return the sampler `name` of a run's policy: built in, a variant, or from a method's file.

    Raises:
        UserError: the method's file fails, or its `sampler` is not a `Sampler`.
    """
    bound = run.sampler_named(name)
    if bound.code:
        return _own_sampler(name, run.study.own_methods[name])
    return make_sampler(bound.name, run.critic_target, **bound.numbers)


def _own_sampler(name: str, row: OwnMethod) -> Sampler:
    found: Sampler = defined(name, row, "sampler", Sampler)
    if type(found.noises) is not int or found.noises < 0:
        raise UserError(
            f"{row.file}: sampler.noises has to be an integer, 0 or more, got {found.noises!r}"
        )

    def choose(velocity: Velocity, critic: CriticFunction, obs: Tensor, noise: Tensor) -> Tensor:
        # Under torch.compile or vmap, their own errors must reach them unchanged.
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


def _one_step(aggregate: str) -> Sampler:
    return Sampler(1, partial(_single, one_step))


def _euler(aggregate: str, flow_steps: int) -> Sampler:
    return Sampler(1, partial(_single, partial(euler, steps=flow_steps)))


def _best_of_jumps(aggregate: str, samples: int) -> Sampler:
    return Sampler(samples, partial(_best_of_n, one_step, aggregate))


def _best_of_flows(aggregate: str, samples: int, flow_steps: int) -> Sampler:
    propose = partial(euler, steps=flow_steps)
    return Sampler(samples, partial(_best_of_n, propose, aggregate))


def _beam_search(
    aggregate: str,
    qgbs_candidates: int,
    qgbs_copies: int,
    qgbs_rounds: int,
    qgbs_eta: float,
    qgbs_rho: float,
    qgbs_completion: str,
) -> Sampler:
    choose = partial(
        _qgbs,
        candidates=qgbs_candidates,
        copies=qgbs_copies,
        rounds=qgbs_rounds,
        eta=qgbs_eta,
        rho=qgbs_rho,
        completion=qgbs_completion,
    )
    return Sampler(qgbs_candidates * (1 + qgbs_rounds * qgbs_copies), choose)


SAMPLERS: dict[str, Callable[..., Sampler]] = {
    "one_step": _one_step,
    "euler": _euler,
    "best_of_n": _best_of_jumps,
    "best_of_n_euler": _best_of_flows,
    "qgbs": _beam_search,
}


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
    velocity: Velocity,
    critic: CriticFunction,
    obs: Tensor,
    noise: Tensor,
    *,
    candidates: int,
    copies: int,
    rounds: int,
    eta: float,
    rho: float,
    completion: str,
) -> Tensor:
    first, renoise = noise[:, :candidates], noise[:, candidates:]
    again = renoise.split(candidates * copies, 1) if rounds else ()
    return samplers.qgbs(
        velocity, critic, obs, first, again, eta=eta, rho=rho, completion=completion
    )


class Policy:
    """A policy that acts on raw observations, with noise from its own generator."""

    def __init__(
        self,
        velocity: Velocity,
        critic: CriticFunction,
        normalizer: Normalizer,
        sampler: Sampler,
        generator: torch.Generator,
        chunk_shape: tuple[int, int],
    ) -> None:
        """Make a policy; `chunk_shape` is (H, A)."""
        self.velocity = velocity
        self.critic = critic
        self.normalizer = normalizer
        self.sampler = sampler
        self.generator = generator
        self.chunk_shape = chunk_shape

    @torch.inference_mode()
    def act(self, observations: np.ndarray) -> np.ndarray:
        """Return action chunks (batch, H, A) in [-1, 1] for observations (batch, O).

        Raises:
            UserError: the observations have another shape or are not finite.
        """
        size = len(self.normalizer.mean)
        if np.ndim(observations) != 2 or np.shape(observations)[1] != size:
            raise UserError(
                f"observations of shape {np.shape(observations)}: this policy takes (batch, {size})"
            )
        if not np.isfinite(observations).all():
            raise UserError("observations that are not finite; the policy cannot act on them")
        device = self.normalizer.mean.device
        batch = torch.as_tensor(observations, dtype=torch.float32, device=device)
        shape = (len(batch), self.sampler.noises, math.prod(self.chunk_shape))
        noise = torch.randn(shape, generator=self.generator, device=device)
        normalized = self.normalizer(batch)
        actions = self.sampler.choose(self.velocity, self.critic, normalized, noise)
        return actions.view(-1, *self.chunk_shape).cpu().numpy()
