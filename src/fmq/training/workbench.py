"""What every training stage sets up and leaves behind."""

import time
from typing import Any

import torch

from fmq import paths
from fmq.data.sequences import Batch, SequenceBuffer
from fmq.datasets import training_file
from fmq.errors import UserError
from fmq.evaluation import checkpoint_file, learned_from, load_learner, success_rate
from fmq.policy import Policy, sampler_of
from fmq.provenance import code_commit, package_versions
from fmq.runs import Run
from fmq.training import compiling
from fmq.training.checkpoint import refuse_misfit
from fmq.training.divergence import possible_values
from fmq.training.learner import Learner
from fmq.training.objective import Objective
from fmq.training.own_losses import find_actor_loss, try_once
from fmq.training.shared import Shared
from fmq.training.trackers import Tracker

PAYS_FROM = 1000
"""Updates from which on `training.compile: auto` takes a compiled program."""

PACKAGES = ("fmq", "torch", "numpy", "gymnasium", "mujoco", "ogbench", "robosuite")


class Workbench:
    """Data, learner and random streams of one run, and the rows that it will write."""

    def __init__(self, run: Run, shared: Shared, tracker: Tracker | None) -> None:
        self.run, self.tracker = run, tracker
        self.results, self.scratch, self.device = shared.results, shared.scratch, shared.device
        self.data, self.digests = shared.data, shared.digests
        self.normalizer, self.evaluator = shared.normalizer, shared.evaluator
        self.clock = shared.clock
        self.first = run.parent.last_step if run.stage == "distill" and run.parent else 0
        self.step = self.first
        self.folder = paths.run_folder(self.results, run.task.name, run.seed, run.name)
        self.buffer = SequenceBuffer(
            **shared.transitions,
            capacity=run.study.online.capacity if run.stage == "finetune" else 0,
            horizon=run.backup_length,
            discount=run.task.settings.discount,
            actions_per_chunk=run.task.settings.chunk_length,
        )
        self.learner = Learner(
            run.study,
            run.task.settings,
            self.normalizer,
            self.buffer.actions.shape[-1],
            init_seed=run.derive_seed("networks"),
            noise_seed=run.derive_seed("training noise", run.name),
            possible_values=possible_values(self.buffer.rewards, run.task.settings.discount),
            backup_length=run.backup_length,
        )
        if run.parent is not None:
            self._start_from(run.parent)
        self.sampler = sampler_of(run.study, run.sampler, run.critic_target)
        self.batches = self._generator("batches")
        self.measuring = self._generator("measurement")
        self.metrics: list[dict[str, float]] = []
        self.evaluations: list[dict[str, Any]] = []
        self.last_evaluation: list[dict[str, Any]] = []
        self.seconds = {"wall": -time.time(), "cpu": 0.0}  # of the processes so far
        self.code = [{"commit": code_commit(), "packages": package_versions(PACKAGES)}]

    def _start_from(self, parent: Run) -> None:
        """Take over the end of another run, of this data."""
        path = checkpoint_file(parent, self.results)
        state = load_learner(parent, self.results, self.device)
        with refuse_misfit(path):
            self.learner.load_state(state)
        found = learned_from(parent, self.results)
        if self._training_digest(found) != self._training_digest(self.digests):
            raise UserError(f"{path}: learned from other data than {self.data}; run it again")

    def _training_digest(self, digests: dict[str, str]) -> str | None:
        """Of the file that runs learn from: what is kept for validation may change."""
        return digests.get(training_file(self.run.task.dataset))

    def _generator(self, purpose: str, *parts: int | str) -> torch.Generator:
        seed = self.run.derive_seed(purpose, self.run.name, *parts)
        return torch.Generator(self.device).manual_seed(seed)

    @property
    def compiles(self) -> bool:
        """Whether its updates are a compiled program: the same for all runs like it on a machine.

        A loss of the study's own may do what cannot be compiled, and is so only when asked to.
        """
        wanted, run = self.run.study.training.compile, self.run
        if wanted != "auto":
            return wanted == "always"
        pays = self.device.type == "cpu" and run.updates >= PAYS_FROM and run.code is None
        return pays and bool(compiling.compiler())

    def objective(self) -> Objective:
        """The run's losses: its actor loss, and its critic target."""
        run = self.run
        found = Objective(find_actor_loss(run), self.sampler, run.critic_target)
        if run.code is not None:
            batch = self.buffer.sample(run.study.training.batch_size, self._generator("trial"))
            try_once(run.code, self.learner, batch, found)
        return found

    def policy(self, purpose: str, *parts: int | str) -> Policy:
        """The policy in training under the run's own sampler, with noise of its own."""
        return Policy(
            self.learner.actor,
            self.learner.critic,
            self.normalizer,
            self.sampler,
            self._generator(purpose, *parts),
            (self.run.task.settings.chunk_length, self.buffer.actions.shape[-1]),
        )

    def sample(self) -> Batch:
        """A batch of the run's own stream."""
        with self.clock.measure("sampling"):
            return self.buffer.sample(self.run.study.training.batch_size, self.batches)

    def drift(self) -> float:
        """Drift of the policy from the offline policy on a batch of its own."""
        batch = self.buffer.sample(self.run.study.training.batch_size, self.measuring)
        return self.learner.drift(batch, self.measuring)

    def evaluate(self, step: int) -> float:
        """Evaluate the policy in training, keep the episodes, return the success rate."""
        rows = self._episodes(step)
        self.evaluations += rows
        self._track()
        return success_rate(rows)

    def evaluate_end(self) -> float:
        """Evaluate the policy at the run's end, keep the episodes, return the success rate.

        It acts as one that is loaded from the checkpoint would: `fmq evaluate` repeats it.
        """
        for network in (self.learner.actor, self.learner.critic):
            network.prepare()
        self.last_evaluation = self._episodes(self.run.last_step)
        return success_rate(self.last_evaluation)

    def _episodes(self, step: int) -> list[dict[str, Any]]:
        act = self.policy("evaluation noise", step).act
        with self.scratch.nothing_to_lose(), self.clock.stopped():
            return self.evaluator.episodes(self.run, act, self.run.sampler, step)

    def record(self, row: dict[str, float]) -> None:
        """Keep a row of metrics."""
        self.metrics.append(row)
        self._track()

    def _track(self) -> None:
        if self.tracker is not None:
            with self.clock.stopped():
                self.tracker.follow(self.metrics, self.evaluations)

    def evaluates_after(self, step: int, every: int) -> bool:
        """Whether an evaluation belongs between `step` and the next; `evaluate_end` is the last."""
        return self.first < step < self.run.last_step and step % every == 0

    def pauses_after(self, step: int, every: int) -> bool:
        """Whether what follows `step` is no update: an evaluation, or the end."""
        return step == self.run.last_step or self.evaluates_after(step, every)

    def state(self) -> dict[str, Any]:
        """All that changes from step to step, for `Scratch.keep`."""
        return {
            "step": self.step,
            "learner": self.learner.state(),
            "generators": {
                name: generator.get_state().cpu() for name, generator in self._generators().items()
            },
            "metrics": self.metrics,
            "evaluations": self.evaluations,
            "dataset": self.digests,
            "device": self.device.type,
            "code": self.code,
            "seconds": self.seconds_so_far(),
        }

    def seconds_so_far(self) -> dict[str, float]:
        """Wall and CPU time of this process and of those before it."""
        return {
            "wall": self.seconds["wall"] + time.time(),
            "cpu": self.seconds["cpu"] + time.process_time(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned.

        Raises:
            UserError: the data set or the kind of device is not what the run began with.
        """
        if state["device"] != self.device.type:
            raise UserError(
                f"{self.run}: began on {state['device']} and cannot go on on {self.device.type}, "
                f"whose random numbers are others; set device, or delete {self.scratch.folder} to "
                "begin anew"
            )
        if self._training_digest(state["dataset"]) != self._training_digest(self.digests):
            raise UserError(
                f"{self.data}: not the files that {self.run} began with; put those back, or delete "
                f"{self.scratch.folder} to begin anew"
            )
        self.step = state["step"]
        self.learner.load_state(state["learner"])
        self.code = [*(one for one in state["code"] if one not in self.code), *self.code]
        for name, generator in self._generators().items():
            generator.set_state(state["generators"][name].cpu())
        self.metrics, self.evaluations = state["metrics"], state["evaluations"]
        self.seconds = {
            "wall": state["seconds"]["wall"] - time.time(),
            "cpu": state["seconds"]["cpu"] - time.process_time(),
        }

    def _generators(self) -> dict[str, torch.Generator]:
        return {
            "training noise": self.learner.generator,
            "batches": self.batches,
            "measurement": self.measuring,
        }
