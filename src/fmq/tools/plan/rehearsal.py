"""Time the real training and acting code on random data, for a fraction of a second each."""

import math
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from fmq.acting.checkpoint import save_checkpoint
from fmq.base.errors import UserError
from fmq.config.study import find_dataset
from fmq.data.normalization import fit_normalizer
from fmq.data.sequences import SequenceBuffer
from fmq.envs.environment import Environment
from fmq.envs.making import make_environment
from fmq.methods.making import sampler_of
from fmq.pipeline.runs import Run
from fmq.tools.plan.jobs import Job
from fmq.tools.plan.rates import TaskRates
from fmq.tools.plan.simulators import Sizes, prepare_simulator
from fmq.tools.plan.stopwatch import CPU, elapsed, seconds_per_call
from fmq.training.capturing import WARM_UP
from fmq.training.clock import Clock
from fmq.training.collector import Collector
from fmq.training.divergence import Divergence
from fmq.training.learner import Backup, Learner
from fmq.training.updater import Updater
from fmq.training.workbench import Workbench

TRANSITIONS = 20_000


def _product_operations(x: Any, weight: Any, *_: Any, **__: Any) -> int:
    """Return the operations of x W^T from the shapes of x (..., in) and the weight (out, in)."""
    return 2 * math.prod(x) * int(weight[0])


ONEDNN_PRODUCTS = {torch.ops.mkldnn._linear_pointwise: _product_operations}
"""The products that torch's counter of operations does not know."""


