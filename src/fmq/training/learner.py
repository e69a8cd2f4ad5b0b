"""The learner: policy, critics, and the losses that they are trained with."""

import copy
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from fmq.critic import aggregate, bellman_target, critic_loss
from fmq.data.normalization import Normalizer
from fmq.data.sequences import Batch
from fmq.ensemble import CriticEnsemble
from fmq.networks import VelocityNetwork
from fmq.policy import make_networks
from fmq.settings import Study
from fmq.tasks import TaskSettings
from fmq.training.actor_losses import ActorInputs
from fmq.training.adam import no_moments
from fmq.training.divergence import ANYTHING, ValueRange
from fmq.training.objective import Draws, Gradients, Objective
from fmq.training.vectors import Vectors, flatten, point

Module = TypeVar("Module", bound=nn.Module)


class Networks(NamedTuple):
    """What the losses look at.

    Attributes:
        target: the moving average of the critics.
        offline_actor: the policy that the trust region is around.
        pickers: policy and critics that pick the critic target's next chunks.
    """

    actor: VelocityNetwork
    critic: CriticEnsemble
    target: CriticEnsemble
    offline_actor: VelocityNetwork
    pickers: tuple[VelocityNetwork, CriticEnsemble]


class Learner:
    """What is trained; `state` and `load_state` carry it through a checkpoint.

    `fmq.training.updater` makes the updates.
    """

    def __init__(
        self,
        study: Study,
        task: TaskSettings,
        normalizer: Normalizer,
        action_dims: int,
        init_seed: int,
        noise_seed: int,
        possible_values: ValueRange = ANYTHING,
        backup_length: int | None = None,
    ) -> None:
        """Fresh networks for observations as in `normalizer` and chunks of H * `action_dims`.

        Args:
            possible_values: a Q far outside of them is refused.
            backup_length: environment steps of the critic's backup; a chunk's unless given.
        """
        self.backup_length = backup_length or task.chunk_length
        self.possible_values = possible_values
        self.study, self.task, self.normalizer = study, task, normalizer
        device = normalizer.mean.device
        self.action_size = task.chunk_length * action_dims
        self.actor, self.critic = make_networks(
            len(normalizer.mean),
            self.action_size,
            study.networks,
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
        self.pickers = (self.actor, self.critic)  # of the critic target's next chunks
        self.rounded: Tensor | None = None
        if study.training.selection == "bfloat16":
            self.rounded = weights.bfloat16()
            self.pickers = self._policy_with(self.rounded)
        self.generator = torch.Generator(device).manual_seed(noise_seed)

    def live_in(self, vectors: Vectors) -> None:
        """Take other vectors, with the same numbers, for its own."""
        self.vectors = vectors
        point(self.parameters, vectors.weights)
        point(self.target.parameters(), vectors.target)
        point(self.offline_actor.parameters(), vectors.offline)

    def networks(self) -> Networks:
        """Its own."""
        return Networks(self.actor, self.critic, self.target, self.offline_actor, self.pickers)

    def networks_with(self, vectors: Vectors) -> Networks:
        """The same as functions of other weights, of one learner."""
        actor, critic = self._policy_with(vectors.weights)
        pickers = actor, critic
        if self.rounded is not None:
            pickers = self._policy_with(vectors.weights.detach().bfloat16())
        return Networks(
            actor,
            critic,
            self.target.with_weights(vectors.target),
            self.offline_actor.with_weights(vectors.offline),
            pickers,
        )

    def _policy_with(self, weights: Tensor) -> tuple[VelocityNetwork, CriticEnsemble]:
        mine, critics = weights.split([len(self.vectors.offline), len(self.vectors.target)])
        return self.actor.with_weights(mine), self.critic.with_weights(critics)

    def refresh_pickers(self) -> None:
        """Bring what picks the next chunks up to date, where it is a rounded copy."""
        if self.rounded is not None:
            self.rounded.copy_(self.vectors.weights)

    def draw(self, batch: int, objective: Objective) -> Draws:
        """Random numbers of an update on `batch` chunks, in two calls of the generator."""
        loss, size, device = objective.actor_loss, self.action_size, self.generator.device
        chosen = objective.sampler.noises
        numbers = batch * size * (chosen + loss.noises)
        normal = torch.randn(numbers, generator=self.generator, device=device)
        candidates, noise = normal.split([batch * chosen * size, batch * loss.noises * size])
        times = torch.rand(loss.times, batch, 1, generator=self.generator, device=device)
        return Draws(
            candidates.view(batch, chosen, size), noise.view(loss.noises, batch, size), times
        )

    def gradients(
        self, objective: Objective, batch: Batch, draws: Draws, progress: Tensor
    ) -> Gradients:
        """Losses on a batch with raw observations, and their gradient; changes nothing.

        Args:
            progress: of the interval curriculum, shape ().
        """
        loss, values, quantities = self.losses(objective, self.networks(), batch, draws, progress)
        parts = torch.autograd.grad(loss, self.parameters)
        vector = torch.cat([part.flatten() for part in parts])
        norm = {"gradient_norm": torch.linalg.vector_norm(vector)}
        return Gradients(vector, values, quantities | norm)

    def losses(
        self,
        objective: Objective,
        networks: Networks,
        batch: Batch,
        draws: Draws,
        progress: Tensor,
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """The loss of policy and critics, the critics' values (2, batch), and single losses."""
        batch = batch._replace(
            observations=self.normalizer(batch.observations),
            next_observations=self.normalizer(batch.next_observations),
        )
        target = self.bellman_target(networks, batch, draws.candidates, objective)
        values = networks.critic(batch.observations, batch.actions)
        value_loss = critic_loss(values, target, batch.whole)
        actor_loss, metrics = objective.actor_loss.loss(
            ActorInputs(
                networks.actor,
                networks.offline_actor,
                networks.critic,
                batch,
                draws.noise,
                draws.times,
                progress,
                self.study,
                self.task,
            )
        )
        quantities = metrics | {
            "critic_loss": value_loss.detach(),
            "actor_loss": actor_loss.detach(),
        }
        return value_loss + actor_loss, values.detach(), quantities

    @torch.no_grad()
    def bellman_target(
        self, networks: Networks, batch: Batch, candidates: Tensor, objective: Objective
    ) -> Tensor:
        """Critic target of a batch of normalised chunks, shape (batch,).

        Args:
            candidates: noise, shape (batch, noises, H*A).
        """
        observations = batch.next_observations
        actions = objective.sampler.choose(*networks.pickers, observations, candidates)
        values = aggregate(networks.target(observations, actions), objective.critic_target)
        return bellman_target(
            batch.rewards, batch.masks, values, self.task.discount, self.backup_length
        )

    @torch.no_grad()
    def drift(self, batch: Batch, generator: torch.Generator) -> float:
        """Mean || u_{r,1} - u_off_{r,1} ||^2 over the batch, r ~ U[0, 1), noise per chunk."""
        observations, actions = self.normalizer(batch.observations), batch.actions
        r = actions.new_empty(len(actions), 1).uniform_(generator=generator)
        a_r = torch.empty_like(actions).normal_(generator=generator).lerp(actions, r)
        arguments = (observations, a_r, r, torch.ones_like(r))
        difference = self.actor(*arguments) - self.offline_actor(*arguments)
        return float(difference.square().sum(-1).mean())

    @torch.no_grad()
    def anchor(self) -> None:
        """Freeze the present policy as the offline policy of the trust region."""
        self.vectors.offline.copy_(self.vectors.weights[: len(self.vectors.offline)])

    def state(self) -> dict[str, Any]:
        """Tensors and numbers that a checkpoint needs."""
        return {
            "actor": self.actor.state_dict(),
            "offline_actor": self.offline_actor.state_dict(),
            "critic": self.critic.state_dict(),
            "target": self.target.state_dict(),
            "optimizer": self.vectors.moments._asdict(),
            "action_size": self.action_size,
            "normalizer": dict(self.normalizer._asdict()),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.actor.load_state_dict(state["actor"])
        self.offline_actor.load_state_dict(state["offline_actor"])
        self.critic.load_state_dict(state["critic"])
        self.target.load_state_dict(state["target"])
        for name, mine in self.vectors.moments._asdict().items():
            mine.copy_(state["optimizer"][name])


def frozen_copy(module: Module) -> Module:
    """A copy without gradients."""
    return copy.deepcopy(module).requires_grad_(False)
