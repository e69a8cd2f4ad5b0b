"""What acting costs: network evaluations, counted as they happen, and milliseconds per chunk."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fmq import paths
from fmq.evaluation import load_policy
from fmq.files import atomic_path, write_rows
from fmq.runs import Run, make_run
from fmq.settings import Study
from fmq.stage_settings import SamplingSettings
from fmq.training.device import claim_device
from fmq.variants import inference_rows

CALLS, WARM_UP = 200, 20
COLUMNS = (
    *("task", "run", "sampler", "seed"),
    *("evaluations", "formula", "critic_evaluations", "milliseconds"),
)


class Counted:
    """A network that counts the rows it is asked about; (..., A) counts once per leading index."""

    def __init__(self, network: Callable[..., Tensor]) -> None:
        self.network = network
        self.rows = 0

    def __call__(self, observations: Tensor, actions: Tensor, *times: Tensor) -> Tensor:
        """The network's own answer."""
        self.rows += actions.shape[:-1].numel()
        return self.network(observations, actions, *times)


class CountedCritic(Counted):
    """The same of a critic; a gradient at chunks that it was asked about before counts no more."""

    def values_then_gradient(
        self, observations: Tensor, actions: Tensor, how: str
    ) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """The critic's own answer."""
        self.rows += actions.shape[:-1].numel()
        return self.network.values_then_gradient(observations, actions, how)  # type: ignore[attr-defined]


class Cost(NamedTuple):
    """Of one action chunk: evaluations of the velocity network and of the critics, and time."""

    evaluations: int
    critic_evaluations: int
    milliseconds: float


def formula(sampler: str, sampling: SamplingSettings) -> int:
    """Evaluations of the velocity network per chunk, as the paper counts them.

    N for best-of-N, times the Euler steps where it integrates, M (1 + K B) for QGBS.
    """
    beam, rounds = sampling.qgbs_candidates, sampling.qgbs_rounds
    return {
        "one_step": 1,
        "euler": sampling.flow_steps,
        "best_of_n": sampling.samples,
        "best_of_n_euler": sampling.samples * sampling.flow_steps,
        "qgbs": beam * (1 + rounds * sampling.qgbs_copies),
    }[sampler]


def measure(run: Run, sampler: str, results: Path, device: torch.device) -> Cost:
    """Act on observations of the right size: what a call evaluates, and its median time."""
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
        policy.act(observation)  # ends with a copy to the host, which waits for a device
        times.append(time.perf_counter() - start)
    milliseconds = 1e3 * statistics.median(times[WARM_UP:])
    return Cost(counted.rows, counted_critic.rows, milliseconds)


def write_inference(study: Study, task: str, seed: int, results: Path) -> None:
    """Write `inference.csv` of a task and seed: a row for each policy and sampler of the study."""
    device = claim_device(study).device
    rows = []
    for name, sampler in inference_rows(study):
        run = make_run(study, task, seed, name)
        cost = measure(run, sampler, results, device)
        place = {"task": task, "run": name, "sampler": sampler, "seed": seed}
        base, sampling = study.sampler(sampler)
        # There is none for a sampler in a method's file: what it evaluates is what is counted.
        own = base in study.own_methods
        counts = cost._asdict()
        counts |= {"formula": cost.evaluations if own else formula(base, sampling)}
        rows.append(place | counts | {"milliseconds": round(cost.milliseconds, 4)})
    with atomic_path(paths.seed_folder(results, task, seed) / "inference.csv") as temporary:
        write_rows(temporary, COLUMNS, rows)
