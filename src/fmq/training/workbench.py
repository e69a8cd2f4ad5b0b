"""The workbench of a run: what every training stage sets up, uses and leaves behind."""

import math
import time
from typing import Any

import torch

from fmq.acting.checkpoint import refuse_misfit
from fmq.acting.evaluation import (
    Rows,
    learned_from,
    load_learner,
    policy_with,
    success_rate,
)
from fmq.acting.policy import Networks, Policy
from fmq.base.errors import UserError
from fmq.base.provenance import code_commit, package_versions
from fmq.config.datasets import training_file
from fmq.data.sequences import Batch, SequenceBuffer
from fmq.methods.making import sampler_of
from fmq.pipeline.bindings import Offline, Online
from fmq.pipeline.paths import checkpoint_file, run_folder
from fmq.pipeline.runs import Run
from fmq.training import compiling
from fmq.training.capturing import capture_acting
from fmq.training.collector import Collector
from fmq.training.divergence import possible_values
from fmq.training.learner import Backup, Learner
from fmq.training.objective import Objective, objective_of
from fmq.training.own_losses import try_once
from fmq.training.shared import Shared
from fmq.training.trackers import Tracker

PAYS_FROM = 1000
"""Number of updates from which `training.compile: auto` compiles them."""

PACKAGES = ("fmq", "torch", "numpy", "gymnasium", "mujoco", "ogbench", "robosuite")


