"""Evaluation: episodes whose starts every method shares, one row each."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import torch

from fmq import paths
from fmq.data.manifest import file_sha256
from fmq.data.normalization import Normalizer
from fmq.ensemble import CriticEnsemble
from fmq.envs.environment import make_environment
from fmq.envs.processes import SimulatorProcesses
from fmq.envs.rollout import Act, rollout
from fmq.envs.simulators import LocalSimulators, Simulators
from fmq.errors import UserError
from fmq.files import atomic_path, write_rows
from fmq.networks import VelocityNetwork
from fmq.policy import Policy, make_networks, sampler_of
from fmq.progress import progress
from fmq.runs import Run, evaluation_file, evaluation_settings, settings_hash, title
from fmq.seeding import derive_seed
from fmq.training.checkpoint import load_checkpoint, refuse_misfit
from fmq.training.device import claim_device

COLUMNS = (
    *("task", "run", "sampler", "seed", "stage", "step"),
    *("episode", "success", "return", "length"),
)


def evaluation_starts(run: Run, step: int) -> list[int]:
    """The seed that names each episode of an evaluation.

    They depend on (study seed, task, step, episode) alone: all methods and all seeds meet the same
    ones.
    """
    return [
        derive_seed(run.study.seed, run.task.name, "evaluation start", step, episode)
        for episode in range(run.study.evaluation.episodes)
    ]


class Evaluator:
    """Simulators of a run's task, made at the first evaluation and kept for the next.

    They serve the same run of other seeds as well.
    """

    def __init__(self, run: Run, results: Path) -> None:
        self.task, self.settings = run.task, run.study.evaluation
        self.data = paths.dataset_folder(results, run.task.dataset)
        self.simulators: Simulators | None = None

    def close(self) -> None:
        """End the processes of the simulators, if there are any."""
        if self.simulators is not None:
            self.simulators.close()

    def episodes(self, run: Run, act: Act, sampler: str, step: int) -> list[dict[str, Any]]:
        """Evaluate a policy of a run; one row per episode with the keys of `COLUMNS`."""
        if self.simulators is None:
            self.simulators = self._make_simulators()
        episodes = rollout(self.simulators, act, evaluation_starts(run, step))
        return [
            {
                "task": run.task.name,
                "run": run.name,
                "sampler": sampler,
                "seed": run.seed,
                "stage": "online" if run.stage == "finetune" else "offline",
                "step": step,
                "episode": index,
                "success": int(episode.success),
                "return": episode.return_,
                "length": episode.length,
            }
            for index, episode in enumerate(episodes)
        ]

    def _make_simulators(self) -> Simulators:
        task, settings = self.task, self.settings
        if settings.workers > 1:
            return SimulatorProcesses(task, self.data, settings.simulators, settings.workers)
        return LocalSimulators(
            [make_environment(task, self.data) for _ in range(settings.simulators)]
        )


def write_evaluation(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write episodes as CSV, whole or not at all."""
    with atomic_path(path) as temporary:
        write_rows(temporary, COLUMNS, rows)


def success_rate(rows: Sequence[dict[str, Any]]) -> float:
    """Share of successful episodes."""
    return sum(row["success"] for row in rows) / len(rows)


def checkpoint_file(run: Run, results: Path) -> Path:
    """The learner's state at a run's end."""
    return paths.run_folder(results, run.task.name, run.seed, run.name) / "checkpoint.pt"


def load_learner(run: Run, results: Path, device: torch.device) -> dict[str, Any]:
    """State of a run's learner at its end; `UserError` if it is missing or of other settings."""
    return load_checkpoint(checkpoint_file(run, results), settings_hash(run.settings()), device)


