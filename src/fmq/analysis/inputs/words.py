"""Word what captions and footnotes share, and what they say of an unfinished study."""

import pandas as pd

from fmq.config.study import Study


def paragraph(*sentences: str) -> str:
    """Join the sentences that are not empty."""
    return " ".join(filter(None, sentences))


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, for example ``1 seed`` and ``2 seeds``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def confidence(study: Study) -> str:
    """Return the level of the intervals, for example ``95%``."""
    return f"{100 * study.statistics.confidence:g}%"


def shared_words(study: Study) -> str:
    """Say that all seeds have the offline runs of one, if they do."""
    if not (study.offline.shared and study.trained_methods) or len(study.seeds) == 1:
        return ""
    return (
        f"All seeds start from the offline runs of seed {study.seeds[0]}, so offline values have "
        "no spread."
    )


def span(counts: pd.Series) -> str:
    """Return the range of some numbers, for example ``1 to 2``; a single number if all agree."""
    low, high = int(counts.min()), int(counts.max())
    return str(high) if low == high else f"{low} to {high}"


def table_words(study: Study, entries: pd.DataFrame, aggregate: str, bold_from: int) -> str:
    """Explain dashes and numbers of seeds; return "" if all `entries` are over all seeds.

    Args:
        entries: entries with the column ``runs``.
        aggregate: name of the line that is over all tasks, or "".
        bold_from: number of seeds that an entry needs to be compared.
    """
    seeds = len(study.seeds)
    if (entries["runs"] == seeds).all():
        return ""
    return paragraph(
        f"Unfinished: n is the number of seeds of an entry with fewer than {seeds}; a dash has "
        "none.",
        f"{aggregate}: over only the n seeds that have every task; a dash where there are "
        f"fewer than {min(2, seeds)}."
        if aggregate
        else "",
        f"Nothing is bold beside an entry with fewer than {bold_from} seeds."
        if seeds >= bold_from
        else "",
    )


def curves_words(study: Study, scores: pd.DataFrame) -> str:
    """Say how many seeds are behind the points of learning curves."""
    runs = scores.groupby(["task", "method", "sampler", "stage", "step"])["seed"].count()
    return (
        f"Unfinished: points are means over {span(runs)} of {len(study.seeds)} seeds, not always "
        "the same ones for neighbouring points; missing points are not drawn."
    )


def rows_words(study: Study, estimates: pd.DataFrame) -> str:
    """Say how many seeds are behind estimates over all tasks."""
    if estimates.empty:
        return "Unfinished: no row has enough seeds with every task."
    return (
        "Unfinished: a row uses only the seeds that have every task, here "
        f"{span(estimates['runs'])} of {len(study.seeds)}; rows with fewer than "
        f"{min(2, len(study.seeds))} are left out."
    )
