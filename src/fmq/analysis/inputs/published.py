"""Read what papers report on the same tasks and methods, to be shown beside a study's own numbers.

Nothing here enters a statistic: tables and figures keep these numbers apart from the study's own
and mark them. `published/README.md` describes the files and where each comes from.
"""

from pathlib import Path

import pandas as pd

from fmq.analysis.inputs.scores import comparison_rows
from fmq.config.methods import METHODS
from fmq.config.study import Study
from fmq.pipeline.variants import row_label

FOLDER = Path(__file__).with_suffix("")

FMQ = "arXiv 2605.12416"
OWN = {"QC": "arXiv 2507.07969", "MVP": "arXiv 2602.13810"}

# Each stage of the FMQ and QC papers: gradient steps offline, environment steps online.
STAGE_STEPS = 1_000_000

SEEDS = 5
"""Seeds behind each number of the FMQ paper."""

FMQ_ROW = "reported, FMQ paper"
OWN_ROW = "reported, own paper"


def reported_finals() -> pd.DataFrame:
    """Return reported success after online training, a row per task, label and paper.

    Returns:
        frame with the columns ``task``, ``label`` (as in `variants.row_label`), ``value``,
        ``deviation`` over seeds, ``low`` and ``high`` of a 95% interval, all as fractions and NaN
        where not published; ``row``, the line of the table where it is shown, and ``source``, the
        paper that reports it.
    """
    again = _read("fmq_table1").rename(columns={"mean": "value", "std": "deviation"})
    mvp = _read("mvp_table").rename(columns={"mean": "value"})
    curves = _read("qc_curves").rename(columns={"success": "value"})
    qc = curves[(curves["method"] == "QC") & (curves["step"] == 2 * STAGE_STEPS)]
    return _described(pd.concat([_by_fmq(again), _by_its_authors(mvp), _by_its_authors(qc)]))


def reported_iqm() -> pd.DataFrame:
    """Return the IQM over the FMQ paper's 12 tasks, with the columns of `reported_finals`.

    There is no column ``task``.
    """
    frame = _by_fmq(_read("fmq_iqm").rename(columns={"iqm": "value"}))
    return _described(frame).drop(columns="task")


def reported_curves() -> pd.DataFrame:
    """Return the learning curves that QC's authors report.

    Returns:
        frame with the columns ``task``, ``label``, ``position`` (fraction of the stage's steps, 0
        to 1 offline and 1 to 2 online), ``value``, ``low`` and ``high`` of the 95% interval, as
        fractions.
    """
    curves = _read("qc_curves").query("method == 'QC'")
    curves = curves.assign(position=curves["step"] / STAGE_STEPS)
    renamed = curves.rename(
        columns={"method": "label", "success": "value", "ci_low": "low", "ci_high": "high"}
    )
    columns = ["task", "label", "position", "value", "low", "high"]
    return renamed[columns].reset_index(drop=True)


def beside(study: Study, reported: pd.DataFrame) -> pd.DataFrame:
    """Select the rows of `reported` that a study shows: those of its tasks and its comparison.

    Returns:
        frame with the columns of `reported`, where ``label`` is the study's and ``reported_as`` the
        papers', and the study's keys ``method`` and ``sampler``; it has no rows if the setting
        ``published`` is off.
    """
    rows = pd.DataFrame(comparison_rows(study), columns=["method", "sampler"])
    rows["label"] = [_published_label(study, *row) for row in comparison_rows(study)]
    if "task" in reported:
        reported = reported[reported["task"].isin(study.tasks)]
    merged = reported.merge(rows, on="label")
    pairs = zip(merged["method"], merged["sampler"], strict=True)
    merged["reported_as"] = merged["label"]
    merged["label"] = [row_label(study, *pair) for pair in pairs]
    return merged if study.published else merged.iloc[:0]


def _published_label(study: Study, method: str, sampler: str) -> str:
    """Return the label of a row in papers: that of an imported method is of what it reproduces."""
    label, row = row_label(study, method, sampler), study.imported.get(method)
    if row is None or row.reproduces is None:
        return label
    return METHODS[row.reproduces].label + label.removeprefix(row.label)


def protocol_words() -> str:
    """Name the FMQ paper and the protocol behind its numbers."""
    return (
        f"{FMQ} ({SEEDS} seeds of 50 episodes after 1M offline and 1M online steps; MVP and QC are "
        "re-runs by FMQ's authors)"
    )


def budget_words(study: Study) -> str:
    """Return a warning if the study's budgets differ from the papers', else an empty string.

    Imported policies were trained with a budget that the study does not have.
    """
    if study.offline.steps == study.online.steps == STAGE_STEPS or not study.trained_methods:
        return ""
    return (
        f"This study trains for {study.offline.steps:,} offline and {study.online.steps:,} online "
        "steps: the reported numbers were obtained with another budget and are not comparable."
    )


def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / f"{name}.csv")


def _by_fmq(frame: pd.DataFrame) -> pd.DataFrame:
    """Mark numbers of the FMQ paper, whose authors re-ran the methods of others."""
    sources = {"FMQ": f"own report, {FMQ}"} | {
        name: f"reported in {FMQ}, {name} re-run there" for name in OWN
    }
    source = frame["method"].str.partition("+")[0].map(sources)
    return frame.assign(row=FMQ_ROW, source=source)


def _by_its_authors(frame: pd.DataFrame) -> pd.DataFrame:
    """Mark numbers of the paper that introduced the method."""
    return frame.assign(row=OWN_ROW, source="own report, " + frame["method"].map(OWN))


def _described(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of `reported_finals`, with numbers as floats."""
    numbers = ["value", "deviation", "low", "high"]
    names = {"method": "label", "ci_low": "low", "ci_high": "high"}
    columns = ["task", "label", *numbers, "row", "source"]
    whole = frame.rename(columns=names).reindex(columns=columns).reset_index(drop=True)
    return whole.astype(dict.fromkeys(numbers, "float64"))