class Workbench:
    """The data, learner and random streams of one run, and the rows that it will write."""

    def __init__(self, run: Run, shared: Shared, tracker: Tracker | None) -> None:
        self.run, self.tracker = run, tracker
        self.results, self.scratch, self.device = shared.results, shared.scratch, shared.device
        self.data, self.digests = shared.data, shared.digests
        self.normalizer, self.evaluator = shared.normalizer, shared.evaluator
        self.clock = shared.clock
        bound = run.bound
        self.first = bound.stage.first if isinstance(bound.stage, Offline) else 0
        self.step = self.first
        self.evaluation_steps = bound.stage.evaluations
        self.folder = run_folder(run, self.results)
        self.buffer = SequenceBuffer(
            **shared.transitions,
            capacity=bound.stage.capacity if isinstance(bound.stage, Online) else 0,
            horizon=bound.simulation.backup_length,
            discount=bound.simulation.discount,
            actions_per_chunk=bound.simulation.chunk_length,
        )
        self.chunk_shape = bound.simulation.chunk_length, self.buffer.actions.shape[-1]
        self.learner = Learner(
            bound.networks,
            Backup(bound.simulation.discount, bound.simulation.backup_length),
            self.normalizer,
            math.prod(self.chunk_shape),
            init_seed=run.derive_seed("networks"),
            noise_seed=run.derive_seed("training noise", run.name),
            selection=run.training.selection,
            possible_values=possible_values(self.buffer.rewards, bound.simulation.discount),
        )
        if run.parent is not None:
            self._start_from(run.parent)
        if isinstance(bound.stage, Online):
            self.learner.anchor()
        self.sampler = sampler_of(run, run.sampler)
        self.batches = self._generator("batches")
        self.measuring = self._generator("measurement")
        self.metrics: list[dict[str, float]] = []
        self.evaluations: Rows = []
        self.last_evaluation: Rows = []
        self.seconds = {"wall": -time.time(), "cpu": 0.0}  # offsets for `seconds_so_far`
        self.code = [{"commit": code_commit(), "packages": package_versions(PACKAGES)}]
        self.collector = self._collector() if isinstance(bound.stage, Online) else None

    def _collector(self) -> Collector | None:
        if not self.run.online.interacts:
            return None
        name = f"transitions-seed{self.run.seed}.bin"
        policy, log = self.policy("acting noise"), self.scratch.folder / name
        if self.run.training.capture and self.device.type == "cuda":
            capture_acting(policy)
        return Collector(self.run, self.data, self.buffer, policy, self.clock, log)

    def close(self) -> None:
        """Stop the simulator's process, if there is one."""
        if self.collector is not None:
            self.collector.close()

    def _start_from(self, parent: Run) -> None:
        """Load the final state of another run, which has to be trained on the same data."""
        path = checkpoint_file(parent, self.results)
        state = load_learner(parent, self.results, self.device)
        with refuse_misfit(path):
            self.learner.load_state(state)
        found = learned_from(parent, self.results)
        if self._training_digest(found) != self._training_digest(self.digests):
            raise UserError(f"{path}: learned from other data than {self.data}; run it again")

    def _training_digest(self, digests: dict[str, str]) -> str | None:
        """Return the digest of the training file; that for validation may change."""
        return digests.get(training_file(self.run.task.dataset))

    def _generator(self, purpose: str, *parts: int | str) -> torch.Generator:
        seed = self.run.derive_seed(purpose, self.run.name, *parts)
        return torch.Generator(self.device).manual_seed(seed)

    @property
    def compiles(self) -> bool:
        """Return whether updates are compiled: the same for all such runs on a machine.

        A loss of the study's own may do things that cannot be compiled, so it is compiled only on
        request.
        """
        wanted, run = self.run.training.compile, self.run
        if wanted != "auto":
            return wanted == "always"
        pays = self.device.type == "cpu" and run.updates >= PAYS_FROM and run.code is None
        return pays and bool(compiling.compiler())

    def objective(self) -> Objective:
        """Return the run's objective, after trying a loss of the study's own once."""
        run = self.run
        found = objective_of(run, self.sampler)
        if run.code is not None:
            batch = self.buffer.sample(run.training.batch_size, self._generator("trial"))
            try_once(run.code, self.learner, batch, found)
        return found

    def policy(self, purpose: str, *parts: int | str) -> Policy:
        """Return the policy in training with the run's sampler and a noise stream of its own."""
        return Policy(
            self.learner.actor,
            self.learner.critic,
            self.normalizer,
            self.sampler,
            self._generator(purpose, *parts),
            self.chunk_shape,
        )

    def sample(self) -> Batch:
        """Draw a batch from the run's own random stream."""
        with self.clock.measure("sampling"):
            return self.buffer.sample(self.run.training.batch_size, self.batches)

    def online_row(self) -> dict[str, float]:
        """Return the metrics that only online runs have."""
        batch = self.buffer.sample(self.run.training.batch_size, self.measuring)
        drift = self.learner.drift(batch, self.measuring)
        row = {"drift": drift, "drift_mean": drift / self.learner.action_size}
        if self.collector is not None:
            row |= {
                "episodes": self.collector.episodes - 1,
                "last_success": self.collector.last_success,
            }
        return row

    def evaluate(self, step: int) -> float:
        """Evaluate the policy in training, keep the episodes, and return the success rate.

        At the end of the run, the policy acts as it would when loaded from the checkpoint, so `fmq
        evaluate` reproduces this.
        """
        learner, run = self.learner, self.run
        networks = Networks(learner.actor, learner.critic, self.normalizer, learner.action_size)
        act = policy_with(networks, run, run.sampler, step).act
        with self.scratch.nothing_to_lose(), self.clock.stopped():
            rows = self.evaluator.episodes(run, act, run.sampler, step)
        return self.keep(step, rows)

    def keep(self, step: int, rows: Rows) -> float:
        """Keep the episodes of the policy after a step, and return the success rate."""
        if step == self.run.last_step:
            self.last_evaluation = rows
        else:
            self.evaluations += rows
        self._track()
        return success_rate(rows)

    def record(self, row: dict[str, float]) -> None:
        """Append a row of metrics."""
        self.metrics.append(row)
        self._track()

    def _track(self) -> None:
        if self.tracker is not None:
            with self.clock.stopped():
                self.tracker.follow(self.metrics, self.evaluations + self.last_evaluation)

    def evaluates_after(self, step: int) -> bool:
        """Return whether an evaluation follows `step`, before the one at the end."""
        return step in self.evaluation_steps

    def state(self) -> dict[str, Any]:
        """Return everything that changes from step to step, for `Scratch.keep`."""
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
            **({"collector": self.collector.state()} if self.collector else {}),
        }

    def seconds_so_far(self) -> dict[str, float]:
        """Return wall and CPU time of the run, over this process and earlier ones."""
        return {
            "wall": self.seconds["wall"] + time.time(),
            "cpu": self.seconds["cpu"] + time.process_time(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned.

        Raises:
            UserError: the data set or the kind of device differs from that at the run's start.
        """
        if state["device"] != self.device.type:
            raise UserError(
                f"{self.run}: started on {state['device']} and cannot continue on "
                f"{self.device.type}, which draws other random numbers; set device, or delete "
                f"{self.scratch.folder} to start over"
            )
        if self._training_digest(state["dataset"]) != self._training_digest(self.digests):
            raise UserError(
                f"{self.data}: not the files that {self.run} started with; restore those, or "
                f"delete {self.scratch.folder} to start over"
            )
        self.step = state["step"]
        self.learner.load_state(state["learner"])
        self.code = [*(one for one in state["code"] if one not in self.code), *self.code]
        for name, generator in self._generators().items():
            generator.set_state(state["generators"][name].cpu())
        self.metrics, self.evaluations = state["metrics"], state["evaluations"]
        if self.collector is not None:
            self.collector.restore(state["collector"])
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
