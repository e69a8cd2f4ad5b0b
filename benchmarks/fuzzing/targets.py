"""The targets of `fuzz.py`: valid files of every format, their readers, and judges.

A judge reads the file again without fmq, and describes what is wrong with a value that the reader
accepted.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from unittest.mock import patch

import gymnasium
import ogbench as _ogbench  # noqa: F401  registers the simulators
import torch

from fmq.acting.checkpoint import save_checkpoint
from fmq.acting.evaluation import load_policy
from fmq.analysis.inputs.evaluations import EVALUATION, STAGES, read_evaluation
from fmq.analysis.inputs.scores import SCORES, comparison_rows, expected_scores, load_scores
from fmq.analysis.statistics.estimates import STATISTICS, read_estimates
from fmq.base.files import file_sha256
from fmq.config.datasets import simulator_of
from fmq.config.reading import load_study
from fmq.config.tasks import TaskSettings, parse_task
from fmq.data import ogbench, robomimic
from fmq.data.agreement import check_against_simulator
from fmq.data.content import tell_content
from fmq.data.demonstrations import make_env_args
from fmq.data.manifest import check_dataset, read_manifest
from fmq.data.normalization import Normalizer
from fmq.data.official import _recorded
from fmq.data.ogbench_agreement import compare_with_simulator
from fmq.data.unwrapped import make_unwrapped
from fmq.envs.robosuite import make_simulator, observe_states
from fmq.pipeline.paths import run_folder
from fmq.pipeline.runs import Run, make_run
from fmq.training.learner import Backup, Learner
from fuzzing import judge_arrays, judge_texts, meaning
from fuzzing.checkpoint import damage_checkpoint
from fuzzing.hdf5 import damage_hdf5
from fuzzing.npz import damage_npz, npz_bomb
from fuzzing.raw import damage_bytes
from fuzzing.seeds import ROOT, TASK, csv_file, hdf5_file, npz_file, per_transition, small_study
from fuzzing.tables import damage_table
from fuzzing.trees import Damage, damage_json, damage_json_text, damage_yaml, damage_yaml_text

MAZE = parse_task(TASK, TaskSettings())
LIFT = parse_task("lift-mh-low_dim", TaskSettings())


class Target(NamedTuple):
    """A reader and its inputs.

    Attributes:
        file: path of the input, relative to the working folder.
        seeds: valid contents.
        damages: ways to damage a content with knowledge of the format; bytes are damaged besides.
        read: maps the path to what the reader returns.
        judge: maps the path, the returned value and whether only bytes were damaged to a
            description of what is wrong with the value, or None.
        bytes_share: share of inputs whose bytes are damaged instead.
    """

    file: str
    seeds: list[bytes]
    damages: tuple[Damage, ...]
    read: Callable[[Path], Any]
    judge: Callable[[Path, Any, bool], str | None]
    bytes_share: float = 0.45


def make_input(target: Target, random: Random) -> tuple[bytes, bool]:
    """Return a damaged file, and whether only its bytes were damaged."""
    content = random.choice(target.seeds)
    if random.random() < target.bytes_share:
        return damage_bytes(random, content, target.seeds), True
    content = random.choice(target.damages)(random, content)
    if target.bytes_share and random.random() < 0.1:
        content = damage_bytes(random, content, target.seeds)
    return content, False


def _config(folder: Path) -> Target:
    seed = (ROOT / "config.yaml").read_bytes()
    damages = (damage_yaml, damage_yaml, damage_yaml_text)
    return Target("config.yaml", [seed], damages, load_study, judge_texts.study)


def _overlay(folder: Path) -> Target:
    base = ROOT / "config.yaml"
    seeds = [(ROOT / "config" / name).read_bytes() for name in ("smoke.yaml", "manipulation.yaml")]
    damages = (damage_yaml, damage_yaml, damage_yaml_text)
    read = partial(load_study, base)
    return Target("overlay.yaml", seeds, damages, read, partial(judge_texts.study, base=base))


def _settings(folder: Path) -> Target:
    seeds = [load_study(ROOT / "config.yaml").model_dump_json(indent=2).encode()]
    seeds.append(small_study().model_dump_json().encode())
    damages = (damage_json, damage_json, damage_json_text)
    return Target("settings.json", seeds, damages, load_study, judge_texts.study)


def _npz(folder: Path) -> Target:
    environment = gymnasium.make(MAZE.environment)
    environment.close = lambda: None

    def read(path: Path) -> Any:
        # Every simulator leaves a file and an open descriptor behind, so all inputs share one.
        with patch("gymnasium.make", return_value=environment):
            return ogbench.read_transitions(path, MAZE)

    seeds = [npz_file(2, 6, False), npz_file(2, 6, True), npz_file(3, 40, False)]
    seeds.append(per_transition(npz_file(3, 5, True)))
    damages = (*[damage_npz] * 400, npz_bomb)
    judge = partial(judge_arrays.ogbench, seeds=seeds, environment=environment)
    return Target("data.npz", seeds, damages, read, judge)


def _npz_meaning(folder: Path) -> Target:
    simulator = make_unwrapped(simulator_of(MAZE.dataset))
    environment = gymnasium.make(MAZE.environment)
    simulator.close = environment.close = lambda: None
    seeds = meaning.npz_seeds(simulator, MAZE)

    def check(path: Path) -> Any:
        with (
            patch("gymnasium.make", return_value=environment),
            patch("fmq.data.ogbench_agreement.make_unwrapped", return_value=simulator),
        ):
            ogbench.check_file(path, MAZE.dataset, None, [MAZE.name])
            compare_with_simulator(path, MAZE.dataset)
            tell_content(path, [MAZE])
            return ogbench.read_transitions(path, MAZE)

    read = partial(meaning.told, check)
    (folder.parent / "base.npz").write_bytes(seeds[0])
    judge = partial(meaning.judge, base=read(folder.parent / "base.npz"))
    return Target("data.npz", seeds, (meaning.change_npz,), read, judge, bytes_share=0)


def _hdf5_meaning(folder: Path) -> Target:
    simulator = make_simulator(make_env_args("Lift"))
    base = folder.parent / "base.hdf5"
    base.write_bytes(meaning.hdf5_seed(simulator))
    # Loading a model takes a second, so all inputs share that of the first demonstration.
    (sample,) = robomimic.read_samples(base, LIFT, 1)
    observe_states(simulator, sample.model, sample.states)
    simulator.reset = simulator.edit_model_xml = simulator.reset_from_xml_string = lambda *_: None

    def check(path: Path) -> Any:
        with (
            patch("fmq.data.agreement.make_simulator", return_value=simulator),
            patch("fmq.data.agreement._SAMPLES", 1),
        ):
            robomimic.check_file(path, LIFT)
            check_against_simulator(path, LIFT)
            tell_content(path, [LIFT])
            return robomimic.read_transitions(path, LIFT)

    read = partial(meaning.told, check)
    judge = partial(meaning.judge, base=read(base))
    seeds = [base.read_bytes()]
    return Target("data.hdf5", seeds, (meaning.change_hdf5,), read, judge, bytes_share=0)


def _hdf5(folder: Path) -> Target:
    seeds = [hdf5_file((4, 6), "v110"), hdf5_file((5, 3), "earliest")]
    (folder.parent / "other.hdf5").write_bytes(seeds[0])  # links in damaged files point to it
    read = partial(robomimic.read_transitions, task=LIFT)
    return Target("data.hdf5", seeds, (damage_hdf5,), read, judge_arrays.robomimic)


def _evaluation(folder: Path) -> Target:
    rows = [
        (TASK, "finetune-fmq", "best_of_n", 0, "online", step, episode, episode % 2, -9.5, 10)
        for step in (100, 200)
        for episode in range(4)
    ]
    seeds = [csv_file(EVALUATION, rows), csv_file(EVALUATION, rows[:3])]
    return Target(
        "evaluations.csv", seeds, (damage_table,), read_evaluation, judge_texts.evaluation_table
    )


def _scores(folder: Path) -> Target:
    study = small_study()
    episodes = study.evaluation.episodes
    rows = [(*key, 0.5, -100.25, 200.0, episodes) for key in sorted(expected_scores(study))]
    read = partial(load_scores, study)
    return Target(
        "scores.csv", [csv_file(SCORES, rows)], (damage_table,), read, judge_texts.scores_table
    )


def _statistics(folder: Path) -> Target:
    study = small_study()
    rows = [
        (stage, TASK, *row, measure, 0.75, *(("", "") if row[0] == "qc" else (0.5, 1.0)), 0.1, 2, 1)
        for stage in STAGES
        for row in comparison_rows(study)
        for measure in ("success", "length")
    ]

    def read(path: Path) -> Any:
        return read_estimates(study, path.parent, "task_means")

    seeds = [csv_file(STATISTICS["task_means"][0], rows)]
    return Target("task_means.csv", seeds, (damage_table,), read, judge_texts.statistics_table)


def _manifest(folder: Path) -> Target:
    data = folder / f"{MAZE.dataset}.npz"
    data.write_bytes(b"content")
    entry = {"bytes": 7, "sha256": file_sha256(data), "rows": 3}
    whole = {"name": MAZE.dataset, "source": "made up", "files": {data.name: entry}, "versions": {}}

    def read(path: Path) -> Any:
        return read_manifest(path.parent), check_dataset(path.parent, MAZE.dataset)

    seeds = [json.dumps(whole, indent=2, sort_keys=True).encode(), json.dumps(whole).encode()]
    damages = (damage_json, damage_json, damage_json_text)
    return Target("manifest.json", seeds, damages, read, judge_texts.manifest)


def _digest(folder: Path) -> Target:
    digest = file_sha256(ROOT / "config.yaml")
    seeds = [f"{digest}  data.npz\n".encode(), f"{digest[::-1]}  other\n".encode()]

    def damage(random: Random, content: bytes) -> bytes:
        odd = (content.upper(), content[:20], b"\xff" + content, b" " + content, b"\x1b[2J  a\n")
        return random.choice((*odd, content.replace(b"a", b"g"), content * 3, b"0x" + content))

    def read(path: Path) -> Any:
        return _recorded(path.with_suffix(""))

    return Target("data.npz.sha256", seeds, (damage,), read, judge_texts.digest)


def _run() -> Run:
    return make_run(small_study(), TASK, 0, "distill-esd")


def _checkpoint(folder: Path) -> Target:
    run = _run()
    simulation = run.bound.simulation
    backup = Backup(simulation.discount, simulation.backup_length)
    normalizer = Normalizer(torch.zeros(2), torch.ones(2))
    size = 2 * simulation.chunk_length
    learner = Learner(run.bound.networks, backup, normalizer, size, init_seed=0, noise_seed=0)
    scratch = folder.parent / "seed.pt"
    seeds = []
    for number in range(2):
        with torch.no_grad():
            for parameter in learner.actor.parameters():
                parameter += number
        save_checkpoint(scratch, run.digest, learner.state())
        seeds.append(scratch.read_bytes())
    path = run_folder(run, Path()) / "checkpoint.pt"
    (folder / path).parent.mkdir(parents=True, exist_ok=True)

    def read(path: Path) -> Any:
        return load_policy(run, "best_of_n", folder, torch.device("cpu"))

    judge = partial(judge_arrays.checkpoint, seeds=seeds)
    return Target(str(path), seeds, (damage_checkpoint,), read, judge)


TARGETS: dict[str, Callable[[Path], Target]] = {
    "config": _config,
    "overlay": _overlay,
    "settings": _settings,
    "npz": _npz,
    "hdf5": _hdf5,
    "npz meaning": _npz_meaning,
    "hdf5 meaning": _hdf5_meaning,
    "evaluation": _evaluation,
    "scores": _scores,
    "statistics": _statistics,
    "manifest": _manifest,
    "digest": _digest,
    "checkpoint": _checkpoint,
}
"""Makes the target of each reader, given the working folder of its inputs."""
