"""The cost of acting: counted network evaluations, and milliseconds per action chunk."""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from fmq.acting.device import claim_device
from fmq.acting.evaluation import load_policy
from fmq.acting.policy import Policy
from fmq.base.files import atomic_path, write_rows
from fmq.config.samplers import SAMPLERS
from fmq.config.study import Study
from fmq.pipeline.paths import costs_file
from fmq.pipeline.runs import make_run
from fmq.pipeline.variants import inference_rows

CALLS, ROUNDS = 10, 20  # after a round that warms up
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
        self.count(actions)
        return self.network(observations, actions, *times)

    def count(self, actions: Tensor) -> None:
        """Count the rows of action chunks of shape (..., A)."""
        self.rows += actions.shape[:-1].numel()


class CountedCritic(Counted):
    """A critic that counts the rows it evaluates; a gradient at the same rows adds nothing."""

    def value_and_gradient(
        self, observations: Tensor, actions: Tensor, how: str
    ) -> tuple[Tensor, Tensor]:
        """Evaluate the critic with its gradient, and count the rows."""
        self.count(actions)
        return self.network.value_and_gradient(observations, actions, how)  # type: ignore[attr-defined]

    def values_then_gradient(
        self, observations: Tensor, actions: Tensor, how: str
    ) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Evaluate the critic and count the rows."""
        self.count(actions)
        return self.network.values_then_gradient(observations, actions, how)  # type: ignore[attr-defined]


class Cost(NamedTuple):
    """The cost of one action chunk: velocity evaluations, critic evaluations, and time."""

    evaluations: int
    critic_evaluations: int
    milliseconds: float


def measure(policies: Sequence[Policy], observation: np.ndarray) -> list[Cost]:
    """Measure the costs of acting on one observation (1, O): evaluations, and the median time.

    The policies take turns, so that other work on the machine slows all of them alike.
    """
    counts = [_evaluations(policy, observation) for policy in policies]
    times: list[list[float]] = [[] for _ in policies]
    for _ in range(ROUNDS + 1):
        for policy, taken in zip(policies, times, strict=True):
            for _ in range(CALLS):
                start = time.perf_counter()
                policy.act(observation)  # ends with a copy to the CPU, which waits for the GPU
                taken.append(time.perf_counter() - start)
    warm = (1e3 * statistics.median(taken[CALLS:]) for taken in times)
    return [Cost(*count, found) for count, found in zip(counts, warm, strict=True)]


def _evaluations(policy: Policy, observation: np.ndarray) -> tuple[int, int]:
    """Count how many rows the velocity network and the critics evaluate in one call."""
    velocity, critic = policy.velocity, policy.critic
    counted, counted_critic = Counted(velocity), CountedCritic(critic)
    policy.velocity, policy.critic = counted, counted_critic
    policy.act(observation)
    policy.velocity, policy.critic = velocity, critic
    return counted.rows, counted_critic.rows


def write_inference(study: Study, task: str, results: Path) -> None:
    """Write the cost of acting on a task, one row per policy of the first seed and sampler."""
    seed = study.seeds[0]
    claim = claim_device(study)  # held to the end, because others would change the times
    named = inference_rows(study)
    pairs = [(make_run(study, task, seed, name), sampler) for name, sampler in named]
    policies = [load_policy(run, sampler, results, claim.device) for run, sampler in pairs]
    size = len(policies[0].normalizer.mean)
    generator = np.random.default_rng(pairs[0][0].derive_seed("inference"))
    observation = generator.standard_normal((1, size)).astype(np.float32)
    rows = []
    for (run, sampler), cost in zip(pairs, measure(policies, observation), strict=True):
        place = {"task": task, "run": run.name, "sampler": sampler, "seed": seed}
        base, sampling = run.sampling(sampler)
        # A sampler in a method's file has no formula, so its counted evaluations are used.
        row = SAMPLERS.get(base)
        counts = cost._asdict()
        counts |= {"formula": row.evaluations(sampling) if row else cost.evaluations}
        rows.append(place | counts | {"milliseconds": round(cost.milliseconds, 4)})
    with atomic_path(costs_file(study, task, results)) as temporary:
        write_rows(temporary, COLUMNS, rows)
