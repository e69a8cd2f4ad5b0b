"""Measure online fine-tuning with its simulators here and apart; print a JSON line for each.

    OMP_NUM_THREADS=1 python benchmarks/online.py
    OMP_NUM_THREADS=1 python benchmarks/online.py --task TASK --seeds 3 --overlay paper_sizes.yaml

FMQ is trained with the default study's settings, or those of an overlay, on little data of the
task, from hardly trained networks: what a step costs does not depend on them. Whole runs alternate,
because absolute times change with other load on the machine. `environment_rate` is the number of
environment steps per second of wall-clock time and seed, evaluations and the run's start left out:
the median over the rounds of each run's median over the rows of `metrics.csv`. `ratio` is relative
to the simulators here, with the `lowest` and `highest` of a round; shares are of the time.
Ends with an error if two runs end in different weights.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from statistics import median

import pandas as pd
import yaml

from fmq.config.reading import study_from_dict
from fmq.config.section import overlaid
from fmq.config.study import Study, find_dataset
from fmq.data.generate import generate_dataset
from fmq.pipeline.paths import dataset_folder, run_folder
from fmq.pipeline.runs import Run, make_run
from fmq.training.offline import train_offline
from fmq.training.online import finetune

ROOT = Path(__file__).parents[1]
PLACES = ("here", "apart")
COLUMNS = ("environment_rate", "environment_share", "policy_share", "update_share")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="cube-double-play-singletask-task1-v0")
    parser.add_argument("--seeds", type=int, default=1, help="seeds in joint updates")
    parser.add_argument("--steps", type=int, default=2500, help="environment steps per run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--overlay", type=Path, help="other settings, e.g. of the networks")
    arguments = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as temporary:
        results = Path(temporary)
        studies = {place: study_of(arguments, place) for place in PLACES}
        prepare(studies["here"], results)
        for number in range(arguments.rounds):
            order = PLACES[:: 1 if number % 2 == 0 else -1]
            rounds.append({place: measure(studies[place], results) for place in order})
    if len({weights for one in rounds for _, weights in one.values()}) > 1:
        raise SystemExit("the runs end in different weights")
    for place in PLACES:
        rows = [one[place][0] for one in rounds]
        ratios = [
            one[place][0]["environment_rate"] / one["here"][0]["environment_rate"] for one in rounds
        ]
        figures = {name: median(row[name] for row in rows) for name in COLUMNS}
        figures |= {"ratio": median(ratios), "lowest": min(ratios), "highest": max(ratios)}
        case = {"task": arguments.task, "seeds": arguments.seeds, "simulators": place}
        print(json.dumps(case | {name: round(x, 3) for name, x in figures.items()}), flush=True)


def study_of(arguments: argparse.Namespace, place: str) -> Study:
    """Return the study to measure, which spends next to nothing on all but fine-tuning."""

    task, steps = arguments.task, arguments.steps
    dataset = task.partition("-singletask-")[0] + "-v0"
    little = {"source": "scripted", "episodes": 4, "validation_episodes": 1}
    settings = yaml.safe_load((ROOT / "config.yaml").read_text())
    if arguments.overlay:
        settings = overlaid(settings, yaml.safe_load(arguments.overlay.read_text()))
    own = {
        "tasks": [task],
        "methods": ["fmq"],
        "samplers": [],
        "seeds": list(range(arguments.seeds)),
        "device": "cpu",
        "datasets": {dataset: little | {"episode_length": 200, "action_noise": 0.1, "seed": 0}},
        "training": {"log_every": 100, "stack_seeds": True},
        "offline": {"steps": 20, "warmup_steps": 10, "anneal_end": 20, "evaluate_every": 100},
        "online": {
            **{"steps": steps, "start_training": 200, "evaluate_every": steps},
            **{"capacity": 100_000, "simulators": place},
        },
        "evaluation": {"episodes": 1, "environments": 1},
    }
    return study_from_dict(overlaid(settings, own), "benchmark")


def runs_of(study: Study, name: str) -> list[Run]:
    return [make_run(study, study.tasks[0], seed, name) for seed in study.seeds]


def prepare(study: Study, results: Path) -> None:
    """Make the data and the offline runs."""
    name = study.task(study.tasks[0]).dataset
    generate_dataset(name, find_dataset(study, name), dataset_folder(study, name, results), 1)
    for run in ("pretrain-warmup", "distill-esd"):
        train_offline(runs_of(study, run), results)


def measure(study: Study, results: Path) -> tuple[dict[str, float], bytes]:
    """Fine-tune; return the medians of the metrics' rows, and the weights of the first seed."""
    runs = runs_of(study, "finetune-fmq")
    finetune(runs, results)
    folder = run_folder(runs[0], results)
    rows = pd.read_csv(folder / "metrics.csv")[2:]  # without start-up and warming up
    weights = (folder / "checkpoint.pt").read_bytes()
    for run in runs:
        shutil.rmtree(run_folder(run, results))
    return {name: float(rows[name].median()) for name in COLUMNS}, weights


if __name__ == "__main__":
    main()