class Rehearsal(Workbench):
    """A run's workbench with random data and freshly initialized networks."""

    def __init__(self, run: Run, data: Path, sizes: Sizes, device: torch.device) -> None:
        """Set up the rehearsal; the task's simulators are made from the folder `data`."""
        self.run, self.data, self.sizes, self.device = run, data, sizes, device
        self.buffer = self._made_up_buffer()
        self.normalizer = fit_normalizer(
            self.buffer.observations, run.bound.networks.normalize_observations
        )
        simulation = run.bound.simulation
        self.chunk_shape = simulation.chunk_length, sizes.action
        self.learner, *self.others = [
            Learner(
                run.bound.networks,
                Backup(simulation.discount, simulation.backup_length),
                self.normalizer,
                math.prod(self.chunk_shape),
                init_seed=number,
                noise_seed=number,
                selection=run.training.selection if run.trained else "float32",
            )
            for number in range(len(run.stack))
        ]
        self._use(run.sampler)
        self.batches, self.clock = self._generator("batches"), Clock()

    def _use(self, sampler: str) -> None:
        self.sampler = sampler_of(self.run, sampler)

    def _made_up_buffer(self) -> SequenceBuffer:
        count, device, simulation = TRANSITIONS, self.device, self.run.bound.simulation
        rows = torch.arange(count, device=device)
        return SequenceBuffer(
            observations=torch.randn(count + 1, self.sizes.observation, device=device),
            actions=torch.rand(count, self.sizes.action, device=device) * 2 - 1,
            rewards=-torch.ones(count, device=device),
            masks=torch.ones(count, device=device),
            terminals=rows % 100 == 99,
            rows=rows,
            next_rows=rows + 1,
            capacity=2 * count,
            horizon=simulation.backup_length,
            discount=simulation.discount,
            actions_per_chunk=simulation.chunk_length,
        )

    def training_seconds(self, budget: float) -> dict[str, float]:
        """Return the seconds of an ``update`` and of an environment step of training, ``collect``.

        If several seeds are trained together, ``update`` is the share of one of them in a joint
        update. Runs that take no environment steps have no ``collect``. The result is empty for a
        run that is not trained here.
        """
        if not self.run.trained:
            return {}
        capture, learners = self.run.training.capture, [self.learner, *self.others]
        updater = Updater(learners, self.objective(), capture=capture)
        calls = {"update": self._updating(updater)}
        if capture or len(learners) > 1:  # both record at first
            for _ in range(WARM_UP + 1):
                calls["update"]()
        if _interacts(self.run):
            calls["collect"] = self._collecting()
        seconds = seconds_per_call(calls, budget, self.device)
        counts = {"update": len(learners), "collect": self.run.task.settings.chunk_length}
        return {name: time / counts[name] for name, time in seconds.items()}

    def operations(self) -> float:
        """Return the floating-point operations of an update of one seed, 0 for an untrained run.

        Products of matrices are counted, which do nearly all the work, as two operations for each
        product of two numbers.
        """
        if not self.run.trained:
            return 0.0
        update = self._updating(Updater([self.learner], self.objective()))
        with FlopCounterMode(display=False, custom_mapping=ONEDNN_PRODUCTS) as counter:
            update()
        return float(counter.get_total_flops())

    def _updating(self, updater: Updater) -> Callable[[], object]:
        def update() -> None:
            batches = [self.sample() for _ in updater.learners]
            try:
                updater.update(batches, self.run.study.offline.steps)
            except Divergence as error:
                told = "on random data; lower learning_rate or target_rate"
                raise UserError(f"{self.run}: {error}, {told}") from None

        return update

    def _collecting(self) -> Callable[[], object]:
        """Return a function that executes a chunk in the simulator, with one policy call."""
        policy, log = self.policy("acting noise"), Path("transitions.bin")  # never written
        # In this process, whatever the settings say, so that its CPU time is counted.
        online = self.run.study.online.model_copy(update={"simulators": "here"})
        run = replace(self.run, study=self.run.study.model_copy(update={"online": online}))
        collector = Collector(run, self.data, self.buffer, policy, self.clock, log)

        def collect() -> None:
            for _ in range(self.run.task.settings.chunk_length):
                collector.step()

        return collect

    def evaluating_seconds(
        self, sampler: str, environment: Environment, budget: float
    ) -> dict[str, float]:
        """Return the seconds of a policy call for all simulators, ``act``, and of one ``step``."""
        self._use(sampler)
        settings, chunk = self.run.study.evaluation, self.run.task.settings.chunk_length
        policy = self.policy("rehearsal")
        observations = np.zeros((settings.simulators, self.sizes.observation))
        actions = np.random.default_rng(0).uniform(-1, 1, (chunk, self.sizes.action))

        def step() -> None:
            for action in actions.astype(np.float32):
                result = environment.step(action)
                if result.terminated or result.truncated:
                    environment.reset(0)

        calls = {"act": lambda: policy.act(observations), "step": step}
        seconds = seconds_per_call(calls, budget, self.device)
        return seconds | {"step": seconds["step"] / chunk}

    def checkpoint_bytes(self) -> int:
        """Return the size of the run's checkpoint."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "checkpoint.pt"
            save_checkpoint(path, "", self.learner.state())
            return path.stat().st_size


def measure_task(jobs: list[Job], device: torch.device, seconds: float) -> TaskRates:
    """Measure the rates of one task.

    Args:
        jobs: training and evaluation jobs of the task.
        device: device to compute on.
        seconds: time for all measurements; preparing and making the simulator and slow updates
            take extra time.
    """
    runs = {job.run.name: job.run for job in jobs if job.run is not None}
    # The time of an update depends on losses and sampler. Of runs of a kind, one that interacts is
    # kept (the last in this order), because it measures collecting as well.
    kinds = {_kind(run): run for run in sorted(runs.values(), key=_interacts)}
    samplers = sorted({job.sampler for job in jobs if job.work.evaluation_calls})
    run = next(iter(runs.values()))
    task, source = run.task, find_dataset(run.study, run.task.dataset)
    budget = seconds / (len(kinds) + len(samplers) + 1)
    with tempfile.TemporaryDirectory() as folder:
        preparing, sizes = elapsed(lambda: prepare_simulator(task, source, Path(folder)))
        making, environment = elapsed(lambda: make_environment(task, Path(folder)))
        environment.reset(0)
        environment.step(np.zeros(sizes.action, np.float32))  # robosuite's first one compiles
        reset = seconds_per_call({"reset": lambda: environment.reset(0)}, budget, CPU)["reset"]
        training, operations = {}, {}
        for kind, run in kinds.items():
            rehearsal = Rehearsal(run, Path(folder), sizes, device)
            operations[kind] = rehearsal.operations()
            training[kind] = rehearsal.training_seconds(budget)
        evaluating = {
            name: rehearsal.evaluating_seconds(name, environment, budget) for name in samplers
        }
    return TaskRates(
        importing=max(preparing - making, 0.0),
        making=making,
        reset=reset,
        step=mean(times["step"] for times in evaluating.values()),
        updates={name: training[_kind(run)]["update"] for name, run in runs.items() if run.trained},
        operations={name: operations[_kind(run)] for name, run in runs.items() if run.trained},
        collecting={
            name: training[_kind(run)]["collect"] for name, run in runs.items() if _interacts(run)
        },
        acting={name: times["act"] for name, times in evaluating.items()},
        checkpoint_bytes=rehearsal.checkpoint_bytes(),
        row_bytes=sizes.row_bytes,
    )


def _kind(run: Run) -> tuple[object, ...]:
    simulation = run.bound.simulation
    return run.actor_loss, run.sampler, simulation.chunk_length, simulation.backup_length


def _interacts(run: Run) -> bool:
    return run.stage == "finetune" and run.study.method(run.kind).interacts
