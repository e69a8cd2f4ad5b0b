"""The state of every part of a study: done, running, failed or waiting."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from fmq.paths import settings_file
from fmq.runs import settings_hash
from fmq.settings import Study
from fmq.status.alive import (
    Owner,
    Processes,
    holds,
    lately,
    look_around,
    out_of_sight,
    read_owner,
    writes,
)
from fmq.status.logs import Log, read_log
from fmq.status.parts import Part, study_parts

DONE, RUNNING, WAITING, FAILED = STATES = ("done", "running", "waiting", "failed")

OTHER_SETTINGS = "of other settings"
INTERRUPTED = "interrupted"
STOPPED = "stopped as asked"

_ROW_BYTES = 256  # of an episode in a CSV file, at most: names are long


@dataclass(frozen=True)
class State:
    """Where a part stands.

    Attributes:
        state: one of `STATES`.
        note: why it failed, or why it waits although it was made or begun; empty otherwise.
        step, last_step: of a job that began; None where its log does not tell.
        unit: of both.
        rate: units per second since the process began.
        seconds_left: to the last step, at that rate.
        success: share of the last evaluation's episodes.
        silence: seconds since the last line of a running job.
        host: of a running job, where it is another.
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
    """What the parts have in common: the system's lists, and when the study was last begun.

    `log_of` reads a log, which may be that of several parts, once.
    """

    processes: Processes
    begun: float
    episodes: int
    log_of: Callable[[Path], Log | None]


def examine(study: Study, results: Path) -> list[State]:
    """The state of every part, read off `results`; each file is read once at most."""
    try:
        begun = settings_file(results).stat().st_mtime
    except OSError:
        begun = 0.0
    around = Surroundings(look_around(), begun, study.evaluation.episodes, cache(read_log))
    owner_of = cache(read_owner)  # evaluations ask for that of their run
    return [
        _examine(part, owner_of(part.scratch) if part.scratch else None, around)
        for part in study_parts(study, results)
    ]


def _examine(part: Part, owner: Owner | None, around: Surroundings) -> State:
    made = _recorded_hash(part) if part.output.exists() else None
    if made is not None and made == settings_hash(part.settings()):
        return State(part, DONE, success=_last_success(part, around.episodes))
    log = around.log_of(part.log)
    state = _from_log(part, log)
    stat = log.stat if log else None
    kept = owner is not None and part.kept is not None and part.kept().exists()
    ended = log is not None and (log.failure is not None or log.stopped)
    locked = part.trains and holds(owner, around.processes)
    if locked or (writes(stat, around.processes) and not ended):
        note = "with other settings" if locked and not kept else ""
        return replace(state, state=RUNNING, note=note, silence=_silence(stat))
    if lately(stat) and not ended and out_of_sight(owner, around.processes):
        host = owner.host if owner else ""
        return replace(state, state=RUNNING, host=host, silence=_silence(stat))
    return _at_rest(state, log, made, kept, around)


def _at_rest(
    state: State, log: Log | None, made: str | None, kept: bool, around: Surroundings
) -> State:
    """The state of a part that is not done and that no process works on.

    What a log tells from before the study was last begun is history: the job will start again.

    Args:
        state: with what the log tells.
        made: hash of the settings that its output was made with, if there is one.
        kept: whether there is progress of the present settings.
    """
    present = log is not None and log.stat.st_mtime >= around.begun
    if log is not None and log.failure is not None and (present or kept):
        if present:
            return replace(state, state=FAILED, note=log.failure)
        return replace(state, note=f"failed before: {log.failure}")
    if made is not None:
        return State(state.part, WAITING, OTHER_SETTINGS)
    if kept or (present and not state.part.trains):
        return replace(state, note=STOPPED if log is not None and log.stopped else INTERRUPTED)
    return State(state.part, WAITING)


def _from_log(part: Part, log: Log | None) -> State:
    """A waiting part, with the progress that its log tells."""
    beat = log.heartbeat if log else None
    if beat is None:
        return State(part, WAITING)
    last = part.run.last_step if part.trains and part.run else beat.total
    return State(
        part,
        WAITING,
        step=last - beat.total + beat.done,  # a process counts from where it went on
        last_step=last,
        unit=beat.unit,
        rate=beat.rate,
        seconds_left=beat.seconds_left,
        success=beat.success,
    )


def _recorded_hash(part: Part) -> str:
    """Hash of the settings that its output was made with; empty if there is no telling."""
    try:
        found = json.loads(part.record.read_text())
        if part.rule == "dataset":
            return settings_hash({"name": found["name"], **found["settings"]})
        return str(found["hash"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _last_success(part: Part, episodes: int) -> float | None:
    """Success rate of the last evaluation in a part's CSV file; None if there is none."""
    if part.episodes is None:
        return None
    try:
        with part.episodes.open("rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - episodes * _ROW_BYTES, 0))
            rows = file.read().decode(errors="replace").splitlines()[1:][-episodes:]
        # "..., success, return, length": `fmq.evaluation.COLUMNS`, which imports torch.
        found = [int(row.rsplit(",", 3)[1]) for row in rows]
    except (OSError, ValueError, IndexError):
        return None
    return sum(found) / len(found) if found else None


def _silence(stat: os.stat_result | None) -> float | None:
    return max(time.time() - stat.st_mtime, 0.0) if stat else None
