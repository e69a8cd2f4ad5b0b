"""Measure the peak memory of the stages at the paper's sizes, on synthetic data of official size.

    python benchmarks/memory.py cube-triple-play-singletask-task3-v0 ... [--seeds 3]

Prints one JSON line per task and stage: the peak resident memory of the process and the size of the
training file's arrays, both in MiB. With several seeds, a training stage is one process for all of
them. `rules.memory_mb` is based on these figures. The runs are short, because memory does not
depend on the number of steps. Runs on the CPU; with a GPU the host needs less memory.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import gymnasium
import numpy as np
import ogbench  # noqa: F401  (registers the simulators)

from fmq.base.files import file_sha256
from fmq.config.reading import load_study
from fmq.config.section import overlaid
from fmq.config.sources import find_source
from fmq.config.study import Study
from fmq.data.manifest import write_manifest
from fmq.pipeline.paths import dataset_folder, settings_file

ROOT = Path(__file__).parents[1]
SHORT = {
    "device": "cpu",
    "offline": {"steps": 8, "warmup_steps": 4, "anneal_end": 8, "evaluate_every": 2},
    "online": {"steps": 4, "start_training": 2, "evaluate_every": 2},
    "training": {"log_every": 2},
    "evaluation": {"episodes": 10},
}
STAGES = {
    "pretrain": ["pretrain", "--budget", "warmup"],
    "distill": ["distill", "--kind", "esd"],
    "finetune": ["finetune", "--method", "fmq"],
    "evaluate": ["evaluate", "--run", "finetune-fmq", "--sampler", "best_of_n"],
}


def write_data(study: Study, task: str, results: Path) -> int:
    """Write a training file of official shape, filled with one state; return its array bytes."""
    name = study.task(task).dataset
    rows = find_source(name).rows
    if rows is None:
        raise SystemExit(f"{name}: sources.yaml does not list its number of rows")
    simulator = gymnasium.make(study.task(task).environment)
    observation, _ = simulator.reset(seed=0)
    widths = {"observations": len(observation), "actions": simulator.action_space.shape[0]}
    widths |= {"qpos": simulator.unwrapped.model.nq, "qvel": simulator.unwrapped.model.nv}
    arrays = {key: np.zeros((rows, width), np.float32) for key, width in widths.items()}
    arrays["observations"] += observation
    arrays["qpos"] += simulator.unwrapped.data.qpos
    if hasattr(simulator.unwrapped, "_cur_button_states"):
        buttons = simulator.unwrapped._cur_button_states
        arrays["button_states"] = np.zeros((rows, len(buttons)), np.int64) + buttons
    arrays["terminals"] = np.arange(rows) % 1001 == 1000
    arrays["terminals"][-1] = True
    folder = dataset_folder(study, name, results)
    folder.mkdir(parents=True)
    path = folder / f"{name}.npz"
    np.savez(path, **arrays)
    entry = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    write_manifest(folder, {"name": name, "source": "made up", "files": {path.name: entry}})
    return sum(array.nbytes for array in arrays.values())


def peak_mb(command: list[str], folder: Path) -> int:
    """Run a command to its end and return its peak resident memory in MiB."""
    log = folder / "log.txt"
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=folder, stderr=file)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed: {log.read_text().splitlines()[-1:]}")
    return usage.ru_maxrss // 1024


def measure(task: str, folder: Path, count: int) -> None:
    """Print the peak memory of every stage of one task, with `count` seeds trained together."""
    paper = load_study(ROOT / "config.yaml", ROOT / "config/paper.yaml").model_dump(mode="json")
    changes = {"task_settings": {task: {"episode_limit": 10}}, "seeds": list(range(count))}
    changes |= {"training": {**SHORT["training"], "stack_seeds": count > 1}}
    short = overlaid(paper, SHORT | changes)
    settings = folder / "settings.json"
    settings.write_text(json.dumps(short))
    study = load_study(settings)
    results = folder / "results"
    raw = write_data(study, task, results)
    settings_file(results).write_text(settings.read_text())
    for stage, (command, *options) in STAGES.items():
        fmq = str(Path(sys.executable).with_name("fmq"))
        together = [0] if stage == "evaluate" else study.seeds
        seeds = [word for seed in together for word in ("--seed", str(seed))]
        peak = peak_mb([fmq, command, task, *seeds, *options], folder)
        found = {"seeds": len(together), "peak_mb": peak, "raw_mb": raw // 2**20}
        print(json.dumps({"task": task, "stage": stage, **found}))
        sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="+")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds trained together")
    arguments = parser.parse_args()
    for name in arguments.tasks:
        with tempfile.TemporaryDirectory() as temporary:
            measure(name, Path(temporary), arguments.seeds)
