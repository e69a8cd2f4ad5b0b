"""Policies, which map observations to action chunks with networks, a sampler and statistics."""

import math
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from fmq.base.errors import UserError
from fmq.data.normalization import Normalizer
from fmq.method.flow import Velocity
from fmq.method.guidance import CriticFunction
from fmq.methods.samplers import Sampler
from fmq.networks.ensemble import CriticEnsemble
from fmq.networks.velocity import VelocityNetwork


class Architecture(Protocol):
    """What of `fmq.config.sections.NetworkSettings` the networks are made of."""

    @property
    def hidden_width(self) -> int:
        """Units per hidden layer."""

    @property
    def hidden_layers(self) -> int:
        """Hidden layers."""

    @property
    def activation(self) -> str:
        """``gelu`` or ``silu``."""

    @property
    def time_features(self) -> int:
        """Fourier features per flow time; 0 feeds the raw time."""


class Networks(NamedTuple):
    """The networks of a policy; they take observations normalised by `normalizer`."""

    actor: VelocityNetwork
    critic: CriticEnsemble
    normalizer: Normalizer
    action_size: int


def make_networks(
    observation_size: int,
    action_size: int,
    settings: Architecture,
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
        self.decide_one = self.decide

    @torch.inference_mode()
    def act(self, observations: np.ndarray) -> np.ndarray:
        """Return action chunks (batch, H, A) in [-1, 1] for observations (batch, O).

        On a GPU, the host waits once, for the chunks.

        Raises:
            UserError: the observations have another shape or are not finite.
        """
        there = self.upload(observations)
        return self.download((self.decide_one if len(there) == 1 else self.decide)(there))

    def decide(self, observations: Tensor) -> Tensor:
        """Return chunks (batch, H*A) for raw observations (batch, O), all on the policy's device.

        `fmq.training.capturing.capture_acting` replaces `decide_one`, this function for a single
        observation, by a recording of it.
        """
        noise = self.noise(len(observations))
        return self.sampler.choose(self.velocity, self.critic, self.normalizer(observations), noise)

    def normalize(self, observations: np.ndarray) -> Tensor:
        """Return observations (batch, O) as the networks take them.

        Raises:
            UserError: the observations have another shape or are not finite.
        """
        return self.normalizer(self.upload(observations))

    def upload(self, observations: np.ndarray) -> Tensor:
        """Return raw observations (batch, O) on the policy's device, without waiting for it.

        Raises:
            UserError: the observations have another shape or are not finite.
        """
        size = len(self.normalizer.mean)
        if np.ndim(observations) != 2 or np.shape(observations)[1] != size:
            raise UserError(
                f"observations of shape {np.shape(observations)}: this policy takes (batch, {size})"
            )
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinite
            # A copy, because torch does not take every stride or byte order that numpy does.
            native = np.array(observations, dtype=np.float32, order="C")
        if not np.isfinite(native).all():
            raise UserError("observations that are not finite; the policy cannot act on them")
        return torch.from_numpy(native).to(self.normalizer.mean.device, non_blocking=True)

    def noise(self, count: int) -> Tensor:
        """Draw the noise that the sampler needs for some observations, (count, noises, H*A)."""
        shape = (count, self.sampler.noises, math.prod(self.chunk_shape))
        return torch.randn(shape, generator=self.generator, device=self.normalizer.mean.device)

    @torch.inference_mode()
    def choose(self, normalized: Tensor, noise: Tensor) -> np.ndarray:
        """Return the action chunks (batch, H, A) that the sampler makes of noise.

        Args:
            normalized: observations as `normalize` returns them, (batch, O).
            noise: as `noise` returns it, (batch, noises, H*A).
        """
        return self.download(self.sampler.choose(self.velocity, self.critic, normalized, noise))

    def download(self, actions: Tensor) -> np.ndarray:
        """Return chunks (batch, H*A) as an array (batch, H, A) of the host, once they are there."""
        return actions.view(-1, *self.chunk_shape).cpu().numpy()
