"""Online fine-tuning: act in the simulator, learn from everything seen so far."""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from fmq.envs.environment import make_environment
from fmq.methods import METHODS
from fmq.progress import progress
from fmq.runs import Run
from fmq.training.workbench import Workbench


class Collector:
    """Steps one simulator with the policy in training and appends what it sees.

    A chunk is executed open loop and dropped at the episode's end; the policy is called only when
    the queue is empty.
    """

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        self.environment = make_environment(bench.run.task, bench.data)
        self.policy = bench.policy("acting noise")
        self.queue: deque[np.ndarray] = deque()
        self.episodes = 0
        self.last_success = float("nan")
        self._reset()

    def _reset(self) -> None:
        start = self.bench.run.derive_seed("online start", self.episodes)
        self.observation = self.environment.reset(start)
        self.episodes += 1

    def step(self) -> None:
        """One environment step, and one transition in the buffer."""
        if not self.queue:
            self.queue.extend(self.policy.act(self.observation[None])[0])
        action = self.queue.popleft()
        result = self.environment.step(action)
        ended = result.terminated or result.truncated
        self.bench.buffer.append(
            torch.as_tensor(self.observation),
            torch.as_tensor(action),
            reward=result.reward,
            mask=1.0 - result.terminated,
            terminal=ended,
            next_observation=torch.as_tensor(result.observation),
        )
        self.observation = result.observation
        if ended:
            self.last_success = float(result.success)
            self.queue.clear()
            self._reset()


def finetune(run: Run, results: Path) -> None:
    """Run `finetune-METHOD` for its budget of environment steps.

    A method without interaction makes the same updates at the same steps on the offline data
    alone. The last checkpoint is left to `fmq evaluate`.
    """
    bench = Workbench(run, results)
    bench.learner.anchor()
    method, settings = METHODS[run.kind], run.study.online
    objective = bench.objective(method.actor_loss)
    collector = Collector(bench) if method.interacts else None
    gradient_step = run.study.offline.steps
    clock = Stopwatch()
    with progress(str(run), settings.steps, "steps") as heartbeat:
        for step in range(1, settings.steps + 1):
            if collector is not None:
                with clock.measure("environment"):
                    collector.step()
            if step > settings.start_training and step % settings.update_every == 0:
                gradient_step += 1
                measure = gradient_step % run.study.training.log_every == 0
                with clock.measure("update"):
                    measured = bench.update(gradient_step, objective, measure)
                if measure:
                    row = {"step": step, "gradient_step": gradient_step, **measured}
                    bench.metrics.append(row | _online_metrics(bench, collector, clock))
            heartbeat.advance()
            if step % settings.evaluate_every == 0 and step < settings.steps:
                heartbeat.remark(f"success {bench.evaluate(step):.0%} at {step}")
    bench.finish()


def _online_metrics(
    bench: Workbench, collector: Collector | None, clock: "Stopwatch"
) -> dict[str, float]:
    row = {"drift": bench.drift(), "updates_per_second": clock.rate("update")}
    if collector is None:
        return row
    return row | {
        "episodes": collector.episodes - 1,
        "last_success": collector.last_success,
        "environment_steps_per_second": clock.rate("environment"),
    }


class Stopwatch:
    """Counts and seconds of named activities."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Time the block as one more `name`."""
        start = time.perf_counter()
        yield
        self.counts[name] += 1
        self.seconds[name] += time.perf_counter() - start

    def rate(self, name: str) -> float:
        """`name` per second of time spent on it, since the start."""
        return self.counts[name] / max(self.seconds[name], 1e-9)
