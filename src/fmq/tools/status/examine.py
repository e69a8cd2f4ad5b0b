"""Determine the state of every part of a study: done, running, waiting or failed."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from fmq.base.messages import STOPPED
from fmq.config.study import Study
from fmq.pipeline.parts import Part
from fmq.pipeline.paths import settings_file
from fmq.tools.status.alive import (
    Owner,
    Processes,
    holds,
    lately,
    look_around,
    out_of_sight,
    read_owner,
    writes,
)
from fmq.tools.status.logs import Log, read_log
from fmq.tools.status.parts import episodes_of, progress_of, scratch_of, told_parts

DONE, RUNNING, WAITING, FAILED = STATES = ("done", "running", "waiting", "failed")

INTERRUPTED = "interrupted"

_ROW_BYTES = 256  # upper bound for an episode's row in a CSV file


@dataclass(frozen=True)
class State:
    """The state of a part of the study.

    Attributes:
        part: data set, run or evaluation.
        state: one of `STATES`.
        note: why it failed, or why it waits although it was started; empty otherwise.
        step, last_step: progress of a job that has started; None if its log does not show it.
        unit: unit of both steps.
        rate: units per second since the process started.
        seconds_left: seconds to the last step at that rate.
        success: fraction of successful episodes in the last evaluation.
        silence: seconds since the last log line of a running job.
        host: machine of a running job, if it is another one.
    """

    part: Part
    state: str
    note: str = ""
    step: int | None = None
    last_step: int | None = None
    unit: str = ""
    rate: int | None = None
    seconds_left: float | None = None
    success: float | None = None
    silence: float | None = None
    host: str = ""


@dataclass(frozen=True)
class Surroundings:
    """What the examination of all parts shares.

    Attributes:
        results: folder of the study's results.
        processes: processes of this machine.
        begun: when the study was last started, in seconds since the epoch; 0 if unknown.
        episodes: number of episodes per evaluation.
        log_of: reads a log, which several parts may share, only once.
        owner_of: reads the owner of a scratch folder, which evaluations share with their run.
    """

    results: Path
    processes: Processes
    begun: float
    episodes: int
    log_of: Callable[[Path], Log | None]
    owner_of: Callable[[Path], Owner | None]


def examine(study: Study, results: Path) -> list[State]:
    """Determine the state of every part from `results`; each file is read at most once."""
    try:
        begun = settings_file(results).stat().st_mtime
    except OSError:
        begun = 0.0
    episodes, readers = study.evaluation.episodes, (cache(read_log), cache(read_owner))
    around = Surroundings(results, look_around(), begun, episodes, *readers)
    return [_examine(part, around) for part in told_parts(study, results)]


def _examine(part: Part, around: Surroundings) -> State:
    if all(path.exists() for path in part.outputs):
        return State(part, DONE, success=_last_success(episodes_of(part), around.episodes))
    scratch, progress = scratch_of(part, around.results), progress_of(part, around.results)
    owner = around.owner_of(scratch) if scratch else None
    log = around.log_of(part.log)
    state = _from_log(part, log)
    stat = log.stat if log else None
    kept = owner is not None and progress is not None and progress.exists()
    ended = log is not None and (log.failure is not None or log.stopped)
    locked = part.trains and holds(owner, around.processes)
    if locked or (writes(stat, around.processes) and not ended):
        return replace(state, state=RUNNING, silence=_silence(stat))
    if lately(stat) and not ended and out_of_sight(owner, stat, around.processes):
        host = owner.host if owner else ""
        return replace(state, state=RUNNING, host=host, silence=_silence(stat))
    return _at_rest(state, log, kept, around)


def _at_rest(state: State, log: Log | None, kept: bool, around: Surroundings) -> State:
    """Return the state of a part that is not done and that no process works on.

    A log from before the last start of the study no longer counts: the job will start again.

    Args:
        state: state as read from the log.
        log: end of the part's log; None if there is none.
        kept: whether progress is saved.
        around: what all parts share.
    """
    present = log is not None and log.stat.st_mtime >= around.begun
    if log is not None and log.failure is not None and (present or kept):
        if present:
            return replace(state, state=FAILED, note=log.failure)
        return replace(state, note=f"failed before: {log.failure}")
    if kept or (present and not state.part.trains):
        return replace(state, note=STOPPED if log is not None and log.stopped else INTERRUPTED)
    return State(state.part, WAITING)


def _from_log(part: Part, log: Log | None) -> State:
    """Return a waiting state with the progress that the log shows."""
    beat = log.heartbeat if log else None
    if beat is None:
        return State(part, WAITING)
    last = part.run.last_step if part.trains and part.run else beat.total
    return State(
        part,
        WAITING,
        step=last - beat.total + beat.done,  # a process counts from where it resumed
        last_step=last,
        unit=beat.unit,
        rate=beat.rate,
        seconds_left=beat.seconds_left,
        success=beat.success,
    )


def _last_success(path: Path | None, episodes: int) -> float | None:
    """Read the success rate of the last evaluation in a CSV file; None if there is none."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - episodes * _ROW_BYTES, 0))
            rows = file.read().decode(errors="replace").splitlines()[1:][-episodes:]
        # Rows end in "success, return, length" (`fmq.acting.evaluation.COLUMNS`, not imported
        # because that imports torch).
        found = [int(row.rsplit(",", 3)[1]) for row in rows]
    except (OSError, ValueError, IndexError):
        return None
    return sum(found) / len(found) if found else None


def _silence(stat: os.stat_result | None) -> float | None:
    return max(time.time() - stat.st_mtime, 0.0) if stat else None
