"""Kill stages and whole workflows at random moments, and see whether they end as if undisturbed.

    python benchmarks/faults.py stages --kills 200 --seed 0
    python benchmarks/faults.py snakemake --kills 20 --seed 0
    python benchmarks/faults.py slurm --kills 5 --seed 0     # where a Slurm runs

`stages` kills single `fmq` commands (SIGKILL, and SIGTERM one time in five) until the wanted number
of kills has landed, starts each again with the same command, and compares checkpoint and
evaluations with an undisturbed run to the byte. The others kill Snakemake with all its children
and give the same command again; they compare scores.csv, and count jobs that had
finished and were run again. Prints one JSON line per trial and one at the end; exit code 1 if
anything differed or needed a hand.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fmq.cli import STOPPED
from fmq.configuration import load_study

ROOT = Path(__file__).parents[1]
TASK = "pointmaze-medium-navigate-singletask-task2-v0"
OVERLAY = f"""
name: faults
tasks: [{TASK}]
methods: [fmq, qc]
checkpoint_seconds: 0.3
task_defaults: {{episode_limit: 60}}
datasets:
  pointmaze-medium-navigate-v0: {{episodes: 4, validation_episodes: 1, episode_length: 100}}
networks: {{hidden_width: 16}}
training: {{batch_size: 16, log_every: 50}}
offline: {{steps: 900, warmup_steps: 400, anneal_end: 600, evaluate_every: 200}}
online: {{steps: 700, start_training: 60, update_every: 1, evaluate_every: 250}}
evaluation: {{episodes: 4, environments: 4}}
statistics: {{resamples: 200}}
"""
STAGES = {
    "pretrain-warmup": ["pretrain", TASK, "--seed", "0", "--budget", "warmup"],
    "pretrain-full": ["pretrain", TASK, "--seed", "0", "--budget", "full"],
    "distill-esd": ["distill", TASK, "--seed", "0", "--kind", "esd"],
    "finetune-fmq": ["finetune", TASK, "--seed", "0", "--method", "fmq"],
    "finetune-qc": ["finetune", TASK, "--seed", "0", "--method", "qc"],
}
COMPARED = ("checkpoint.pt", "evaluations.csv")
PATIENCE = 60.0  # seconds in which a signal has to be heeded


def environment() -> dict[str, str]:
    """Of child processes: this Python's commands, and the sources beside this program."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT / "src")}


