"""Report what `fmq diagnose` measured: are the critics right, and is their advice worth anything?

Q is compared with the discounted return of the rest of the episode, and chunks that the critics
prefer with others in the same states of the simulator.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fmq.analysis.evidence.diagnosis_columns import MEASURED, REPORTED
from fmq.analysis.evidence.measurements import Measured, read_measurements
from fmq.analysis.figures.diagnosis_figures import (
    BINS,
    CATEGORIES,
    draw_branches,
    draw_calibration,
)
from fmq.analysis.figures.drawing import write_figure
from fmq.analysis.inputs.csvw import write_table
from fmq.analysis.inputs.provenance import collect_provenance
from fmq.analysis.inputs.words import confidence, counted, paragraph, span
from fmq.analysis.statistics.diagnosis import GAINS, SUCCESSES, summarise
from fmq.analysis.tables.listing import Listing, write_listing
from fmq.analysis.tables.texts import MISSING
from fmq.config.study import Study
from fmq.config.task_names import short_task_names
from fmq.pipeline.diagnosis import CANDIDATES, EPISODES, MEASUREMENTS, diagnosed_runs, run_label
from fmq.pipeline.paths import diagnosis_folder
from fmq.pipeline.runs import make_run

DIAGNOSIS = Measured("diagnose", diagnosis_folder, diagnosed_runs, MEASURED)


def write_diagnosis(
    study: Study, results: Path, folder: Path, manifests: Sequence[Path] = ()
) -> None:
    """Write diagnosis.csv, and a table and a figure of either part, into `folder`/diagnosis.

    Raises:
        UserError: a measurement is missing, damaged, or made with other settings or data.
    """
    provenance = collect_provenance(study, manifests)
    measured = read_measurements(DIAGNOSIS, study, results, provenance)
    calibration, branches = (measured[name] for name in MEASUREMENTS)
    summary = summarise(study, calibration, branches)
    summary.insert(2, "label", [run_label(study, run) for run in summary["run"]])
    folder = folder / "diagnosis"
    write_table(folder / "diagnosis.csv", summary, REPORTED, provenance)
    listings = _calibration(study, summary), _branches(study, summary)
    for name, listing in zip(MEASUREMENTS, listings, strict=True):
        write_listing(folder / name, listing, provenance)
    figures = {
        "calibration": ("Achieved return against Q", _DECISIONS, draw_calibration, calibration),
        "branches": ("What the critics recommend", _CHUNKS, draw_branches, summary),
    }
    for name, (title, note, draw, frame) in figures.items():
        note = paragraph(
            note,
            f"Bars: {_intervals(study)}" if name == "branches" else "",
            _offline(summary),
            _unfinished(study, summary),
        )
        write_figure(folder / name, title, note, provenance, draw, study, frame)


_RETURN = (
    "Return: discounted rewards from a decision to the end of the episode; an episode that is not "
    "solved goes on with its last reward for ever."
)
_DECISIONS = (
    f"All decisions of {EPISODES} episodes per run and seed, in {BINS} bins of equal size by Q: "
    f"means of Q and of the achieved return. {_RETURN} Above the dashed line, critics promise too "
    "little; below it, too much."
)
_CHUNKS = (
    "One state of each episode, reached again by repeating it; other chunks are executed there, "
    "and the run's own policy goes on with the same noise. Top by Q and best in hindsight: of "
    f"{CANDIDATES} samples of the policy, over their mean. The others: a step of length eta from "
    "the first sample, over that sample."
)


def _intervals(study: Study) -> str:
    return f"{confidence(study)} bootstrap intervals over states of all seeds measured."


def _offline(summary: pd.DataFrame) -> str:
    """Say what a method beside ``offline`` means, if there is one."""
    if not summary["label"].str.startswith("offline (").any():
        return ""
    return "Offline runs are named after the first method that starts from them."


def _unfinished(study: Study, summary: pd.DataFrame) -> str:
    """Say that rows lack seeds, if some do."""
    rows: list[Any] = list(summary.itertuples())
    lacking = any(
        row.seeds < len(make_run(study, row.task, study.seeds[0], row.run).seeds) for row in rows
    )
    measured = f"{span(summary['seeds'])} of {counted(len(study.seeds), 'seed')}"
    return f"Unfinished: runs are measured on {measured}." if lacking else ""


def _calibration(study: Study, summary: pd.DataFrame) -> Listing:
    caption = "Critics against the simulator: how far Q is from the return, and how well it ranks."
    note = paragraph(
        "Bias, error and rank: mean of Q minus the return, root mean square of it, and Spearman's "
        "correlation (within seeds, mean over seeds) over the decisions of "
        f"{EPISODES} episodes per seed. {_RETURN} Rank within a state: Spearman's correlation of "
        f"Q and return over {CANDIDATES} samples of the policy, mean over the states where their "
        f"returns differ. Brackets: {_intervals(study)}",
        _offline(summary),
        _unfinished(study, summary),
    )
    rows = [
        [
            *(*_names(study, row), f"{row['decisions']:,}"),
            *(_number(row[name]) for name in ("bias", "error", "rank")),
            *(f"{row['states']}", _estimate(row, "state_rank")),
        ]
        for _, row in summary.iterrows()
    ]
    header = ("task", "run", "decisions", "bias", "error", "rank", "states", "rank within a state")
    return Listing("tab:calibration", caption, header, rows, note)


def _branches(study: Study, summary: pd.DataFrame) -> Listing:
    caption = "What chunks gain in return, in the simulator, that the critics recommend."
    note = paragraph(
        f"{_CHUNKS} {_RETURN} Success: of all samples / of the one with the highest Q / after a "
        "step along the gradient / in a random direction; one chunk is replaced, and the run's "
        f"policy goes on. Brackets: {_intervals(study)}",
        _offline(summary),
        _unfinished(study, summary),
    )
    rows = [
        [
            *(*_names(study, row), f"{row['states']}"),
            *(_estimate(row, name) for name in GAINS),
            " / ".join(f"{100 * row[f'success_{name}']:.0f}" for name in SUCCESSES),
        ]
        for _, row in summary.iterrows()
    ]
    header = ("task", "run", "states", *CATEGORIES.values(), "success (%)")
    return Listing("tab:branches", caption, header, rows, note)


def _names(study: Study, row: pd.Series) -> list[str]:
    return [short_task_names(study.tasks)[row["task"]], row["label"]]


def _number(value: Any) -> str:
    return MISSING if pd.isna(value) else f"{value:z.2f}"


def _estimate(row: pd.Series, name: str) -> str:
    """Format a value with its interval, if there is one."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    interval = "" if pd.isna(low) else f" [{_number(low)}, {_number(high)}]"
    return f"{_number(row[name])}{interval}"
