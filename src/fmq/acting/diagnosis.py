"""Are the critics right, and is what they recommend worth anything in the simulator?

Episodes of each run are recorded, and Q at every decision is compared with the return from there.
At one state of each episode, other chunks are tried: samples of the policy, and steps from the
first of them along the critic's gradient (Theorem 3.2), against it, and in a random direction. All
of them go on with the same policy and the same noise, so that only the chunk differs.
"""

import copy
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from fmq.acting.branching import Decision, Episode, follow, returns, succeeded
from fmq.acting.device import claim_device
from fmq.acting.evaluation import load_policy
from fmq.acting.measuring import recorded
from fmq.acting.policy import Policy
from fmq.base.errors import UserError
from fmq.base.files import atomic_path, write_rows
from fmq.base.progress import Heartbeat, progress
from fmq.base.seeding import derive_seed
from fmq.config.study import Study
from fmq.envs.making import make_simulators
from fmq.envs.simulators import Simulators
from fmq.method.critic import aggregate
from fmq.method.guidance import normalized, value_and_gradient
from fmq.methods.making import sampler_of
from fmq.pipeline.diagnosis import CANDIDATES, EPISODES, MEASUREMENTS, STEPS, diagnosed_runs
from fmq.pipeline.paths import dataset_folder, diagnosis_folder
from fmq.pipeline.runs import Run

DIGITS = 9  # of returns, so that those that differ only by rounding are equal

Rows = list[dict[str, Any]]


class Subject(NamedTuple):
    """A policy with its critics.

    Attributes:
        policy: the policy with the sampler that it acts with.
        single: the same with a sampler that makes one sample and does not ask the critics.
        how: how the critics are combined, ``mean`` or ``min``.
        discount: gamma, per environment step.
        eta: length of the steps from a chunk.
    """

    policy: Policy
    single: Policy
    how: str
    discount: float
    eta: float


def measure_diagnosis(study: Study, task: str, seed: int, results: Path) -> None:
    """Write calibration.csv and branches.csv of a task and seed, and the record of the runs.

    Raises:
        UserError: a checkpoint is missing or has other settings, or a simulator failed or does not
            repeat itself.
    """
    claim = claim_device(study)
    runs = diagnosed_runs(study, task, seed)
    data = dataset_folder(study, study.task(task).dataset, results)
    total, processes = len(runs) * EPISODES, study.evaluation.workers
    title = f"diagnose {task} seed {seed}"
    folder = diagnosis_folder(study, task, seed, results)
    tables: list[Rows] = [[] for _ in MEASUREMENTS]
    with (
        recorded(folder, runs, results),
        closing(make_simulators(title, study.task(task), data, EPISODES, processes)) as simulators,
        progress(title, total, "states") as beat,
    ):
        for run in runs:
            subject = load_subject(run, results, claim.device, study.fmq.eta)
            for table, rows in zip(tables, _examine(run, subject, simulators, beat), strict=True):
                table += [{"run": run.name, **row} for row in rows]
        for name, table in zip(MEASUREMENTS, tables, strict=True):
            with atomic_path(folder / f"{name}.csv") as temporary:
                write_rows(temporary, list(table[0]), table)


def load_subject(run: Run, results: Path, device: torch.device, eta: float) -> Subject:
    """Load the policy of a run, whose noise is that of the diagnosis."""
    policy = load_policy(run, run.sampler, results, device)
    policy.generator.manual_seed(run.derive_seed("diagnosis", run.name))
    single = copy.copy(policy)
    single.sampler = sampler_of(run, "one_step" if "one_step" in run.samplers else "euler")
    return Subject(policy, single, run.critic_target, run.bound.simulation.discount, eta)


def _examine(
    run: Run, subject: Subject, simulators: Simulators, beat: Heartbeat
) -> tuple[Rows, Rows]:
    """Return the rows of both tables for one run."""
    starts = diagnosis_starts(run)
    episodes = follow(simulators, starts, [()] * len(starts), subject.policy.act)
    places = np.random.default_rng(run.derive_seed("diagnosis states", run.name))
    branched: Rows = []
    for number, (start, episode) in enumerate(zip(starts, episodes, strict=True)):
        before = episode[: 1 + int(places.integers(len(episode)))]
        branched += [
            {"episode": number, **row} for row in branches(subject, simulators, start, before)
        ]
        beat.advance()
    return calibration(subject, episodes), branched


