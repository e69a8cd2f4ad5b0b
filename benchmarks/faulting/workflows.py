"""Kill whole workflows at random moments; compare their scores, and find repeated jobs."""

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
from fmq.config.reading import load_study
from fmq.pipeline.studies import study_folder


def copy_project(folder: Path) -> Path:
    """Copy the files of a clone that a study needs, and write the overlay."""
    for name in ("src", "workflow", "profiles", "config", "slurm"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "overlay.yaml").write_text(OVERLAY)
    return folder


def scores_file(folder: Path) -> str:
    """Return the path of the study's scores, relative to the project."""
    study = load_study(
        folder / "config.yaml", folder / "config" / "smoke.yaml", folder / "overlay.yaml"
    )
    return str(study_folder(study, Path("results")) / "scores.csv")


def snakemake(folder: Path, log: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start Snakemake on this program's study, up to its scores; it logs every job."""
    files = ["--configfile", "config/smoke.yaml", "overlay.yaml", "--", scores_file(folder)]
    return start(
        [sys.executable, "-m", "snakemake", "--printshellcmds", *options, *files], folder, log
    )


def jobs_in(log: Path, finished: bool) -> set[str]:
    """Return the outputs of the jobs that a Snakemake log reports as started, or as finished."""
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
            raise SystemExit("cancelled Slurm jobs are still running")
        time.sleep(0.5)


def disturb_workflow(
    folder: Path, options: list[str], moment: float, scores: bytes
) -> dict[str, object]:
    """Kill a workflow, give the same command again, and return the verdict."""
    process = snakemake(folder, folder / "first.txt", *options)
    landed = finish_or_kill(process, moment, signal.SIGKILL) is not None
    if "slurm" in options:
        cancel_jobs()
    left = snakemake(folder, folder / "second.txt", *options).wait()
    same = left == 0 and (folder / scores_file(folder)).read_bytes() == scores
    done = jobs_in(folder / "first.txt", finished=True)
    repeated = sorted(done & jobs_in(folder / "second.txt", finished=False))
    verdict: dict[str, object] = {"killed": landed, "moment": round(moment, 1), "exit_code": left}
    verdict |= {"same_scores": same, "finished_before": len(done), "repeated": len(repeated)}
    if not same or repeated:
        verdict |= {"which": repeated, "log": (folder / "second.txt").read_text()[-2000:]}
    return verdict


def disturb_workflows(kills: int, seed: int, options: list[str]) -> bool:
    """Run trials until enough kills landed; return whether none changed the scores.

    The answer is also False if a workflow repeated a job that was finished before the kill.
    """
    with tempfile.TemporaryDirectory() as temporary:
        reference = copy_project(Path(temporary) / "reference")
        before = time.monotonic()
        if snakemake(reference, reference / "log.txt", *options).wait():
            raise SystemExit((reference / "log.txt").read_text())
        seconds = time.monotonic() - before
        if not jobs_in(reference / "log.txt", finished=True):
            raise SystemExit("Snakemake's log does not show which jobs have finished")
        scores = (reference / scores_file(reference)).read_bytes()
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
