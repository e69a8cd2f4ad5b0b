"""Measure a run that evaluates in between and one that evaluates beside its training.

    OMP_NUM_THREADS=1 python benchmarks/beside.py
    OMP_NUM_THREADS=1 python benchmarks/beside.py --task TASK --updates 4000 --rounds 3

The run is offline training with the default study's networks on a small generated data set, with
four evaluations of ten episodes before the last. The two ways alternate, because absolute times
change with other load on the machine; every run is a process of its own. Figures are medians over
the rounds, from `provenance.json`: `wall` is the run's wall-clock time, and `cpu` the CPU time of
the training process alone. Where a core is free for the evaluations, `cpu` is what `wall` comes to
but for the last evaluation, for which the training waits. Ends with an error if any two evaluations
differ.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from fmq.config.reading import load_study, study_from_dict
from fmq.config.section import overlaid
from fmq.config.study import Study
from fmq.data.provide import provide_dataset
from fmq.pipeline.paths import run_folder, settings_file
from fmq.pipeline.runs import make_run

ROOT = Path(__file__).parents[1]
WAYS = {"in between": False, "beside": True}
NAME = "pretrain-full"
ROWS = ("evaluations.csv", "last_evaluation.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="cube-double-play-singletask-task1-v0")
    parser.add_argument("--updates", type=int, default=10_000)
    parser.add_argument("--limit", type=int, default=200, help="environment steps per episode")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds):
            ways = list(WAYS)[:: 1 if number % 2 == 0 else -1]
            rounds.append({way: measured(Path(folder), way, number, arguments) for way in ways})
    if len({rows for one in rounds for _, rows in one.values()}) > 1:
        raise SystemExit(f"{arguments.task}: the evaluations differ")
    for way in WAYS:
        figures = {
            name: round(median(one[way][0][name] for one in rounds), 1) for name in ("wall", "cpu")
        }
        print(json.dumps({"task": arguments.task, "evaluates": way} | figures), flush=True)


def measured(
    folder: Path, way: str, number: int, arguments: argparse.Namespace
) -> tuple[dict[str, float], bytes]:
    """Train once; return the run's seconds and the episodes of all its evaluations."""
    study, results = study_of(WAYS[way], arguments), folder / f"{way}-{number}"
    results.mkdir()
    (dataset,) = study.dataset_names()
    if not (folder / "datasets").exists():
        provide_dataset(study, dataset, folder, 1)
    (results / "datasets").symlink_to(folder / "datasets")
    settings_file(results).write_text(study.model_dump_json())
    command = [str(Path(sys.executable).with_name("fmq")), "pretrain", arguments.task]
    command += ["--seed", "0", "--budget", "full", "--results", str(results)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    run = run_folder(make_run(study, arguments.task, 0, NAME), results)
    provenance = json.loads((run / "provenance.json").read_text())
    seconds = {name: provenance[f"{name}_seconds"] for name in ("wall", "cpu")}
    return seconds, b"".join((run / name).read_bytes() for name in ROWS)


def study_of(beside: bool, arguments: argparse.Namespace) -> Study:
    """Return the default study on a small data set of one task."""
    dataset = arguments.task.replace("-singletask", "").rpartition("-task")[0] + "-v0"
    small = {"source": "scripted", "episodes": 4, "validation_episodes": 1, "episode_length": 200}
    small |= {"action_noise": 0.1, "seed": 0}
    changes = {
        "tasks": [arguments.task],
        "seeds": [0],
        "methods": ["qc"],
        "samplers": [],
        "device": "cpu",
        "task_defaults": {"episode_limit": arguments.limit},
        "datasets": {dataset: small},
        "training": {"stack_seeds": False},
        "offline": {
            "steps": arguments.updates,
            "evaluate_every": arguments.updates // 5,
            "warmup_steps": 1,
            "anneal_end": 2,
        },
        "evaluation": {"episodes": 10, "environments": 10, "beside": beside},
    }
    defaults = load_study(ROOT / "config.yaml").model_dump()
    return study_from_dict(overlaid(defaults, changes), "benchmark")


if __name__ == "__main__":
    main()
