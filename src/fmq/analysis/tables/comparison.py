"""Write the study's tables of success and episode length: tasks down, methods across."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from fmq.analysis.figures.style import short_task_names
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
from fmq.analysis.inputs.unfinished import table_words
from fmq.analysis.statistics.estimates import read_statistics
from fmq.analysis.tables.render import Table, write_comparison
from fmq.analysis.tables.sentences import comparison_sentences, sentences_caption, write_sentences
from fmq.config.study import Study
from fmq.pipeline.variants import row_label

# With fewer runs, chance alone separates the intervals of some row too often.
RUNS_FOR_BOLD = 3

IQM = "IQM"

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


def _task_entries(study: Study, means: pd.DataFrame, measure: str, scale: float) -> pd.DataFrame:
    """Return the entries of one measure for every task, in the order of the settings."""
    parts = []
    for task in study.tasks:
        for stage in STAGES:
            chosen = means[
                (means["task"] == task) & (means["stage"] == stage) & (means["measure"] == measure)
            ]
            part = _ordered(study, chosen, scale).assign(task=task, stage=stage)
            parts.append(part.assign(best=_best(study, part, stage, measure == "success")))
    return pd.concat(parts, ignore_index=True)


def _iqm_entries(study: Study, aggregates: pd.DataFrame, scale: float) -> pd.DataFrame:
    """Return the IQM entries, which form the last row of the success table."""
    parts = []
    for stage in STAGES:
        chosen = aggregates[(aggregates["stage"] == stage) & (aggregates["metric"] == "iqm")]
        part = _ordered(study, chosen.assign(deviation=float("nan")), scale)
        part = part.assign(task=IQM, stage=stage)
        parts.append(part.assign(best=_best(study, part, stage, True)))
    return pd.concat(parts, ignore_index=True)


def _best(study: Study, part: pd.DataFrame, stage: str, larger: bool) -> list[int]:
    """Flag the best online entry; offline there is none, because methods share checkpoints."""
    if stage == "offline":
        return [0] * len(part)
    return [int(flag) for flag in clear_best(part, int(part["runs"].min()), larger)]


def _ordered(study: Study, chosen: pd.DataFrame, scale: float) -> pd.DataFrame:
    """Return one entry per row of the comparison, in its order, with numbers times `scale`.

    An entry without an estimate has NaN for its numbers and 0 for its runs.
    """
    rows = comparison_rows(study)
    numbers = ["value", "deviation", "low", "high"]
    names = ["method", "sampler"]
    found = chosen.set_index(names).reindex(pd.MultiIndex.from_tuples(rows, names=names))
    runs = found["runs"].fillna(0).astype("int64")
    ordered = (found[numbers] * scale).round(9).assign(runs=runs)
    fewer = runs.between(1, len(study.seeds) - 1)
    ordered["note"] = [f"n={n}" if some else "" for n, some in zip(runs, fewer, strict=True)]
    return ordered.reset_index().assign(label=[row_label(study, *row) for row in rows])


def _measured(study: Study, entries: pd.DataFrame) -> pd.DataFrame:
    """Drop the offline entries of methods that are not trained here, which have no such scores."""
    known = entries["method"].isin(study.trained_methods)
    return entries[known | (entries["stage"] == "online")]


def _reported_entries(study: Study) -> pd.DataFrame:
    """Return what papers report on the study's tasks, as entries of the success table.

    The frame may be empty.
    """
    finals = beside(study, reported_finals())
    iqm = beside(study, reported_iqm()).assign(task=IQM)
    # Without a task in common, the paper's IQM has nothing to stand beside.
    entries = pd.concat([finals, iqm if len(finals) else iqm[:0]], ignore_index=True)
    numbers = ["value", "deviation", "low", "high"]
    entries[numbers] = (100 * entries[numbers]).round(9)
    return entries.assign(stage="online", best=0, note="")


def _reported_words(study: Study, reported: pd.DataFrame) -> str:
    """Say where the reported rows come from, and that they are no result of the study."""
    if reported.empty:
        return ""
    own = reported[reported["row"] == OWN_ROW]
    papers = " and ".join(f"{label}'s {OWN[label]}" for label in OWN if label in set(own["label"]))
    sentences = [
        "Rows in italics: reported elsewhere, not run here, in no statistic and never bold. "
        f"FMQ paper: {protocol_words()}, with its {IQM} over 12 tasks.",
        f"Own paper: {papers}." if papers else "",
        budget_words(study),
    ]
    return " ".join(filter(None, sentences))


def _interval_words(study: Study) -> str:
    """Say how the intervals were computed, or that there are none."""
    if len(study.seeds) == 1:
        return "One seed: no deviations and no intervals, and nothing is bold."
    percent = f"{100 * study.statistics.confidence:g}%"
    words = (
        f"Intervals: {percent} stratified bootstrap over seeds "
        f"({study.statistics.resamples} resamples); one of no width means that all runs agree. "
    )
    if len(study.seeds) < RUNS_FOR_BOLD:
        return words + f"Nothing is bold with fewer than {RUNS_FOR_BOLD} seeds."
    return words + (
        "Bold: the online entry whose interval over seeds lies beyond those of all others "
        "without touching any; a tie is not bold."
    )


def _counts(study: Study, unfinished: bool) -> str:
    seeds, episodes = len(study.seeds), study.evaluation.episodes
    return (
        f"{'up to ' if unfinished else ''}{seeds} seed{'s' if seeds > 1 else ''}, "
        f"{episodes} episode{'s' if episodes > 1 else ''} "
        "per evaluation, last checkpoint of each stage"
    )


def _captions(
    study: Study, main: pd.DataFrame, length: pd.DataFrame, reported: pd.DataFrame
) -> dict[str, str]:
    """Return the captions of the two tables with the entries `main` and `length`."""
    deviation = ", mean ± standard deviation over seeds" if len(study.seeds) > 1 else ""
    words = f" {_reported_words(study, reported)}".rstrip()
    missing = {
        "main": table_words(study, _measured(study, main), IQM, RUNS_FOR_BOLD),
        "length": table_words(study, _measured(study, length), "", RUNS_FOR_BOLD),
    }
    common = {
        name: " ".join(
            filter(None, (f"({_counts(study, bool(told))}).", _interval_words(study), told))
        )
        for name, told in missing.items()
    }
    return {
        "main": f"Success in percent, offline → online{deviation} {common['main']} "
        f"{IQM}: interquartile mean over tasks and seeds. "
        f"Methods that start from one offline checkpoint share its entry.{words}",
        "length": "Mean episode length in environment steps (fewer is better), offline → online"
        f"{deviation} {common['length']} A failed episode counts with its full length.",
    }


def write_tables(study: Study, folder: Path, manifests: Sequence[Path] = ()) -> None:
    """Write tables of the scores and statistics in `folder` into `folder`/tables.

    These are main and length as .tex, .md and .csv, and comparisons as sentences in .tex and .md.

    Raises:
        UserError: the scores or statistics are missing or belong to another study.
    """
    load_scores(study, folder / "scores.csv")
    names = ("task_means", "aggregates", "comparisons")
    found = read_statistics(study, folder, names)
    means, aggregates, comparisons = (found[name] for name in names)
    iqm = _iqm_entries(study, aggregates, 100.0)
    main = pd.concat([_task_entries(study, means, "success", 100.0), iqm])
    length = _task_entries(study, means, "length", 1.0)
    reported = _reported_entries(study)
    captions = _captions(study, main, length, reported)
    short = short_task_names(study.tasks) | {IQM: IQM}
    tables, provenance = folder / "tables", collect_provenance(study, manifests)
    for name, entries, others in (("main", main, reported), ("length", length, reported[:0])):
        table = Table(f"tab:{name}", captions[name], short, entries, others)
        columns = {**_ENTRIES, **(_SEEDS if study.allow_missing else {})}
        entries = _measured(study, entries)
        if study.published and name == "main":
            columns |= _SOURCE
            entries = pd.concat([entries.assign(source=_OURS), others])
            entries["runs"] = entries["runs"].astype("Int64")
        write_table(tables / f"{name}.csv", entries, columns, provenance)
        write_comparison(tables / name, table, provenance)
    sentences = comparison_sentences(study, comparisons)
    write_sentences(tables / "comparisons", sentences_caption(study), sentences, provenance)
