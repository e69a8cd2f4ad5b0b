"""The cost of acting: counted network evaluations, and milliseconds per action chunk."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fmq.acting.device import claim_device
from fmq.acting.evaluation import load_policy
from fmq.base.files import atomic_path, write_rows
from fmq.config.samplers import SAMPLERS
from fmq.config.study import Study
from fmq.pipeline.paths import costs_file
from fmq.pipeline.runs import Run, make_run
from fmq.pipeline.variants import inference_rows

CALLS, WARM_UP = 200, 20
COLUMNS = (
    *("task", "run", "sampler", "seed"),
    *("evaluations", "formula", "critic_evaluations", "milliseconds"),
)


class Counted:
    """A network that counts the rows it evaluates: one per leading index of actions (..., A)."""

    def __init__(self, network: Callable[..., Tensor]) -> None:
        self.network = network
        self.rows = 0

    def __call__(self, observations: Tensor, actions: Tensor, *times: Tensor) -> Tensor:
        """Evaluate the network and count the rows."""
        self.rows += actions.shape[:-1].numel()
        return self.network(observations, actions, *times)


class CountedCritic(Counted):
    """A critic that counts the rows it evaluates; a gradient at the same rows adds nothing."""

    def values_then_gradient(
        self, observations: Tensor, actions: Tensor, how: str
    ) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Evaluate the critic and count the rows."""
        self.rows += actions.shape[:-1].numel()
        return self.network.values_then_gradient(observations, actions, how)  # type: ignore[attr-defined]


class Cost(NamedTuple):
    """The cost of one action chunk: velocity evaluations, critic evaluations, and time."""

    evaluations: int
    critic_evaluations: int
    milliseconds: float


def measure(run: Run, sampler: str, results: Path, device: torch.device) -> Cost:
    """Measure the cost of acting: evaluations per call, and the median time of a call."""
    policy = load_policy(run, sampler, results, device)
    generator = np.random.default_rng(run.derive_seed("inference", run.name))
    size = len(policy.normalizer.mean)
    observation = generator.standard_normal((1, size)).astype(np.float32)
    velocity, critic = policy.velocity, policy.critic
    counted, counted_critic = Counted(velocity), CountedCritic(critic)
    policy.velocity, policy.critic = counted, counted_critic
    policy.act(observation)
    policy.velocity, policy.critic = velocity, critic
    times = []
    for _ in range(WARM_UP + CALLS):
        start = time.perf_counter()
        policy.act(observation)  # ends with a copy to the CPU, which waits for the GPU
        times.append(time.perf_counter() - start)
    milliseconds = 1e3 * statistics.median(times[WARM_UP:])
    return Cost(counted.rows, counted_critic.rows, milliseconds)


def write_inference(study: Study, task: str, results: Path) -> None:
    """Write the cost of acting on a task, one row per policy of the first seed and sampler."""
    seed = study.seeds[0]
    claim = claim_device(study)  # held to the end, because others would change the times
    rows = []
    for name, sampler in inference_rows(study):
        run = make_run(study, task, seed, name)
        cost = measure(run, sampler, results, claim.device)
        place = {"task": task, "run": name, "sampler": sampler, "seed": seed}
        base, sampling = run.sampling(sampler)
        # A sampler in a method's file has no formula, so its counted evaluations are used.
        row = SAMPLERS.get(base)
        counts = cost._asdict()
        counts |= {"formula": row.evaluations(sampling) if row else cost.evaluations}
        rows.append(place | counts | {"milliseconds": round(cost.milliseconds, 4)})
    with atomic_path(costs_file(study, task, results)) as temporary:
        write_rows(temporary, COLUMNS, rows)
