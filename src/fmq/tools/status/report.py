"""Format the states of a study, as text for people and as a document for programs."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from fmq.config.study import Study
from fmq.config.task_names import short_task_names
from fmq.pipeline.bindings import Offline, Online
from fmq.pipeline.runs import Run
from fmq.tools.status.estimate import Running, seconds_left
from fmq.tools.status.examine import DONE, FAILED, RUNNING, STATES, WAITING, State

LEGEND = "done N%: success of that evaluation; at N%: share of its steps; waiting*: listed above"


SHORT = "2/5: done of all; +1: running; !1: failed. `--details` shows every part"
SCREEN = 45
"""Number of lines that tables of all parts may take; a study with more gets one line per task."""
LISTED = 5
"""Number of parts that a list in the short form names."""


def as_text(study: Study, states: Sequence[State], details: bool = False) -> str:
    """Format the states of a study, then what runs or failed, and totals.

    A small study has a table per task with a row per stage and a column per seed. Where these take
    more than a screen there is one table with a row per task, unless `details` are asked for.
    """
    tables = [line for task in study.tasks for line in _table(study, task, states)]
    if details or len(tables) <= SCREEN:
        lines = [*tables, *_lists(states), LEGEND]
    else:
        lines = [*_matrix(study, states), *_lists(states, LISTED), SHORT]
    return "\n".join([*lines, "", *_overall(states), totals(states)])


def as_document(study: Study, states: Sequence[State]) -> dict[str, Any]:
    """Return a JSON-ready document; `docs/status.md` describes the keys."""
    return {
        "study": study.name,
        "seconds_left": time_left(states),
        "totals": _counts(states),
        "parts": [_values(state) for state in states],
    }


def totals(states: Sequence[State]) -> str:
    """Format the totals, as in ``36 parts: 12 done, 2 running, 22 waiting, 0 failed``."""
    told = ", ".join(f"{count} {name}" for name, count in _counts(states).items())
    return f"{len(states)} parts: {told}"


def _counts(states: Iterable[State]) -> dict[str, int]:
    counts = Counter(state.state for state in states)
    return {name: counts[name] for name in STATES}


def _overall(states: Sequence[State]) -> list[str]:
    """Tell the share of all runs' gradient updates that are made, and the time left, in a line."""
    runs = [(state, state.part.run) for state in states if state.part.trains and state.part.run]
    whole = sum(run.updates for _, run in runs)
    made = sum(_made(state, run) for state, run in runs)
    facts = [f"{_percent(made, whole)} of all updates"] if whole else []
    if any(state.state != DONE for state in states):
        left = time_left(states)
        idle = all(state.state != RUNNING for state in states)
        unknown = "unknown, nothing is running" if idle else "not known yet"
        facts.append(f"time left: {unknown}" if left is None else f"about {duration(left)} left")
    return ["; ".join(facts)] if facts else []


def time_left(states: Iterable[State]) -> float | None:
    """Return the seconds until all parts are done, as `seconds_left` estimates them.

    It is None while nothing runs, since only the jobs that run tell their speed and how many there
    are at a time, and until one of them that trains has logged how far it is.
    """
    # Parts with one log are made by one job, which runs if one of them does.
    first = sorted(states, key=lambda state: state.state == RUNNING)
    jobs = {state.part.log: state for state in first if state.state != DONE}.values()
    running = [_running(state) for state in jobs if state.state == RUNNING]
    waiting = Counter(state.part.rule for state in jobs if state.state != RUNNING)
    return seconds_left(waiting, running, {}) if running else None


def _running(state: State) -> Running:
    """Return a running job with the seconds that its steps so far take at its rate."""
    if not state.rate or state.step is None or state.seconds_left is None:
        return Running(state.part.rule, 0.0)
    stage = state.part.run.bound.stage if state.part.trains and state.part.run else None
    steps = state.step - (stage.first if isinstance(stage, Offline) else 0)
    return Running(state.part.rule, steps / state.rate, state.seconds_left)


def _made(state: State, run: Run) -> int:
    """Return the number of updates that a run has made, as far as its log tells."""
    stage = run.bound.stage
    if state.state == DONE:
        return run.updates
    if state.step is None:
        return 0
    if isinstance(stage, Online):
        return stage.updates(state.step)
    return state.step - stage.first if isinstance(stage, Offline) else 0