def learned_from(run: Run, results: Path) -> dict[str, str]:
    """The sha256 of each file of the data set that a finished run learned from.

    Of an imported run, of the file that it was made of.

    Raises:
        UserError: its folder does not tell.
    """
    path = checkpoint_file(run, results).with_name("provenance.json")
    try:
        return dict(json.loads(path.read_text())["dataset"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{path}: does not tell what the run learned from; bring the whole folder of the run "
            "here, or run it again"
        ) from None


class Networks(NamedTuple):
    """Networks at the end of a run, for observations that `normalizer` has seen."""

    actor: VelocityNetwork
    critic: CriticEnsemble
    normalizer: Normalizer
    action_size: int


def load_networks(run: Run, results: Path, device: torch.device) -> Networks:
    """The networks in a run's last checkpoint."""
    state = load_learner(run, results, device)
    with refuse_misfit(checkpoint_file(run, results)):
        normalizer = Normalizer(**state["normalizer"])
        actor, critic = make_networks(
            len(normalizer.mean), state["action_size"], run.study.networks, torch.Generator()
        )
        actor.load_state_dict(state["actor"])
        critic.load_state_dict(state["critic"])
    return Networks(actor.to(device), critic.to(device), normalizer, state["action_size"])


def load_policy(run: Run, sampler: str, results: Path, device: torch.device) -> Policy:
    """The policy in a run's last checkpoint, under any sampler that fits it."""
    base, _ = run.study.sampler(sampler)
    if base not in run.samplers:
        raise UserError(f"sampler {sampler!r} jumps along a flow map, and {run.name} has none")
    networks = load_networks(run, results, device)
    for network in (networks.actor, networks.critic):
        network.prepare()
    seed = run.derive_seed("evaluation noise", run.name, run.last_step)
    chunk_length = run.task.settings.chunk_length
    return Policy(
        networks.actor,
        networks.critic,
        networks.normalizer,
        sampler_of(run.study, sampler, run.critic_target),
        torch.Generator(device).manual_seed(seed),
        (chunk_length, networks.action_size // chunk_length),
    )


def evaluate_checkpoints(runs: Sequence[Run], sampler: str, results: Path) -> None:
    """Evaluate the last checkpoints of a run's seeds; write their episodes and the records.

    Args:
        runs: the same run of one seed or of several, which share their simulators.
    """
    first = runs[0]
    claim = claim_device(first.study)
    total = len(runs) * first.study.evaluation.episodes
    with (
        closing(Evaluator(first, results)) as evaluator,
        progress(f"evaluate {title(runs)} {sampler}", total, "episodes") as beat,
    ):
        for run in runs:
            policy = load_policy(run, sampler, results, claim.device)
            rows = evaluator.episodes(run, policy.act, sampler, run.last_step)
            write_last_evaluation(run, sampler, results, rows)
            beat.remark(f"success {success_rate(rows):.0%}")
            beat.advance(len(rows))


def write_last_evaluation(
    run: Run, sampler: str, results: Path, rows: Sequence[dict[str, Any]]
) -> None:
    """Write the episodes of a run's end to `fmq.runs.evaluation_file`, and a record beside them.

    The record, JSON of the same name, has the settings behind the episodes and the sha256 of the
    checkpoint and of the files that the run learned from.
    """
    path = evaluation_file(run, sampler, results)
    record = _record(run, sampler, results)
    with atomic_path(path) as episodes, atomic_path(path.with_suffix(".json")) as told:
        write_rows(episodes, COLUMNS, rows)
        told.write_text(json.dumps(record, indent=2) + "\n")
        # There was room for both. Older episodes must never be beside the record of others.
        path.unlink(missing_ok=True)


def check_record(path: Path, run: Run, sampler: str) -> None:
    """Raise `UserError` unless the episodes in `path` are of these settings."""
    again = (
        f"`fmq evaluate {run.task.name} --seed {run.seed} --run {run.name} --sampler {sampler}` "
        "makes it again"
    )
    try:
        found = json.loads(path.with_suffix(".json").read_text())["hash"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{path.with_suffix('.json')}: does not tell what {path.name} is of; {again}"
        ) from None
    if found != settings_hash(evaluation_settings(run, sampler)):
        raise UserError(f"{path}: made with other settings; {again}")


def _record(run: Run, sampler: str, results: Path) -> dict[str, Any]:
    """What an evaluation rests on: the data of the run, though there may be others by now."""
    settings = evaluation_settings(run, sampler)
    return {
        "hash": settings_hash(settings),
        "settings": settings,
        "checkpoint": file_sha256(checkpoint_file(run, results)),
        "dataset": learned_from(run, results),
    }
