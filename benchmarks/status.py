"""Measure how long the whole `fmq status` process takes on a study of many runs.

    python benchmarks/status.py --runs 1000 --times 5 [--stacked]

Makes a synthetic results folder of the paper's study with enough seeds for the requested number of
training runs, each with its evaluations: a third of the runs is done, a third stopped half-way and
a third failed. Prints one JSON line: runs, parts, files, and the median wall and CPU seconds. No
job is running; the files are in the page cache, as after a first call.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fmq.base.files import write_json
from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.pipeline.graph import study_parts
from fmq.pipeline.parts import Part
from fmq.pipeline.paths import settings_file
from fmq.tools.status.parts import episodes_of, progress_of, scratch_of

ROOT = Path(__file__).parents[1]
ROW = "task,run,sampler,0,online,{step},{episode},1,-100.0,200\n"


def sized_study(runs: int, stacked: bool) -> Study:
    """Return the paper's study with at least `runs` training runs; `stacked` sets stack_seeds."""
    study = load_study(ROOT / "config.yaml", ROOT / "config/paper.yaml")
    training = study.training.model_copy(update={"stack_seeds": stacked})
    study = study.model_copy(update={"training": training})
    one = study.model_copy(update={"seeds": [0]})
    each = sum(part.trains for part in study_parts(one, Path("results")))
    return study.model_copy(update={"seeds": list(range(-(-runs // each)))})


def fill(part: Part, third: int, results: Path) -> None:
    """Write the files of a part that is done (0), was killed (1) or failed (2)."""
    for path in (part.outputs[0], part.log):
        path.parent.mkdir(parents=True, exist_ok=True)
    beats = [f"{part.name}: {step}000/1000000 steps, 150 steps/s\n" for step in range(500)]
    part.log.write_text("".join(beats))
    if third == 0:
        rows = [ROW.format(step=step, episode=n) for step in range(9) for n in range(50)]
        part.outputs[0].write_bytes(b"")
        if (episodes := episodes_of(part)) is not None:
            episodes.write_text("header\n" + "".join(rows))
    if third == 2:
        part.log.write_text("".join(beats) + "fmq: training diverged\n")
    scratch, progress = scratch_of(part, results), progress_of(part, results)
    if progress is not None and scratch is not None:
        progress.mkdir(parents=True, exist_ok=True)
        scratch.mkdir(parents=True, exist_ok=True)
        write_json(scratch / "owner.json", {"host": "elsewhere", "pid": 1})
        (scratch / "lock").touch()


def make_folder(study: Study, results: Path) -> int:
    """Fill a results folder and return the number of parts."""
    write_json(settings_file(results), study.model_dump())
    parts = study_parts(study, results)
    for number, part in enumerate(parts):
        if part.rule != "dataset":
            fill(part, number % 3, results)
    return len(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--stacked", action="store_true", help="with training.stack_seeds")
    arguments = parser.parse_args()
    study = sized_study(arguments.runs, arguments.stacked)
    command = [str(Path(sys.executable).with_name("fmq")), "status", "--results"]
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        parts = make_folder(study, results)
        files = sum(path.is_file() for path in results.rglob("*"))
        wall, cpu = [], []
        for _ in range(arguments.times):
            start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([*command, folder], check=True, stdout=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            wall.append(time.perf_counter() - start)
            cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    runs = arguments.runs
    told = {"runs": runs, "parts": parts, "files": files}
    seconds = {"wall_s": statistics.median(wall), "cpu_s": statistics.median(cpu)}
    print(json.dumps(told | {name: round(value, 3) for name, value in seconds.items()}))


if __name__ == "__main__":
    main()
