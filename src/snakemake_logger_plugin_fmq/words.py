"""Texts about a running study."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from fmq.config.task_names import short_task_names
from fmq.tools.status.logs import TAIL
from fmq.tools.status.report import duration

TAIL_LINES = 20
"""Number of lines shown of a failed job's log."""


_UNTOLD = ("task", "seed", "identity", "sampling")
"""Wildcards that a job's name shows in another form, or, for hashes, not at all."""


def job_name(rule: str, wildcards: Mapping[str, str]) -> str:
    """Return a readable job name, such as `finetune fmq pointmaze-medium task4 seed 1`."""
    words = [rule, *(value for key, value in wildcards.items() if key not in _UNTOLD)]
    if task := wildcards.get("task"):
        words.append(short_task_names([task])[task])
    if seed := wildcards.get("seed"):
        words.append(f"seed {seed}")
    return " ".join(words)


def progress_line(
    done: int, total: int, left: float | None, running: Iterable[str], width: int
) -> str:
    """Return the progress of a study in one line of at most `width` columns.

    Args:
        done: number of finished jobs.
        total: number of all jobs.
        left: seconds left, or None if not known yet.
        running: names of the running jobs; as many are shown as fit.
        width: maximum number of columns.
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
    """Return the last lines of a failed job's log, below a line that names the file."""
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
    """Return the outcome of a study: the files of the last job, or the failed jobs.

    Args:
        done: number of finished jobs.
        total: number of all jobs.
        seconds: duration of the study so far.
        files: files of the last job, which are those Snakemake was asked for.
        failed: jobs that failed for good, each with its log.
    """
    if done < total:
        told = f"{done} of {total} jobs done in {duration(seconds)}"
        return "\n".join([f"{told}; run the same command again to continue", *failed])
    told = f"All {total} jobs done in {duration(seconds)}"
    if not files:
        return told
    shown = next((file for file in files if file.endswith(".md")), files[0])
    return f"{told}: {shown}" + (f" and {len(files) - 1} more" if len(files) > 1 else "")
