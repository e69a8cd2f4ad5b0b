"""What is said of a study that runs, as text."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from fmq.analysis.style import short_task_names
from fmq.status.logs import TAIL
from fmq.status.report import duration

TAIL_LINES = 20
"""Lines shown of a failed job's log."""


def job_name(rule: str, wildcards: Mapping[str, str]) -> str:
    """Return `finetune fmq pointmaze-medium task4 seed 1`: a rule's job as a person names it."""
    words = [rule, *(value for key, value in wildcards.items() if key not in ("task", "seed"))]
    if task := wildcards.get("task"):
        words.append(short_task_names([task])[task])
    if seed := wildcards.get("seed"):
        words.append(f"seed {seed}")
    return " ".join(words)


def progress_line(
    done: int, total: int, left: float | None, running: Iterable[str], width: int
) -> str:
    """Return how far a study is in one line of at most `width` columns.

    Args:
        left: seconds, or None where nobody knows yet.
        running: names of the jobs under way; as many are given as fit.
    """
    time = "time left not known yet" if left is None else f"about {duration(max(left, 1))} left"
    line = f"{done} of {total} jobs, {time}"
    names = list(running)
    for count in range(len(names), 0, -1):
        more = f", +{len(names) - count}" if count < len(names) else ""
        if len(line) + len(full := f" | {', '.join(names[:count])}{more}") <= width:
            return line + full
    return line[:width]


def log_tail(path: Path) -> str:
    """Return the last lines of a failed job's log, under a line that names the file."""
    try:
        with path.open("rb") as file:
            start = max(path.stat().st_size - TAIL, 0)
            file.seek(start)
            lines = file.read().decode(errors="replace").splitlines()
    except OSError as error:
        return f"{path}: {error.strerror}"
    whole = start == 0 and len(lines) <= TAIL_LINES
    heading = "is empty" if not lines else "says:" if whole else "ends with:"
    return "\n".join([f"{path} {heading}", *(f"    {line}" for line in lines[-TAIL_LINES:])])


def closing(done: int, total: int, seconds: float, files: list[str], failed: list[str]) -> str:
    """Return what has come of a study: what the last job made, or what failed.

    Args:
        files: of the last job, which is what Snakemake was asked for.
        failed: jobs that failed for good, each with its log.
    """
    if done < total:
        told = f"{done} of {total} jobs done in {duration(seconds)}"
        return "\n".join([f"{told}; the same command goes on from there", *failed])
    told = f"All {total} jobs done in {duration(seconds)}"
    if not files:
        return told
    shown = next((file for file in files if file.endswith(".md")), files[0])
    return f"{told}: {shown}" + (f" and {len(files) - 1} more" if len(files) > 1 else "")