def diagnosis_starts(run: Run) -> list[int]:
    """Return the seed of each episode, the same for all runs and seeds of a task."""
    return [
        derive_seed(run.bound.study_seed, run.task.name, "diagnosis start", episode)
        for episode in range(EPISODES)
    ]


def calibration(subject: Subject, episodes: Sequence[Episode]) -> Rows:
    """Return Q and the return from there for each decision of the episodes."""
    rows: Rows = []
    for number, episode in enumerate(episodes):
        observations = np.stack([one.observation for one in episode])
        found = _values(subject, observations, np.stack([one.chunk for one in episode]))
        for place, outcome in enumerate(returns(episode, subject.discount)):
            row = {"episode": number, "decision": place, "q": found[place]}
            rows.append(row | _outcome(episode, outcome))
    return rows


def branches(
    subject: Subject, simulators: Simulators, start: int, before: Sequence[Decision]
) -> Rows:
    """Try other chunks in place of the last of some decisions, and return Q and return of each.

    Args:
        start: seed of the episode.
        before: its decisions, up to the one whose chunk is replaced.

    Raises:
        UserError: the simulator does not repeat the episode.
    """
    *earlier, last = before
    kinds, chunks = _alternatives(subject, last.observation)
    scripts = [[*(one.chunk for one in earlier), chunk] for chunk in chunks]
    act = partial(_act_alike, subject.policy)
    episodes = follow(simulators, [start] * len(scripts), scripts, act)
    _refuse_others(episodes, last.observation, len(earlier))
    found = _values(subject, np.stack([last.observation] * len(chunks)), chunks)
    return [
        {"decision": len(earlier), "kind": kind, "number": number, "q": q}
        | _outcome(episode, returns(episode, subject.discount)[len(earlier)])
        for (kind, number), q, episode in zip(kinds, found, episodes, strict=True)
    ]


def _outcome(episode: Episode, outcome: float) -> dict[str, Any]:
    return {"return": round(outcome, DIGITS), "success": int(succeeded(episode))}


def _act_alike(policy: Policy, observations: np.ndarray) -> np.ndarray:
    """Act on all observations with the same noise."""
    batch = policy.normalize(observations)
    return policy.choose(batch, policy.noise(1).expand(len(batch), -1, -1))


def _alternatives(
    subject: Subject, observation: np.ndarray
) -> tuple[list[tuple[str, int]], np.ndarray]:
    """Return kind and number of each chunk to try, and the chunks, shape (N, H, A)."""
    policy = subject.single
    batch = policy.normalize(np.stack([observation] * CANDIDATES))
    candidates = policy.choose(batch, policy.noise(CANDIDATES))
    base = torch.as_tensor(candidates[:1], device=batch.device).flatten(1)
    _, gradient = value_and_gradient(policy.critic, batch[:1], base, "first")
    noise = torch.randn(base.shape, generator=policy.generator, device=batch.device)
    steps = torch.cat([normalized(gradient), -normalized(gradient), normalized(noise)])
    moved = (base + subject.eta * steps).clamp(-1, 1).view(-1, *policy.chunk_shape)
    kinds = [("candidate", number) for number in range(CANDIDATES)] + [(kind, 0) for kind in STEPS]
    return kinds, np.concatenate([candidates, moved.cpu().numpy()])


def _values(subject: Subject, observations: np.ndarray, chunks: np.ndarray) -> list[float]:
    """Return Q of chunks (N, H, A) at observations (N, O)."""
    batch = subject.policy.normalize(observations)
    actions = torch.as_tensor(chunks, device=batch.device).flatten(1)
    with torch.no_grad():
        values = subject.policy.critic(batch, actions)
    found: list[float] = aggregate(values, subject.how).tolist()
    return found


def _refuse_others(episodes: Sequence[Episode], observation: np.ndarray, decision: int) -> None:
    """Raise `UserError` unless all episodes have this observation at a decision."""
    for episode in episodes:
        same = len(episode) > decision and np.array_equal(
            episode[decision].observation, observation
        )
        if not same:
            raise UserError(
                "diagnosis: the simulator does not repeat an episode from the same start with the "
                "same actions, so that no other chunk can be tried in its states"
            )
