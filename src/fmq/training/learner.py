"""The learner: policy, critics and optimiser, and one joint update of them."""

import copy
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from fmq.critic import aggregate, bellman_target, critic_loss, update_target
from fmq.data.normalization import Normalizer
from fmq.data.sequences import Batch
from fmq.flow import curriculum_progress
from fmq.policy import make_networks
from fmq.settings import Study
from fmq.tasks import TaskSettings
from fmq.training import divergence
from fmq.training.actor_losses import ActorInputs
from fmq.training.adam import Adam, flatten
from fmq.training.compiling import compiled
from fmq.training.divergence import ANYTHING, Divergence, ValueRange
from fmq.training.update import Draws, Gradients, Objective, Unsettled

Module = TypeVar("Module", bound=nn.Module)


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
        self.target_weights = flatten(self.target.parameters())
        self.critic_weights = weights[-len(self.target_weights) :]
        self.optimizer = Adam(weights, study.training.learning_rate)
        self.pickers = (self.actor, self.critic)  # of the critic target's next chunks
        self.rounded_weights: Tensor | None = None
        if study.training.selection == "bfloat16":
            actor, critic = frozen_copy(self.actor), frozen_copy(self.critic)
            self.pickers = (actor.bfloat16(), critic.bfloat16())
            self.rounded_weights = flatten([*actor.parameters(), *critic.parameters()])
        self.generator = torch.Generator(device).manual_seed(noise_seed)
        # To look at an update is to wait for the device. A GPU's is looked at before the next one.
        self.looks_later = device.type != "cpu"
        self.unsettled: Unsettled | None = None
        self.compute = self.gradients
        if study.training.compile:
            self.compute = compiled(self.gradients, device)

    def update(
        self, batch: Batch, step: int, objective: Objective, measure: bool = False
    ) -> dict[str, float]:
        """One joint gradient step on the actor's and the critic's loss.

        Args:
            batch: chunks with raw observations.
            step: gradient step, counted from the start of offline training.
            measure: also compute and return metrics.

        Raises:
            Divergence: a loss or the gradient is not finite, or a Q is impossible. Nothing was
                changed. On a GPU this is said at the latest by the next call, or by `state`.
        """
        self.settle()
        offline = self.study.offline
        progress = curriculum_progress(step, offline.warmup_steps, offline.anneal_end)
        self.refresh_pickers()
        draws = self.draw(len(batch.actions), objective)
        found = self.compute(batch, draws, draws.noise.new_full((), progress), objective)
        self.unsettled = Unsettled(step, batch, divergence.signs(found.values, found.quantities))
        if self.looks_later:
            self._step(found.vector, divergence.wrong(self.unsettled.signs, self.possible_values))
        else:
            self.settle()
            self._step(found.vector)
        if not measure:
            return {}
        self.settle()
        q = found.values
        metrics = found.quantities | {"q_mean": q.mean(), "q_min": q.min(), "q_max": q.max()}
        return {name: float(value) for name, value in metrics.items()}

    def _step(self, gradient: Tensor, skip: Tensor | None = None) -> None:
        """Move the weights and the target's; not at all where `skip` is 1.0 and not 0.0."""
        rate = self.study.training.target_rate
        self.optimizer.step(gradient, skip)
        target_rate = rate if skip is None else rate * (1 - skip)
        update_target(self.target_weights, self.critic_weights, target_rate)

    def settle(self) -> None:
        """Raise `Divergence` if the last update went wrong; on a GPU, wait for it first."""
        if self.unsettled is None:
            return
        last, self.unsettled = self.unsettled, None
        if fault := divergence.fault(last.signs, self.possible_values):
            raise Divergence(fault, last.step, last.batch)

    def refresh_pickers(self) -> None:
        """Bring what picks the next chunks up to date, where it is a rounded copy."""
        if self.rounded_weights is not None:
            self.rounded_weights.copy_(self.optimizer.weights)

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
        self, batch: Batch, draws: Draws, progress: Tensor, objective: Objective
    ) -> Gradients:
        """Losses on a batch with raw observations, and their gradient; changes nothing.

        Args:
            progress: of the interval curriculum, shape ().
        """
        batch = batch._replace(
            observations=self.normalizer(batch.observations),
            next_observations=self.normalizer(batch.next_observations),
        )
        target = self.bellman_target(batch, draws.candidates, objective)
        values = self.critic(batch.observations, batch.actions)
        value_loss = critic_loss(values, target, batch.whole)
        actor_loss, metrics = objective.actor_loss.loss(
            ActorInputs(
                self.actor,
                self.offline_actor,
                self.critic,
                batch,
                draws.noise,
                draws.times,
                progress,
                self.study,
                self.task,
            )
        )
        gradients = torch.autograd.grad(value_loss + actor_loss, self.parameters)
        vector = torch.cat([one.flatten() for one in gradients])
        quantities = metrics | {
            "critic_loss": value_loss.detach(),
            "actor_loss": actor_loss.detach(),
            "gradient_norm": torch.linalg.vector_norm(vector),
        }
        return Gradients(vector, values.detach(), quantities)

    @torch.no_grad()
    def bellman_target(self, batch: Batch, candidates: Tensor, objective: Objective) -> Tensor:
        """Critic target of a batch of normalised chunks, shape (batch,).

        The next chunks are picked in the precision that the settings give.

        Args:
            candidates: noise, shape (batch, noises, H*A).
        """
        observations = batch.next_observations
        actions = objective.sampler.choose(*self.pickers, observations, candidates)
        values = aggregate(self.target(observations, actions), objective.critic_target)
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

    def anchor(self) -> None:
        """Freeze the present policy as the offline policy of the trust region."""
        self.offline_actor = frozen_copy(self.actor)

    def state(self) -> dict[str, Any]:
        """Tensors and numbers that a checkpoint needs; `Divergence` as by `update`."""
        self.settle()
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


def frozen_copy(module: Module) -> Module:
    """A copy without gradients."""
    return copy.deepcopy(module).requires_grad_(False)
