"""Format a plan as text with tables."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from fmq.config.methods import WARMUP
from fmq.config.task_names import short_task_names
from fmq.tools.plan.plan import Plan
from fmq.tools.plan.rates import TaskRates, dataset_bytes, policy_bytes, run_bytes

HOUR = 3600.0
SUSTAINED = 20e12
"""Operations per second assumed of a GPU: the float32 peak of an A100, a third of an H100's."""

BUSY = 0.9
"""A smaller share of a core than this means that other processes are running on the machine."""


def as_text(plan: Plan) -> str:
    """Return the whole report."""
    study = plan.study
    title = (
        f"Study {study.name}: {_count(study.tasks, 'task')}, {_count(study.seeds, 'seed')}, "
        f"{_count(study.methods, 'method')}; on {plan.rates.device}"
    )
    sections = {
        "Jobs": _jobs(plan),
        "Steps": _steps(plan),
        "Disk": _disk(plan),
        f"Speed of each of {plan.rates.processes} at once": _speed(plan),
        "Time of a task and seed": _times(plan),
        "Time of the study": _totals(plan),
        **({"On a GPU, by arithmetic": _arithmetic(plan)} if _misses_a_gpu(plan) else {}),
        "Assumed": _assumptions(plan),
    }
    return "\n\n".join([title, *(f"{name}\n{text}" for name, text in sections.items())])


def _count(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'s' * (len(things) > 1)}"


def _jobs(plan: Plan) -> str:
    counts = Counter(job.rule for job in plan.jobs)
    return _table([*([rule, f"{count:,}"] for rule, count in counts.items()), _total(counts)])


def _total(counts: Counter[str]) -> list[str]:
    return ["total", f"{counts.total():,}"]


def _steps(plan: Plan) -> str:
    runs = [job.work for job in plan.jobs if job.run is not None]
    made = [job.work for job in plan.jobs if job.rule == "dataset"]
    counts = {
        "gradient steps": sum(work.updates for work in runs),
        "environment steps, training": sum(work.environment_steps for work in runs),
        "environment steps, evaluation": sum(work.evaluation_steps for work in runs),
        "environment steps, to make data": sum(work.environment_steps for work in made),
        "episodes of evaluation": sum(work.episodes for work in runs),
    }
    return _table([name, f"{count:,}"] for name, count in counts.items())


def _disk(plan: Plan) -> str:
    sizes = {
        f"data set {plan.study.task(job.task).dataset}": dataset_bytes(plan.study, job, plan.rates)
        for job in plan.jobs
        if job.rule == "dataset"
    }
    if any(job.rule == "policy" for job in plan.jobs):
        sizes["published policies, downloaded"] = policy_bytes(plan.jobs)
    rows = [[name, _size(size)] for name, size in sizes.items()]
    runs = [job for job in plan.jobs if job.run is not None]
    left = sum(run_bytes(job, plan.rates) for job in runs)
    known = left + sum(size or 0 for size in sizes.values())
    unknown = ", plus unknown sizes" if None in sizes.values() else ""
    rows += [["checkpoints and episodes", _size(left)], ["total", _size(known) + unknown]]
    return _table(rows)


def _speed(plan: Plan) -> str:
    """Tabulate updates by run, and environment steps of training and evaluation, per second."""
    names = short_task_names(plan.study.tasks)
    runs = {run: _run_label(run) for rates in plan.rates.tasks.values() for run in rates.updates}
    runs.pop(WARMUP, None)
    rows = [["per second: updates of", *runs.values(), "steps: training", "evaluation"]]
    for task, rates in plan.rates.tasks.items():
        updates = [_rate(1 / rates.updates[run]) for run in runs]
        rows.append([names[task], *updates, _collecting(rates), _rate(1 / rates.step)])
    return _table(rows)


def _run_label(run: str) -> str:
    stage, _, kind = run.partition("-")
    return kind if stage == "finetune" else stage


