"""Evaluation: one row per episode, with starts that all methods share."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch

from fmq.acting.checkpoint import load_checkpoint, refuse_misfit
from fmq.acting.device import claim_for_evaluation, claim_of_last_evaluation
from fmq.acting.policy import Networks, Policy, make_networks
from fmq.base.errors import UserError
from fmq.base.files import atomic_path, file_sha256, write_rows
from fmq.base.progress import progress
from fmq.base.seeding import derive_seed
from fmq.data.normalization import Normalizer
from fmq.envs.making import make_simulators
from fmq.envs.rollout import Act, rollout
from fmq.envs.simulators import Simulators
from fmq.methods.making import sampler_of
from fmq.pipeline.evaluations import evaluation_settings
from fmq.pipeline.identity import settings_hash
from fmq.pipeline.paths import checkpoint_file, data_folder, evaluation_file
from fmq.pipeline.runs import Run, title

Rows = list[dict[str, Any]]
"""Episodes of an evaluation, with the keys of `COLUMNS`."""

COLUMNS = (
    *("task", "run", "sampler", "seed", "stage", "step"),
    *("episode", "success", "return", "length"),
)


def evaluation_starts(run: Run, step: int) -> list[int]:
    """Return the seed of each episode of an evaluation.

    The seeds depend only on (study seed, task, step, episode), so all methods and all run seeds
    share them.
    """
    return [
        derive_seed(run.bound.study_seed, run.task.name, "evaluation start", step, episode)
        for episode in range(run.bound.evaluation.episodes)
    ]


class Evaluator:
    """The simulators of a run's task, made at the first evaluation and reused afterwards.

    They also serve the same run with other seeds.
    """

    def __init__(self, run: Run, results: Path) -> None:
        self.task, self.count = run.task, run.bound.evaluation.simulators
        self.processes = run.study.evaluation.processes
        self.data = data_folder(run, results)
        self.simulators: Simulators | None = None

    def close(self) -> None:
        """Stop the simulator processes, if there are any."""
        if self.simulators is not None:
            self.simulators.close()

    def episodes(self, run: Run, act: Act, sampler: str, step: int) -> Rows:
        """Evaluate a policy of a run; return one row per episode with the keys of `COLUMNS`."""
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
        return make_simulators("evaluation", self.task, self.data, self.count, self.processes)


def write_evaluation(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write episodes as CSV, atomically."""
    with atomic_path(path) as temporary:
        write_rows(temporary, COLUMNS, rows)


def success_rate(rows: Sequence[dict[str, Any]]) -> float:
    """Return the share of successful episodes."""
    return sum(row["success"] for row in rows) / len(rows)


def load_learner(run: Run, results: Path, device: torch.device) -> dict[str, Any]:
    """Load the learner's state at the end of a run.

    Raises:
        UserError: the checkpoint is missing, damaged, or made with other settings.
    """
    return load_checkpoint(checkpoint_file(run, results), run.digest, device)


def learned_from(run: Run, results: Path) -> dict[str, str]:
    """Return the SHA-256 of each data-set file that a finished run learned from.

    For an imported run, return that of the file it was imported from.

    Raises:
        UserError: the run's folder does not record it.
    """
    path = checkpoint_file(run, results).with_name("provenance.json")
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["dataset"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{path}: does not say what the run learned from; copy the whole folder of the run "
            "here, or run it again"
        ) from None


def load_networks(run: Run, results: Path, device: torch.device) -> Networks:
    """Load the networks of a run's last checkpoint."""
    return read_networks(checkpoint_file(run, results), run, device)


