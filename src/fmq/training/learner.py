"""The learner: policy, critics and optimiser, and one joint update of them."""

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fmq.critic import aggregate, bellman_target, critic_loss, update_target
from fmq.data.normalization import Normalizer
from fmq.data.sequences import Batch
from fmq.policy import Sampler, make_networks
from fmq.settings import Study
from fmq.tasks import TaskSettings
from fmq.training.actor_losses import ActorInputs, ActorLoss
from fmq.training.adam import Adam, flatten
from fmq.training.divergence import ANYTHING, ValueRange, refuse_divergence


class Objective(NamedTuple):
    """What distinguishes one stage or method from another.

    Attributes:
        actor_loss: loss of the policy.
        sampler: picks the next chunk in the critic target.
        critic_target: ``mean`` or ``min`` over the target critics.
    """

    actor_loss: ActorLoss
    sampler: Sampler
    critic_target: str


class Learner:
    """All that training changes; `state` and `load_state` carry it through a checkpoint."""

    def __init__(
        self,
        study: Study,
        task: TaskSettings,
        normalizer: Normalizer,
        action_dims: int,
        init_seed: int,
        noise_seed: int,
        possible_values: ValueRange = ANYTHING,
    ) -> None:
        """Fresh networks for observations as in `normalizer` and chunks of H * `action_dims`.

        A Q far outside of `possible_values` is refused.
        """
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
        self.target_weights = flatten(self.target.parameters())
        self.critic_weights = weights[-len(self.target_weights) :]
        self.optimizer = Adam(weights, study.training.learning_rate)
        if study.training.selection == "bfloat16":
            self.rounded_actor = frozen_copy(self.actor).bfloat16()
            self.rounded_critic = frozen_copy(self.critic).bfloat16()
            rounded = [*self.rounded_actor.parameters(), *self.rounded_critic.parameters()]
            self.rounded_weights = flatten(rounded)
        self.generator = torch.Generator(device).manual_seed(noise_seed)

    def update(
        self, batch: Batch, step: int, objective: Objective, measure: bool = False
    ) -> dict[str, float]:
        """One joint gradient step on the actor's and the critic's loss.

        Args:
            batch: chunks with raw observations.
            step: gradient step, counted from the start of offline training.
            measure: also compute and return metrics.

        Raises:
            Divergence: a loss or the gradient is not finite, or a Q is impossible; nothing was
                changed.
        """
        batch = batch._replace(
            observations=self.normalizer(batch.observations),
            next_observations=self.normalizer(batch.next_observations),
        )
        values = self.critic(batch.observations, batch.actions)
        value_loss = critic_loss(values, self.bellman_target(batch, objective), batch.valid)
        actor_loss, metrics = objective.actor_loss(
            ActorInputs(
                self.actor,
                self.offline_actor,
                self.critic,
                batch,
                step,
                self.generator,
                self.study,
            )
        )
        gradients = torch.autograd.grad(value_loss + actor_loss, self.parameters)
        gradient = torch.cat([one.flatten() for one in gradients])
        gradient_norm = torch.linalg.vector_norm(gradient)
        # Before the step: parameters that are good stay so.
        refuse_divergence(
            self.possible_values,
            values,
            critic_loss=value_loss,
            actor_loss=actor_loss,
            gradient=gradient_norm,
        )
        measured: dict[str, float] = {}
        if measure:
            metrics |= {
                "critic_loss": value_loss,
                "actor_loss": actor_loss,
                "q_mean": values.mean(),
                "q_min": values.min(),
                "q_max": values.max(),
                "gradient_norm": gradient_norm,
            }
            measured = {name: float(value.detach()) for name, value in metrics.items()}
        self.optimizer.step(gradient)
        update_target(self.target_weights, self.critic_weights, self.study.training.target_rate)
        return measured

    @torch.no_grad()
    def bellman_target(self, batch: Batch, objective: Objective) -> Tensor:
        """Critic target of a batch of normalised chunks, shape (batch,)."""
        observations = batch.next_observations
        actions = self.propose(observations, objective.sampler)
        values = aggregate(self.target(observations, actions), objective.critic_target)
        return bellman_target(
            batch.rewards, batch.masks, values, self.task.discount, self.task.chunk_length
        )

    def propose(self, observations: Tensor, sampler: Sampler) -> Tensor:
        """The next chunks of the critic target, in the precision that the settings give them."""
        if self.study.training.selection == "float32":
            return sampler(self.actor, self.critic, observations, self.generator)
        self.rounded_weights.copy_(self.optimizer.weights)
        return sampler(self.rounded_actor, self.rounded_critic, observations, self.generator)

    @torch.no_grad()
    def drift(self, batch: Batch, generator: torch.Generator) -> float:
        """Mean || u_{r,1} - u_off_{r,1} ||^2 over the batch, r ~ U[0, 1), noise per chunk."""
        observations, actions = self.normalizer(batch.observations), batch.actions
        r = actions.new_empty(len(actions), 1).uniform_(generator=generator)
        a_r = torch.empty_like(actions).normal_(generator=generator).lerp(actions, r)
        arguments = (observations, a_r, r, torch.ones_like(r))
        difference = self.actor(*arguments) - self.offline_actor(*arguments)
        return float(difference.square().sum(-1).mean())

    def anchor(self) -> None:
        """Freeze the present policy as the offline policy of the trust region."""
        self.offline_actor = frozen_copy(self.actor)

    def state(self) -> dict[str, Any]:
        """Tensors and numbers that a checkpoint needs."""
        return {
            "actor": self.actor.state_dict(),
            "offline_actor": self.offline_actor.state_dict(),
            "critic": self.critic.state_dict(),
            "target": self.target.state_dict(),
            "optimizer": self.optimizer.state(),
            "action_size": self.action_size,
            "normalizer": dict(self.normalizer._asdict()),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.actor.load_state_dict(state["actor"])
        self.offline_actor.load_state_dict(state["offline_actor"])
        self.critic.load_state_dict(state["critic"])
        self.target.load_state_dict(state["target"])
        self.optimizer.load_state(state["optimizer"])


def frozen_copy(module: nn.Module) -> nn.Module:
    """A copy without gradients."""
    return copy.deepcopy(module).requires_grad_(False)
