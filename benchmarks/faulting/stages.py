"""Kill single stages at random moments, and compare them byte by byte with undisturbed ones."""

import json
import random
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from faulting.processes import OVERLAY, ROOT, TASK, finish_or_kill, start
from fmq.cli import EXIT_STOPPED
from fmq.config.reading import load_study

STAGES = {
    "pretrain-warmup": ["pretrain", TASK, "--seed", "0", "--budget", "warmup"],
    "pretrain-full": ["pretrain", TASK, "--seed", "0", "--budget", "full"],
    "distill-esd": ["distill", TASK, "--seed", "0", "--kind", "esd"],
    "finetune-fmq": ["finetune", TASK, "--seed", "0", "--method", "fmq"],
    "finetune-qc": ["finetune", TASK, "--seed", "0", "--method", "qc"],
}
COMPARED = ("checkpoint.pt", "evaluations.csv", "last_evaluation.csv", "last_evaluation.json")


def is_heeded(code: int, number: int, started: float, results: Path) -> bool:
    """Return whether a stage ended as it should after the signal.

    SIGTERM leads to the exit code `EXIT_STOPPED`, unless it came before there was any progress to
    keep, or after everything was done.
    """
    files = results.glob("scratch/*/*/*/progress/progress.pt")
    kept = any(file.stat().st_mtime > started for file in files)
    if number == signal.SIGKILL:
        return code in (-number, 0)
    return code in (EXIT_STOPPED, 0) or (code == -number and not kept)


def prepare_stages(folder: Path) -> dict[str, float]:
    """Make the undisturbed runs in ``folder/results``; return the seconds that each took."""
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
    """Kill a run one to three times, let it finish, and return the verdict."""
    dice = random.Random(random_seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        results = folder / "results"
        runs = results / "runs" / TASK / "seed0"
        runs.mkdir(parents=True)
        for part in ("settings.json", "datasets"):
            (results / part).symlink_to(reference / "results" / part)
        undisturbed = reference / "results" / "runs" / TASK / "seed0"
        originals = {path.name.rpartition("-")[0]: path for path in undisturbed.iterdir()}
        original = originals.pop(name)
        for other in originals.values():
            (runs / other.name).symlink_to(other)
        kills, heeded = [], True
        for _ in range(dice.randint(1, 3)):
            number = signal.SIGTERM if dice.random() < 0.2 else signal.SIGKILL
            moment = dice.uniform(0.2, 1.1) * seconds
            started = time.time()
            process = start(["fmq", *STAGES[name]], folder, folder / "log.txt")
            code = finish_or_kill(process, moment, number)
            if code is not None and code != 0:
                kills.append(f"{signal.Signals(number).name} at {moment:.2f} s: {code}")
                heeded &= is_heeded(code, number, started, results)
        left = start(["fmq", *STAGES[name]], folder, folder / "log.txt").wait()
        same = heeded and left == 0
        same = same and all(
            (runs / original.name / file).read_bytes() == (original / file).read_bytes()
            for file in COMPARED
        )
        verdict = {"stage": name, "kills": kills, "heeded": heeded, "exit_code": left}
        verdict |= {"identical": same}
        return verdict if same else verdict | {"log": (folder / "log.txt").read_text()[-2000:]}


def disturb_stages(kills: int, seed: int, workers: int) -> bool:
    """Run trials until enough kills landed; return whether all runs ended as if undisturbed."""
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(workers) as pool:
        reference = Path(temporary)
        seconds = prepare_stages(reference)
        landed = trials = 0
        good = True
        while landed < kills:
            names = [
                random.Random(f"{seed}/{trials + n}").choice(list(STAGES)) for n in range(workers)
            ]
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