def _collecting(rates: TaskRates) -> str:
    seconds = rates.collecting.values()
    return _rate(len(seconds) / sum(seconds)) if seconds else "-"


def _times(plan: Plan) -> str:
    names = short_task_names(plan.study.tasks)
    spent: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for job, seconds in zip(plan.jobs, plan.seconds, strict=True):
        if job.run is not None:
            spent[job.task][job.rule] += seconds / len(plan.study.seeds)
    rules = list(dict.fromkeys(rule for times in spent.values() for rule in times))
    rows = [["", *rules, "total"]]
    for task, times in spent.items():
        cells = [_duration(times[rule]) for rule in rules]
        rows.append([names[task], *cells, _duration(sum(times.values()))])
    return _table(rows)


def _totals(plan: Plan) -> str:
    machine = f"on this machine, --cores {plan.cores}"
    return _table(
        [
            ["core-hours", _duration(_core_seconds(plan))],
            [machine, _duration(plan.wall)],
            ["longest chain, the least with any number of machines", _duration(plan.chain)],
        ]
    )


def _misses_a_gpu(plan: Plan) -> bool:
    """Return whether the study would run on a GPU, but none was there to be measured."""
    return plan.rates.device == "cpu" and plan.study.wants_gpu


def _arithmetic(plan: Plan) -> str:
    """Tabulate what can be told of the study on a GPU without one."""
    operations = simulating = 0.0
    for job in plan.jobs:
        if job.run is not None:
            rates, work = plan.rates.tasks[job.task], job.work
            operations += work.updates * rates.operations.get(job.run.name, 0.0)
            steps = work.environment_steps + work.evaluation_steps
            simulating += steps * rates.step + work.resets * rates.reset
    updating = operations / SUSTAINED
    return _table(
        [
            ["floating-point operations of all updates", f"{operations:.2g}"],
            [f"GPU-hours of these at {SUSTAINED / 1e12:.0f} TFLOP/s", _duration(updating)],
            ["core-hours of simulators, measured here", _duration(simulating)],
        ]
    )


def _core_seconds(plan: Plan) -> float:
    pairs = zip(plan.jobs, plan.seconds, strict=True)
    return sum(min(job.cores, plan.cores) * seconds for job, seconds in pairs)


def _assumptions(plan: Plan) -> str:
    rates, study = plan.rates, plan.study
    lines = [
        "Episodes run to their limit: an upper bound, as solved episodes end sooner.",
        "Every job runs, as if there were no results yet. Downloads and reading data: not counted.",
        "Generated data sets: at the simulator's speed. Size of official data sets: rows times",
        "bytes per row, uncompressed, without the validation file. Buffers stay in memory.",
        "scores, statistics, tables and figures: as in the default study.",
    ]
    if study.training.compile != "never":
        lines.append("Updates: measured uncompiled; compiling may halve their time.")
    if _misses_a_gpu(plan):
        lines.append("No GPU was here to be measured: all times but the arithmetic are a CPU's.")
    if rates.device == "cpu":
        lines.append("Speeds are in CPU time: other processes on this machine are not counted.")
        if study.threads == 1 and rates.share < BUSY:
            lines.append(
                f"Other processes took {1 - rates.share:.0%} of a core during the measurement; "
                "as long as they run, everything takes longer."
            )
    return _table([line] for line in lines)


def _rate(count: float) -> str:
    return f"{count:,.0f}" if count >= 100 else f"{count:.3g}"


def _duration(seconds: float) -> str:
    if seconds < 2 * HOUR:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / HOUR:,.1f} h" if seconds < 100 * HOUR else f"{seconds / HOUR:,.0f} h"


def _size(count: int | None) -> str:
    if count is None:
        return "unknown"
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def _table(rows: Iterable[Sequence[str]]) -> str:
    """Align rows of cells, indented, with the first column left and the others right."""
    cells = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(rest, widths[1:], strict=True))]
        for first, *rest in cells
    )
    return "\n".join(f"  {'  '.join(line)}".rstrip() for line in lines)
