"""Write the study's tables of success and episode length: tasks down, methods across."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pandas as pd

from fmq.analysis.inputs.csvw import Column, Columns, write_table
from fmq.analysis.inputs.provenance import collect_provenance
from fmq.analysis.inputs.published import (
    OWN,
    OWN_ROW,
    beside,
    budget_words,
    protocol_words,
    reported_finals,
    reported_iqm,
)
from fmq.analysis.inputs.scores import STAGES, comparison_rows, load_scores
from fmq.analysis.inputs.words import confidence, counted, paragraph, shared_words, table_words
from fmq.analysis.statistics.estimates import read_statistics
from fmq.analysis.tables.render import Table, write_comparison
from fmq.analysis.tables.reported import write_reported
from fmq.analysis.tables.sentences import comparison_sentences, sentences_caption, write_sentences
from fmq.config.study import Study
from fmq.config.task_names import short_task_names
from fmq.config.tasks import IQM
from fmq.pipeline.variants import row_label

# With fewer runs, chance alone separates the intervals of some row too often.
RUNS_FOR_BOLD = 3

_ENTRIES: Columns = {
    "task": Column("string", f"name of the task, or {IQM} for the interquartile mean over tasks"),
    "label": Column("string", "row of the comparison"),
    "method": Column("string", "key of the method"),
    "sampler": Column("string", "how the policy turned noise into actions"),
    "stage": Column("string", "after offline or online training", allowed=STAGES),
    "value": Column("number", "mean over seeds, or IQM over tasks and seeds"),
    "deviation": Column("number", "standard deviation over seeds; empty for IQM", optional=True),
    "low": Column("number", "lower end of the bootstrap interval over seeds", optional=True),
    "high": Column("number", "upper end of the bootstrap interval over seeds", optional=True),
    "best": Column("integer", "1 if the interval is clear of all others of the task", 0, 1),
}
# Columns of a study that may be unfinished.
_SEEDS: Columns = {
    "value": _ENTRIES["value"]._replace(optional=True),
    "runs": Column("integer", "seeds behind the value; 0 without one", minimum=0, optional=True),
}
_NUMBERS = ["value", "deviation", "low", "high"]
_OURS = "this study"
_SOURCE: Columns = {
    "source": Column(
        "string",
        f"{_OURS!r}, or whose number it is: one reported elsewhere, not measured here and in no "
        "statistic, with the deviation or interval that was published with it",
    )
}


def clear_best(entries: pd.DataFrame, runs: int, larger: bool = True) -> list[bool]:
    """Flag the entry, if any, that is clearly best: its interval lies beyond all others.

    Args:
        entries: rows to compare, with the columns ``low`` and ``high``.
        runs: number of runs behind each interval; with fewer than `RUNS_FOR_BOLD`, none is best.
        larger: whether larger values are better.

    Returns:
        a flag per entry, at most one of them true. Ties, overlaps, a missing interval or a single
        entry leave all flags false.
    """
    nothing = [False] * len(entries)
    if runs < RUNS_FOR_BOLD or len(entries) < 2 or entries[["low", "high"]].isna().any(axis=None):
        return nothing
    sign = 1 if larger else -1
    near, far = ("low", "high") if larger else ("high", "low")
    worst_case, best_case = list(sign * entries[near]), list(sign * entries[far])
    best = max(range(len(entries)), key=worst_case.__getitem__)
    others = best_case[:best] + best_case[best + 1 :]
    nothing[best] = worst_case[best] > max(others)
    return nothing


def _entries(
    study: Study, estimates: pd.DataFrame, tasks: Sequence[str], larger: bool = True
) -> pd.DataFrame:
    """Return an entry per task, stage and row of the comparison, in the order of the settings.

    An entry without an estimate has NaN for its numbers and 0 for its runs. The best is flagged
    online alone: offline, methods share checkpoints.
    """
    names = ["task", "stage", "method", "sampler"]
    rows = [(*place, *row) for *place, row in product(tasks, STAGES, comparison_rows(study))]
    index = pd.MultiIndex.from_tuples(rows, names=names)
    found = estimates.set_index(names)[[*_NUMBERS, "runs"]].reindex(index).reset_index()
    found["label"] = [row_label(study, *row) for _, _, *row in rows]
    found["runs"] = found["runs"].fillna(0).astype("int64")
    fewer = found["runs"].between(1, len(study.seeds) - 1)
    found["note"] = found["runs"].map("n={}".format).where(fewer, "")
    found[_NUMBERS] = found[_NUMBERS].round(9)
    found["best"] = 0
    for _, part in found[found["stage"] == "online"].groupby("task"):
        flags = clear_best(part, int(part["runs"].min()), larger)
        found.loc[part.index, "best"] = [int(flag) for flag in flags]
    return found


def _measured(study: Study, entries: pd.DataFrame) -> pd.DataFrame:
    """Drop the offline entries of methods that are not trained here, which have no such scores."""
    known = entries["method"].isin(study.trained_methods)
    return entries[known | (entries["stage"] == "online")]


def reported_entries(study: Study) -> pd.DataFrame:
    """Return what papers report on the study's tasks, as entries of the success table.

    The frame may be empty.
    """
    finals = beside(study, reported_finals())
    iqm = beside(study, reported_iqm()).assign(task=IQM)
    # Without a task in common, the paper's IQM has nothing to stand beside.
    entries = pd.concat([finals, iqm if len(finals) else iqm[:0]], ignore_index=True)
    entries[_NUMBERS] = (100 * entries[_NUMBERS]).round(9)
    return entries.assign(stage="online", best=0, note="")


def reported_words(study: Study, reported: pd.DataFrame) -> str:
    """Say where the reported rows come from, and that they are no result of the study."""
    if reported.empty:
        return ""
    own = set(reported.loc[reported["row"] == OWN_ROW, "reported_as"])
    papers = " and ".join(f"{label}'s {OWN[label]}" for label in OWN if label in own)
    return paragraph(
        "Rows in italics: reported elsewhere, not run here, in no statistic and never bold. "
        f"FMQ paper: {protocol_words()}, with its {IQM} over 12 tasks.",
        f"Own paper: {papers}." if papers else "",
        budget_words(study),
    )


def _interval_words(study: Study) -> str:
    """Say how the intervals were computed, or that there are none."""
    if len(study.seeds) == 1:
        return "One seed: no deviations and no intervals, and nothing is bold."
    words = (
        f"Intervals: {confidence(study)} stratified bootstrap over seeds "
        f"({study.statistics.resamples} resamples); one of no width means that all runs agree. "
    )
    if len(study.seeds) < RUNS_FOR_BOLD:
        return words + f"Nothing is bold with fewer than {RUNS_FOR_BOLD} seeds."
    return words + (
        "Bold: the online entry whose interval over seeds lies beyond those of all others "
        "without touching any; a tie is not bold."
    )


def _caption(
    study: Study, subject: str, entries: pd.DataFrame, aggregate: str, ends: Sequence[str]
) -> tuple[str, str]:
    """Return the caption, which says what a table shows of how many seeds, and its note.

    The note says how its intervals were made, and what is missing.

    Args:
        aggregate: name of the line that is over all tasks, or "".
        ends: further sentences.
    """
    seeds = len(study.seeds)
    missing = table_words(study, _measured(study, entries), aggregate, RUNS_FOR_BOLD)
    deviation = ", mean ± standard deviation over seeds" if seeds > 1 else ""
    caption = (
        f"{subject} after offline and online training{deviation} "
        f"({'up to ' if missing else ''}{counted(seeds, 'seed')}, "
        f"{counted(study.evaluation.episodes, 'episode')} per evaluation, last checkpoint of each "
        "stage)."
    )
    return caption, paragraph(_interval_words(study), shared_words(study), missing, *ends)


def _captions(
    study: Study, main: pd.DataFrame, length: pd.DataFrame, reported: pd.DataFrame
) -> dict[str, tuple[str, str]]:
    """Return captions and notes of the two tables with the entries `main` and `length`."""
    ends = (
        f"{IQM}: interquartile mean over tasks and seeds. Methods that start from one offline "
        "checkpoint share its entry.",
        reported_words(study, reported),
    )
    steps = "Mean episode length in environment steps"
    failed = "Fewer steps are better; a failed episode counts with its full length."
    return {
        "main": _caption(study, "Success in percent", main, IQM, ends),
        "length": _caption(study, steps, length, "", [failed]),
    }


def write_tables(study: Study, folder: Path, manifests: Sequence[Path] = ()) -> None:
    """Write tables of the scores and statistics in `folder` into `folder`/tables.

    These are main, length and, with `published`, reported as .tex, .md and .csv, and comparisons
    as sentences in .tex and .md.

    Raises:
        UserError: the scores or statistics are missing or belong to another study.
    """
    load_scores(study, folder / "scores.csv")
    names = ("task_means", "aggregates", "comparisons")
    found = read_statistics(study, folder, names)
    means, aggregates, comparisons = (found[name] for name in names)
    iqm = aggregates[aggregates["metric"] == "iqm"].assign(task=IQM, deviation=float("nan"))
    success = pd.concat([means[means["measure"] == "success"], iqm])
    success[_NUMBERS] *= 100.0
    main = _entries(study, success, [*study.tasks, IQM])
    length = _entries(study, means[means["measure"] == "length"], study.tasks, larger=False)
    reported = reported_entries(study)
    captions = _captions(study, main, length, reported)
    short = short_task_names(study.tasks) | {IQM: IQM}
    tables, provenance = folder / "tables", collect_provenance(study, manifests)
    for name, entries, others in (("main", main, reported), ("length", length, reported[:0])):
        table = Table(f"tab:{name}", *captions[name], short, entries, others)
        columns = {**_ENTRIES, **(_SEEDS if study.allow_missing else {})}
        entries = _measured(study, entries)
        if study.published and name == "main":
            columns |= _SOURCE
            entries = pd.concat([entries.assign(source=_OURS), others])
            entries["runs"] = entries["runs"].astype("Int64")
        write_table(tables / f"{name}.csv", entries, columns, provenance)
        write_comparison(tables / name, table, provenance)
    if study.published:
        write_reported(study, main, short, tables / "reported", provenance)
    sentences = comparison_sentences(study, comparisons)
    write_sentences(tables / "comparisons", sentences_caption(study), sentences, provenance)
