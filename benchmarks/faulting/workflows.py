"""Whole workflows killed at random moments: their scores, and what they did twice."""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from faulting.processes import OVERLAY, PATIENCE, ROOT, finish_or_kill, start


def copy_project(folder: Path) -> Path:
    """What a clone holds for a study, and the overlay."""
    for name in ("src", "workflow", "profiles", "config", "slurm"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "overlay.yaml").write_text(OVERLAY)
    return folder


def snakemake(folder: Path, log: Path, *options: str) -> subprocess.Popen[bytes]:
    """Snakemake on the study of this program, up to its scores."""
    files = ["--configfile", "config/smoke.yaml", "overlay.yaml", "--", "results/scores.csv"]
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


def cancel_jobs() -> None:
    """Cancel this user's Slurm jobs, which outlive a killed Snakemake, and wait for their end."""
    subprocess.run(["scancel", "--me"], check=True)
    deadline = time.monotonic() + PATIENCE
    while subprocess.run(["squeue", "--me", "--noheader"], capture_output=True).stdout:
        if time.monotonic() > deadline:
            raise SystemExit("cancelled Slurm jobs run on")
        time.sleep(0.5)


def disturb_workflow(
    folder: Path, options: list[str], moment: float, scores: bytes
) -> dict[str, object]:
    """Kill a workflow, give the same command again, and compare."""
    process = snakemake(folder, folder / "first.txt", *options)
    landed = finish_or_kill(process, moment, signal.SIGKILL) is not None
    if "slurm" in options:
        cancel_jobs()
    left = snakemake(folder, folder / "second.txt", *options).wait()
    same = left == 0 and (folder / "results" / "scores.csv").read_bytes() == scores
    done = jobs_in(folder / "first.txt", finished=True)
    repeated = sorted(done & jobs_in(folder / "second.txt", finished=False))
    verdict: dict[str, object] = {"killed": landed, "moment": round(moment, 1), "exit_code": left}
    verdict |= {"same_scores": same, "finished_before": len(done), "repeated": len(repeated)}
    if not same or repeated:
        verdict |= {"which": repeated, "log": (folder / "second.txt").read_text()[-2000:]}
    return verdict


def disturb_workflows(kills: int, seed: int, options: list[str]) -> bool:
    """Trials until enough kills have landed; whether all scores are those of an undisturbed run."""
    with tempfile.TemporaryDirectory() as temporary:
        reference = copy_project(Path(temporary) / "reference")
        before = time.monotonic()
        if snakemake(reference, reference / "log.txt", *options).wait():
            raise SystemExit((reference / "log.txt").read_text())
        seconds = time.monotonic() - before
        scores = (reference / "results" / "scores.csv").read_bytes()
        landed = trials = 0
        good = True
        while landed < kills:
            moment = random.Random(f"{seed}/{trials}").uniform(0.05, 0.95) * seconds
            folder = copy_project(Path(temporary) / f"trial{trials}")
            verdict = disturb_workflow(folder, options, moment, scores)
            landed += bool(verdict["killed"])
            good &= bool(verdict["same_scores"]) and not verdict["repeated"]
            print(json.dumps({"trial": trials, **verdict}), flush=True)
            shutil.rmtree(folder)
            trials += 1
    print(json.dumps({"seed": seed, "trials": trials, "kills": landed, "all_good": good}))
    return good
