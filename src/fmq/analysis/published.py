"""What papers report of the same tasks and methods, to be shown beside a study's own numbers.

Nothing here enters a statistic: tables and figures take these frames apart from their own, and
mark them. The files, and where each comes from: `published/README.md`.
"""

from pathlib import Path

import pandas as pd

from fmq.analysis.scores import comparison_rows
from fmq.settings import Study
from fmq.variants import row_label

FOLDER = Path(__file__).with_suffix("")

FMQ = "arXiv 2605.12416"
OWN = {"QC": "arXiv 2507.07969", "MVP": "arXiv 2602.13810"}

# Each stage of the FMQ and QC papers: gradient steps offline, environment steps online.
STAGE_STEPS = 1_000_000

FMQ_ROW = "reported, FMQ paper"
OWN_ROW = "reported, own paper"


def reported_finals() -> pd.DataFrame:
    """Success after online training, a row per task, label and paper.

    Returns:
        ``task``, ``label`` (as `fmq.variants.row_label`), ``value``, ``deviation`` over seeds,
        ``low`` and ``high`` of a 95% interval, as fractions and NaN where not published; ``row``,
        the line of the table it belongs to, and ``source``, whose number it is.
    """
    again = _read("fmq_table1").rename(columns={"mean": "value", "std": "deviation"})
    mvp = _read("mvp_table").rename(columns={"mean": "value"})
    curves = _read("qc_curves").rename(columns={"success": "value"})
    qc = curves[(curves["method"] == "QC") & (curves["step"] == 2 * STAGE_STEPS)]
    return _described(pd.concat([_by_fmq(again), _by_its_authors(mvp), _by_its_authors(qc)]))


def reported_iqm() -> pd.DataFrame:
    """Interquartile mean over the FMQ paper's 12 tasks: `reported_finals` without a task."""
    frame = _by_fmq(_read("fmq_iqm").rename(columns={"iqm": "value"}))
    return _described(frame).drop(columns="task")


def reported_curves() -> pd.DataFrame:
    """QC's own learning curves.

    Returns:
        ``task``, ``label``, ``position`` (offline from 0 to 1, online to 2: fractions of each
        stage's steps), ``value``, ``low`` and ``high`` of the 95% interval, as fractions.
    """
    curves = _read("qc_curves").query("method == 'QC'")
    curves = curves.assign(position=curves["step"] / STAGE_STEPS)
    renamed = curves.rename(
        columns={"method": "label", "success": "value", "ci_low": "low", "ci_high": "high"}
    )
    columns = ["task", "label", "position", "value", "low", "high"]
    return renamed[columns].reset_index(drop=True)


def beside(study: Study, reported: pd.DataFrame) -> pd.DataFrame:
    """The rows of `reported` that a study shows: those of its tasks and its comparison.

    Returns:
        the columns of `reported`, and the study's keys ``method`` and ``sampler``; no rows without
        the setting ``published``.
    """
    rows = pd.DataFrame(comparison_rows(study), columns=["method", "sampler"])
    rows["label"] = [row_label(study, *row) for row in rows.itertuples(index=False)]
    if "task" in reported:
        reported = reported[reported["task"].isin(study.tasks)]
    merged = reported.merge(rows, on="label")
    return merged if study.published else merged.iloc[:0]


def protocol_words() -> str:
    """The FMQ paper, and how it came to its numbers."""
    return (
        f"{FMQ} (5 seeds of 50 episodes after 1M offline and 1M online steps; MVP and QC are "
        "re-runs by FMQ's authors)"
    )


def budget_words(study: Study) -> str:
    """A warning if the study trains for other budgets than the papers, or nothing."""
    if study.offline.steps == study.online.steps == STAGE_STEPS:
        return ""
    return (
        f"This study trains for {study.offline.steps:,} offline and {study.online.steps:,} online "
        "steps: in budget, the reported numbers are not comparable with its own."
    )


def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / f"{name}.csv")


def _by_fmq(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers of the FMQ paper, whose authors ran other people's methods again."""
    sources = {"FMQ": f"own report, {FMQ}"} | {
        name: f"reported in {FMQ}, {name} re-run there" for name in OWN
    }
    source = frame["method"].str.partition("+")[0].map(sources)
    return frame.assign(row=FMQ_ROW, source=source)


def _by_its_authors(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers of the paper that introduced the method."""
    return frame.assign(row=OWN_ROW, source="own report, " + frame["method"].map(OWN))


def _described(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of `reported_finals`, numbers as floats."""
    numbers = ["value", "deviation", "low", "high"]
    names = {"method": "label", "ci_low": "low", "ci_high": "high"}
    columns = ["task", "label", *numbers, "row", "source"]
    whole = frame.rename(columns=names).reindex(columns=columns).reset_index(drop=True)
    return whole.astype(dict.fromkeys(numbers, "float64"))