def _matrix(study: Study, states: Iterable[State]) -> list[str]:
    """Format one table, a row per task and a column per rule; a cell counts parts."""
    cells: dict[tuple[str, str], Counter[str]] = {}
    for state in states:
        for task in state.part.tasks:
            cells.setdefault((task, state.part.rule), Counter())[state.state] += 1
    rules = list(dict.fromkeys(rule for _, rule in cells))
    names = short_task_names(study.tasks)
    rows = [["", *rules]]
    rows += [[names[task], *(_count(cells.get((task, rule))) for rule in rules)] for task in names]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = (map(str.ljust, row, widths) for row in rows)
    return [*("  ".join(row).rstrip() for row in padded), ""]


def _count(counts: Counter[str] | None) -> str:
    """Format a cell of the matrix, as in ``2/5 +1 !1``."""
    if not counts:
        return ""
    running = f" +{counts[RUNNING]}" if counts[RUNNING] else ""
    failed = f" !{counts[FAILED]}" if counts[FAILED] else ""
    return f"{counts[DONE]}/{counts.total()}{running}{failed}"


def _table(study: Study, task: str, states: Iterable[State]) -> list[str]:
    """Format a task's table, a row per stage; a data set, without seeds, is in the first column."""
    rows: dict[str, dict[int | None, str]] = {}
    for state in states:
        if task in state.part.tasks:
            rows.setdefault(state.part.name, {})[state.part.seed] = _cell(state)
    seeds: list[int | None] = [*study.seeds]
    names = {name: name.partition(" ")[0] for name in rows}  # "dataset NAME" becomes "dataset"
    width = max(map(len, names.values()))
    lines = [task, "  ".join([" " * width, *(f"{f'seed {seed}':<10}" for seed in seeds)]).rstrip()]
    for name, cells in rows.items():
        told = [cells.get(None, cells.get(seed, "")) for seed in seeds]
        if None in cells:
            told = told[:1]
        lines.append("  ".join([f"{names[name]:<{width}}", *(f"{cell:<10}" for cell in told)]))
    return [*(line.rstrip() for line in lines), ""]


def _percent(part: float, whole: float) -> str:
    """Format a share in percent, rounded down, so that 100% means all."""
    return f"{int(100 * part / whole)}%"


def _cell(state: State) -> str:
    if state.state == FAILED:
        return "FAILED"
    if state.state == DONE:
        return "done" if state.success is None else f"done {state.success:.0%}"
    if state.state == RUNNING:
        return (
            f"at {_percent(state.step, state.last_step)}"
            if state.step and state.last_step
            else RUNNING
        )
    return f"{WAITING}*" if state.note else WAITING


def _lists(states: Sequence[State], most: int | None = None) -> list[str]:
    """List what runs, what waits although it was started, and what failed, with reasons.

    Args:
        most: number of parts to name in each list; None for all.
    """
    groups = (
        ("running", [state for state in states if state.state == RUNNING]),
        ("waiting, but started before", [state for state in states if _is_begun(state)]),
        ("failed", [state for state in states if state.state == FAILED]),
    )
    lines: list[str] = []
    for title, members in groups:
        if members:
            lines += [f"{title}:", *(line for state in members[:most] for line in _told(state))]
            lines += [f"  and {len(members) - most} more"] if most and len(members) > most else []
            lines += [""]
    return lines


def _is_begun(state: State) -> bool:
    return state.state == WAITING and bool(state.note)


def _told(state: State) -> list[str]:
    """Describe a part in a line; one that does not run has a second line, the path of its log."""
    part = state.part
    place = "" if part.seed is None else f" {part.tasks[0]} seed {part.seed}"
    line = f"  {part.name}{place}: {_progress(state)}"
    return [line] if state.state == RUNNING else [line, f"    {part.log}"]


def _progress(state: State) -> str:
    facts = []
    if state.step is not None:
        facts.append(f"{state.step}/{state.last_step} {state.unit}")
    if state.state == RUNNING:
        if state.rate:
            facts.append(f"{state.rate}/s")
        if state.seconds_left is not None:
            facts.append(f"{duration(state.seconds_left)} left")
        if state.host:
            facts.append(f"on {state.host}")
        if state.silence is not None and state.silence > 60:
            facts.append(f"last line {duration(state.silence)} ago")
    if state.success is not None:
        facts.append(f"success {state.success:.0%}")
    facts += [state.note] if state.note else []
    return ", ".join(facts) or "started, nothing logged yet"


def duration(seconds: float) -> str:
    """Format a duration, as ``45 s``, ``12 min`` or ``3 h 5 min``."""
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _values(state: State) -> dict[str, Any]:
    part = state.part
    found = {name: value for name, value in vars(state).items() if name != "part"}
    place = {"stage": part.name, "rule": part.rule, "tasks": list(part.tasks), "seed": part.seed}
    return {**place, **found, "log": str(part.log)}