def start(command: list[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """A command in a session of its own, so that it can be killed with all its children."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def finish_or_kill(process: subprocess.Popen[bytes], seconds: float, number: int) -> bool:
    """Kill the whole session after a time; whether the kill came before its own end.

    Raises:
        SystemExit: it did not end as that signal should end it.
    """
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, number)
    else:
        return False
    code = process.wait(PATIENCE)
    # A signal that comes before its handler, or with the work all done, ends it otherwise.
    if code not in (-number, STOPPED, 0):
        raise SystemExit(f"exit code {code} after {signal.Signals(number).name}")
    return code != 0


# Stages


def prepare_stages(folder: Path) -> dict[str, float]:
    """The undisturbed runs in ``folder/results``; how many seconds each took."""
    (folder / "overlay.yaml").write_text(OVERLAY)
    study = load_study(ROOT / "config.yaml", ROOT / "config/smoke.yaml", folder / "overlay.yaml")
    (folder / "results").mkdir()
    (folder / "results" / "settings.json").write_text(study.model_dump_json())
    commands = {"dataset": ["dataset", *study.dataset_names()], **STAGES}
    seconds = {}
    for name, command in commands.items():
        before = time.monotonic()
        if start(["fmq", *command], folder, folder / "log.txt").wait():
            raise SystemExit((folder / "log.txt").read_text())
        seconds[name] = time.monotonic() - before
    return seconds


def disturb_stage(
    reference: Path, name: str, seconds: float, random_seed: str
) -> dict[str, object]:
    """One run that is killed one to three times and then left alone."""
    dice = random.Random(random_seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        results = folder / "results"
        runs = results / "runs" / TASK / "seed0"
        runs.mkdir(parents=True)
        for part in ("settings.json", "datasets"):
            (results / part).symlink_to(reference / "results" / part)
        original = reference / "results" / "runs" / TASK / "seed0"
        for other in STAGES:
            if other != name:
                (runs / other).symlink_to(original / other)
        kills = []
        for _ in range(dice.randint(1, 3)):
            number = signal.SIGTERM if dice.random() < 0.2 else signal.SIGKILL
            moment = dice.uniform(0.2, 1.1) * seconds
            process = start(["fmq", *STAGES[name]], folder, folder / "log.txt")
            if finish_or_kill(process, moment, number):
                kills.append(f"{signal.Signals(number).name} at {moment:.2f} s")
        left = start(["fmq", *STAGES[name]], folder, folder / "log.txt").wait()
        same = left == 0 and all(
            (runs / name / file).read_bytes() == (original / name / file).read_bytes()
            for file in COMPARED
        )
        verdict = {"stage": name, "kills": kills, "exit_code": left, "identical": same}
        return verdict if same else verdict | {"log": (folder / "log.txt").read_text()[-2000:]}


def disturb_stages(kills: int, seed: int, workers: int) -> bool:
    """Trials until enough kills have landed; whether every run ended as if undisturbed."""
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(workers) as pool:
        reference = Path(temporary)
        seconds = prepare_stages(reference)
        landed = trials = 0
        good = True
        while landed < kills:
            names = [random.Random(f"{seed}/{trials + n}").choice(list(STAGES)) for n in range(8)]
            jobs = [
                pool.submit(disturb_stage, reference, name, seconds[name], f"{seed}/{trials + n}/")
                for n, name in enumerate(names)
            ]
            for job in jobs:
                verdict = job.result()
                landed += len(verdict["kills"])  # type: ignore[arg-type]
                good &= bool(verdict["identical"])
                print(json.dumps({"trial": trials, **verdict}), flush=True)
                trials += 1
    print(json.dumps({"seed": seed, "trials": trials, "kills": landed, "all_identical": good}))
    return good


# Whole workflows


def copy_project(folder: Path) -> Path:
    """What a clone holds for a study, and the overlay."""
    for name in ("src", "workflow", "profiles", "config", "slurm"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "overlay.yaml").write_text(OVERLAY)
    return folder


def snakemake(folder: Path, log: Path, *options: str) -> subprocess.Popen[bytes]:
    """Snakemake on the study of this program."""
    files = ["--configfile", "config/smoke.yaml", "overlay.yaml"]
    return start([sys.executable, "-m", "snakemake", *options, *files], folder, log)


def jobs_in(log: Path, finished: bool) -> set[str]:
    """Outputs of the jobs that a log of Snakemake reports as started, or as finished."""
    text = log.read_text()
    blocks = re.findall(r"^    output: (.*?)\n(?:.*\n)*?    jobid: (\d+)$", text, re.MULTILINE)
    outputs = {number: output for output, number in blocks}
    if not finished:
        return set(outputs.values())
    return {
        outputs[n]
        for n in re.findall(r"^Finished jobid: (\d+)", text, re.MULTILINE)
        if n in outputs
    }


def disturb_workflows(kills: int, seed: int, options: list[str]) -> bool:
    """Kill a workflow once per trial and run it again; whether all scores are the undisturbed."""
    with tempfile.TemporaryDirectory() as temporary:
        reference = copy_project(Path(temporary) / "reference")
        before = time.monotonic()
        if snakemake(reference, reference / "log.txt", *options).wait():
            raise SystemExit((reference / "log.txt").read_text())
        seconds = time.monotonic() - before
        scores = (reference / "results" / "scores.csv").read_bytes()
        good = True
        for trial in range(kills):
            dice = random.Random(f"{seed}/{trial}")
            folder = copy_project(Path(temporary) / f"trial{trial}")
            moment = dice.uniform(0.05, 0.95) * seconds
            process = snakemake(folder, folder / "first.txt", *options)
            landed = finish_or_kill(process, moment, signal.SIGKILL)
            left = snakemake(folder, folder / "second.txt", *options).wait()
            same = left == 0 and (folder / "results" / "scores.csv").read_bytes() == scores
            done = jobs_in(folder / "first.txt", finished=True)
            repeated = sorted(done & jobs_in(folder / "second.txt", finished=False))
            verdict = {"trial": trial, "killed": landed, "moment": round(moment, 1)}
            verdict |= {"exit_code": left, "same_scores": same, "finished_before": len(done)}
            verdict |= {"repeated": len(repeated)}
            good &= same and not repeated
            if not same or repeated:
                verdict |= {"which": repeated, "log": (folder / "second.txt").read_text()[-2000:]}
            print(json.dumps(verdict), flush=True)
            shutil.rmtree(folder)
    print(json.dumps({"seed": seed, "kills": kills, "all_good": good, "seconds": round(seconds)}))
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["stages", "snakemake", "slurm"])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="stages at a time")
    arguments = parser.parse_args()
    if arguments.what == "stages":
        good = disturb_stages(arguments.kills, arguments.seed, arguments.workers)
    else:
        local = ["--cores", "2"]
        quick = ["--slurm-init-seconds-before-status-checks", "2"]
        cluster = ["--profile", "slurm", "--seconds-between-status-checks", "2", *quick]
        options = local if arguments.what == "snakemake" else cluster
        good = disturb_workflows(arguments.kills, arguments.seed, options)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
