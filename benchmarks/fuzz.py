"""Feed damaged files to every reader, and report how each handled them.

    python benchmarks/fuzz.py --inputs 100000 --seed 0 [--reader npz] [--keep FOLDER]

A reader must either accept an input with the values that it holds, or refuse it with a `UserError`
of one line. Anything else is a fault: another exception, a crash, more than 5 seconds or 1 GB, a
file left behind (which also shows that data was executed), a message of several lines or over 2,000
characters, or a value that an independent reader (`fuzzing/judge_*.py`) finds wrong.

Prints one JSON line per reader; the exit code is 1 if there was a fault. The same seed makes the
same inputs. Inputs are read in a forked process, so that a crash loses only one of them.
"""

import argparse
import json
import multiprocessing
import os
import resource
import signal
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import torch
from fuzzing.targets import TARGETS, Target, make_input

from fmq.base.errors import UserError

SHARES = {"hdf5 meaning": 0.05}
"""Share of inputs of slow readers, relative to the others: this one moves a robot each time."""

SECONDS = 5.0
MEMORY = 2**30
MESSAGE = 2000


class Outcome(NamedTuple):
    """How a reader handled an input; `kind` is accepted, refused or fault."""

    index: int
    kind: str
    reason: str
    seconds: float


def main() -> None:
    """Run the program; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000, help="for all readers together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", choices=TARGETS, action="append", help="default: all")
    parser.add_argument("--keep", type=Path, help="folder for inputs that cause faults")
    arguments = parser.parse_args()
    names = arguments.reader or list(TARGETS)
    weights = {name: SHARES.get(name, 1) for name in names}
    faults = 0
    for name in names:
        share = round(arguments.inputs * weights[name] / sum(weights.values()))
        report = fuzz(name, share, arguments.seed, arguments.keep)
        print(json.dumps(report, ensure_ascii=True), flush=True)
        faults += report["faults"]
    raise SystemExit(1 if faults else 0)


def fuzz(name: str, inputs: int, seed: int, keep: Path | None = None) -> dict[str, Any]:
    """Feed `inputs` damaged files to one reader.

    Args:
        name: the reader, a key of `TARGETS`.
        inputs: number of inputs.
        seed: determines all inputs.
        keep: folder for inputs that cause faults, if given.

    Returns:
        Counts, seconds, and a description of each distinct fault with the number of one input.
    """
    started = time.monotonic()
    counts: Counter[str] = Counter()
    found: dict[str, int] = {}
    slowest = 0.0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        folder = Path(temporary) / "work"
        folder.mkdir()
        target = TARGETS[name](folder)
        for outcome in _outcomes(target, name, seed, inputs, folder):
            counts[outcome.kind] += 1
            slowest = max(slowest, outcome.seconds)
            if outcome.kind == "fault" and outcome.reason not in found:
                found[outcome.reason] = outcome.index
                if keep is not None:
                    _keep(keep, name, target, seed, outcome)
    return {
        "reader": name,
        "seed": seed,
        "inputs": inputs,
        **{kind: counts[kind] for kind in ("accepted", "refused")},
        "faults": counts["fault"],
        "seconds": round(time.monotonic() - started, 1),
        "slowest": round(slowest, 2),
        "first_of_each_fault": {str(index): reason for reason, index in found.items()},
    }


def input_random(name: str, seed: int, index: int) -> Random:
    """Return the random stream of all choices that make an input."""
    return Random(f"{name} {seed} {index}")


def _keep(keep: Path, name: str, target: Target, seed: int, outcome: Outcome) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    stem = f"{name}-{seed}-{outcome.index}"
    content, _ = make_input(target, input_random(name, seed, outcome.index))
    (keep / f"{stem}{Path(target.file).suffix}").write_bytes(content)
    (keep / f"{stem}.txt").write_text(outcome.reason + "\n", errors="backslashreplace")


def _outcomes(target: Target, name: str, seed: int, inputs: int, folder: Path) -> Iterator[Outcome]:
    """Yield one outcome per input; after a crash, another process continues with the next."""
    fork = multiprocessing.get_context("fork")
    index = 0
    while index < inputs:
        ours, theirs = fork.Pipe(duplex=False)
        arguments = (target, name, seed, range(index, inputs), folder, theirs)
        process = fork.Process(target=_work, args=arguments)
        process.start()
        theirs.close()
        while True:
            try:
                outcome = ours.recv()
            except EOFError:
                break
            index = outcome.index + 1
            yield outcome
        process.join()
        if index < inputs:
            yield Outcome(index, "fault", _death(process.exitcode), 0.0)
            index += 1


def _death(exit_code: int | None) -> str:
    if exit_code == -signal.SIGALRM:
        return f"took over {SECONDS:g} s"
    return f"the process died, exit code {exit_code}"


def _work(
    target: Target, name: str, seed: int, indices: range, folder: Path, results: Connection
) -> None:
    """Read inputs one by one; SIGALRM with its default action ends a hang even inside C."""
    os.chdir(folder)
    os.environ["TMPDIR"] = str(folder.parent)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + 4 * MEMORY,) * 2)
    for index in indices:
        content, only_bytes = make_input(target, input_random(name, seed, index))
        results.send(read(target, index, content, only_bytes, folder))


def read(target: Target, index: int, content: bytes, only_bytes: bool, folder: Path) -> Outcome:
    """Write one input into `folder` and feed it to the reader in this process."""
    path = folder / target.file
    path.write_bytes(content)
    before, peak = _listing(folder), _peak()
    started = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    accepted = None
    try:
        accepted = target.read(path)
        kind, reason = "accepted", ""
    except UserError as error:
        kind, reason = "refused", ""
        if len(str(error).splitlines()) != 1 or not str(error).isprintable():
            kind, reason = "fault", f"a message that is no line: {str(error)[:300]!r}"
        elif len(str(error)) > MESSAGE:
            kind, reason = "fault", f"a message of over {MESSAGE} characters: {str(error)[:200]}"
    except Exception as error:
        kind, reason = "fault", _described(error)
    signal.setitimer(signal.ITIMER_REAL, 0)
    seconds = time.monotonic() - started
    if _peak() - peak > MEMORY:
        kind, reason = "fault", f"took over {MEMORY >> 20} MB more ({reason or kind})"
    left = sorted(_listing(folder) - before)
    if left:
        kind, reason = "fault", f"left behind: {left}"
        for name in left:
            (folder / name).unlink()
    if kind == "accepted":
        fault = _verdict(target, path, accepted, only_bytes)
        kind, reason = ("fault", f"accepted: {fault}") if fault else (kind, reason)
    return Outcome(index, kind, reason, seconds)


def _verdict(target: Target, path: Path, accepted: Any, only_bytes: bool) -> str | None:
    try:
        return target.judge(path, accepted, only_bytes)
    except Exception as error:
        return f"the judge cannot read it ({_described(error)})"


def _listing(folder: Path) -> set[str]:
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return found | {f"../{path.name}" for path in folder.parent.iterdir()}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _described(error: Exception) -> str:
    """Return type and place of an exception; its text would separate inputs that fail alike."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if "/fmq/" in frame.filename] or frames
    place = f"{Path(inside[-1].filename).name}:{inside[-1].lineno}"
    return f"{type(error).__name__} at {place}"


if __name__ == "__main__":
    main()