def read_networks(
    path: Path, run: Run, device: torch.device, remedy: str = "make it again"
) -> Networks:
    """Load the networks of a checkpoint of a run, or of a snapshot during its training.

    Args:
        remedy: what to do if the file cannot be used, for the error message.

    Raises:
        UserError: the file is missing, damaged, or made with other settings.
    """
    state = load_checkpoint(path, run.digest, device, remedy)
    with refuse_misfit(path, remedy):
        normalizer = Normalizer(**state["normalizer"])
        actor, critic = make_networks(
            len(normalizer.mean), state["action_size"], run.bound.networks, torch.Generator()
        )
        actor.load_state_dict(state["actor"])
        critic.load_state_dict(state["critic"])
    return Networks(actor.to(device), critic.to(device), normalizer, state["action_size"])


def load_policy(run: Run, sampler: str, results: Path, device: torch.device) -> Policy:
    """Load the policy of a run's last checkpoint with any sampler that fits it."""
    if run.sampler_named(sampler).name not in run.samplers:
        raise UserError(f"sampler {sampler!r} needs a flow map, but {run.name} has none")
    return policy_with(load_networks(run, results, device), run, sampler, run.last_step)


def policy_with(networks: Networks, run: Run, sampler: str, step: int) -> Policy:
    """Return the policy of a run with its networks after a step, as its evaluation takes it.

    After the last step the networks are prepared for acting, which may change its last digits. The
    noise depends on the step.
    """
    if step == run.last_step:
        for network in (networks.actor, networks.critic):
            network.prepare()
    device = networks.normalizer.mean.device
    seed = run.derive_seed("evaluation noise", run.name, step)
    chunk_length = run.bound.simulation.chunk_length
    return Policy(
        networks.actor,
        networks.critic,
        networks.normalizer,
        sampler_of(run, sampler),
        torch.Generator(device).manual_seed(seed),
        (chunk_length, networks.action_size // chunk_length),
    )


def evaluate_checkpoints(runs: Sequence[Run], sampler: str, results: Path) -> None:
    """Evaluate the last checkpoints of a run's seeds; write their episodes and records.

    Args:
        runs: the same run with one or several seeds, which share the simulators.
        sampler: the sampler to evaluate with.
        results: the results folder.
    """
    first = runs[0]
    own = first.evaluates(sampler)  # made again, as it was at the end of the training
    claim = claim_of_last_evaluation(first) if own else claim_for_evaluation(first.study)
    total = len(runs) * first.bound.evaluation.episodes
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
    """Write the final evaluation of a run to `paths.evaluation_file`, with a record beside it.

    The record, a JSON file of the same name, holds the settings of the evaluation and the SHA-256
    of the episodes, of the checkpoint and of the files that the run learned from.
    """
    path = evaluation_file(run, sampler, results)
    record = _record(run, sampler, results)
    with atomic_path(path) as episodes, atomic_path(path.with_suffix(".json")) as told:
        write_rows(episodes, COLUMNS, rows)
        record["episodes"] = file_sha256(episodes)
        told.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        # Both files are complete. Remove the old episodes first, so that they never stand beside
        # the new record.
        path.unlink(missing_ok=True)


def check_record(path: Path, run: Run, sampler: str, results: Path) -> None:
    """Raise `UserError` unless the episodes in `path` are of this run's checkpoint and settings."""
    again = (
        f"`fmq evaluate {run.task.name} --seed {run.seed} --run {run.name} --sampler {sampler}` "
        "makes it again"
    )
    try:
        record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        found, checkpoint = record["hash"], record["checkpoint"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{path.with_suffix('.json')}: does not say how {path.name} was made; {again}"
        ) from None
    if found != settings_hash(evaluation_settings(run, sampler)):
        raise UserError(f"{path}: made with other settings; {again}")
    if checkpoint != file_sha256(checkpoint_file(run, results)):
        raise UserError(f"{path}: made with another checkpoint of {run}; {again}")


def _record(run: Run, sampler: str, results: Path) -> dict[str, Any]:
    """Return the record of an evaluation; `dataset` is what the run learned from at its time."""
    return {
        "hash": settings_hash(evaluation_settings(run, sampler)),
        "settings": evaluation_settings(run, sampler),
        "checkpoint": file_sha256(checkpoint_file(run, results)),
        "dataset": learned_from(run, results),
    }
