"""The learner: policy and critics of one seed, their optimiser, and their source of noise."""

import copy
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from fmq.acting.policy import make_networks
from fmq.config.sections import NetworkSettings
from fmq.data.normalization import Normalizer
from fmq.data.sequences import Batch
from fmq.networks.ensemble import CriticEnsemble
from fmq.networks.layout import fill, without_gaps
from fmq.networks.velocity import VelocityNetwork
from fmq.training.adam import Moments, no_moments
from fmq.training.divergence import ANYTHING, ValueRange
from fmq.training.objective import Draws, Objective
from fmq.training.vectors import Vectors, flatten, point

Module = TypeVar("Module", bound=nn.Module)


class Networks(NamedTuple):
    """The networks that the losses use.

    Attributes:
        target: moving average of the critics.
        offline_actor: the policy at the centre of the trust region.
        pickers: policy and critics that choose the next chunks in the critic target.
    """

    actor: VelocityNetwork
    critic: CriticEnsemble
    target: CriticEnsemble
    offline_actor: VelocityNetwork
    pickers: tuple[VelocityNetwork, CriticEnsemble]


class Backup(NamedTuple):
    """The critics' backup: discount gamma per environment step, and number of steps it spans."""

    discount: float
    length: int


class Learner:
    """The networks in training; `state` and `load_state` carry them through a checkpoint.

    `fmq.training.updater` updates them.
    """

    def __init__(
        self,
        networks: NetworkSettings,
        backup: Backup,
        normalizer: Normalizer,
        action_size: int,
        init_seed: int,
        noise_seed: int,
        selection: str = "float32",
        possible_values: ValueRange = ANYTHING,
    ) -> None:
        """Initialise networks for the observations of `normalizer` and chunks of H*A numbers.

        Args:
            backup: discount and length of the critics' backup.
            action_size: H*A.
            selection: precision in which the critic target's next chunk is chosen.
            possible_values: range of Q; a Q far outside it counts as divergence.
        """
        self.shapes, self.backup, self.normalizer = networks, backup, normalizer
        self.selection, self.possible_values = selection, possible_values
        device = normalizer.mean.device
        self.action_size = action_size
        self.actor, self.critic = make_networks(
            len(normalizer.mean),
            self.action_size,
            networks,
            torch.Generator().manual_seed(init_seed),
        )
        self.actor.to(device)
        self.critic.to(device)
        self.target = frozen_copy(self.critic)
        self.offline_actor = frozen_copy(self.actor)
        self.parameters = [*self.actor.parameters(), *self.critic.parameters()]
        weights = flatten(self.parameters)
        self.vectors = Vectors(
            weights,
            target=flatten(self.target.parameters()),
            offline=flatten(self.offline_actor.parameters()),
            moments=no_moments(weights),
        )
        self.generator = torch.Generator(device).manual_seed(noise_seed)

    def live_in(self, vectors: Vectors) -> None:
        """Make the networks views of other vectors, which hold the same numbers."""
        self.vectors = vectors
        point(self.parameters, vectors.weights)
        point(self.target.parameters(), vectors.target)
        point(self.offline_actor.parameters(), vectors.offline)

    def networks(self) -> Networks:
        """Return the learner's own networks."""
        pickers = self.actor, self.critic
        if self.selection == "bfloat16":
            pickers = self._policy_with(self.vectors.weights.bfloat16())
        return Networks(self.actor, self.critic, self.target, self.offline_actor, pickers)

    def networks_with(self, weights: Tensor, target: Tensor, offline: Tensor) -> Networks:
        """Return networks that are functions of other weights than the learner's own.

        Args:
            weights, target, offline: as in `fmq.training.vectors.Vectors`, of one learner.
        """
        actor, critic = self._policy_with(weights)
        pickers = actor, critic
        if self.selection == "bfloat16":
            pickers = self._policy_with(weights.detach().bfloat16())
        return Networks(
            actor,
            critic,
            self.target.with_weights(target),
            self.offline_actor.with_weights(offline),
            pickers,
        )

    def _policy_with(self, weights: Tensor) -> tuple[VelocityNetwork, CriticEnsemble]:
        mine, critics = weights.split([len(self.vectors.offline), len(self.vectors.target)])
        return self.actor.with_weights(mine), self.critic.with_weights(critics)

    def draw(self, batch: int, objective: Objective) -> Draws:
        """Draw the random numbers of an update on `batch` chunks, in two calls of the generator."""
        loss, size, device = objective.actor_loss, self.action_size, self.normalizer.mean.device
        chosen = objective.sampler.noises
        numbers = batch * size * (chosen + loss.noises)
        normal = torch.randn(numbers, generator=self.generator, device=device)
        candidates, noise = normal.split([batch * chosen * size, batch * loss.noises * size])
        times = torch.rand(loss.times, batch, 1, generator=self.generator, device=device)
        return Draws(
            candidates.view(batch, chosen, size), noise.view(loss.noises, batch, size), times
        )

    @torch.no_grad()
    def drift(self, batch: Batch, generator: torch.Generator) -> float:
        """Return the batch mean of || u_{r,1} - u_off_{r,1} ||^2, r ~ U[0, 1), noise per chunk."""
        observations, actions = self.normalizer(batch.observations), batch.actions
        r = actions.new_empty(len(actions), 1).uniform_(generator=generator)
        a_r = torch.empty_like(actions).normal_(generator=generator).lerp(actions, r)
        arguments = (observations, a_r, r, torch.ones_like(r))
        difference = self.actor(*arguments) - self.offline_actor(*arguments)
        return float(difference.square().sum(-1).mean())

    @torch.no_grad()
    def anchor(self) -> None:
        """Freeze the current policy as the offline policy of the trust region."""
        self.vectors.offline.copy_(self.vectors.weights[: len(self.vectors.offline)])

    def state(self) -> dict[str, Any]:
        """Return the tensors and numbers that a checkpoint needs."""
        return {
            "actor": self.actor.state_dict(),
            "offline_actor": self.offline_actor.state_dict(),
            "critic": self.critic.state_dict(),
            "target": self.target.state_dict(),
            "optimizer": self._moments(),
            "action_size": self.action_size,
            "normalizer": dict(self.normalizer._asdict()),
        }

    def _moments(self) -> dict[str, Tensor]:
        average, square, steps = self.vectors.moments
        average, square = (without_gaps(one, self.parameters) for one in (average, square))
        return Moments(average, square, steps)._asdict()

    def load_state(self, state: dict[str, Any]) -> None:
        """Load what `state` returned."""
        self.actor.load_state_dict(state["actor"])
        self.offline_actor.load_state_dict(state["offline_actor"])
        self.critic.load_state_dict(state["critic"])
        self.target.load_state_dict(state["target"])
        saved, (average, square, steps) = Moments(**state["optimizer"]), self.vectors.moments
        fill(average, saved.average, self.parameters)
        fill(square, saved.square, self.parameters)
        steps.copy_(saved.steps)


def frozen_copy(module: Module) -> Module:
    """Return a copy without gradients."""
    return copy.deepcopy(module).requires_grad_(False)
