"""Words for the captions and footnotes of a study that is shown before all of it is there."""

import pandas as pd

from fmq.settings import Study


def table_words(study: Study, entries: pd.DataFrame, aggregate: str, bold_from: int) -> str:
    """What dashes and numbers of seeds mean, or nothing if `entries` are over all seeds.

    Args:
        entries: with the column ``runs``.
        aggregate: name of the line that is over all tasks, or nothing.
        bold_from: seeds that an entry needs to be compared.
    """
    seeds = len(study.seeds)
    if (entries["runs"] == seeds).all():
        return ""
    sentences = [
        f"Unfinished: n tells the seeds of an entry that has fewer than {seeds}; a dash has none."
    ]
    if aggregate:
        sentences.append(
            f"{aggregate}: over those seeds alone that have every task, which n counts; a dash "
            f"where these are fewer than {min(2, seeds)}."
        )
    if seeds >= bold_from:
        sentences.append(f"Nothing is bold beside an entry with fewer than {bold_from} seeds.")
    return " ".join(sentences)


def curves_words(study: Study, scores: pd.DataFrame) -> str:
    """How many seeds are behind the points of learning curves."""
    runs = scores.groupby(["task", "method", "sampler", "stage", "step"])["seed"].count()
    return (
        f"Unfinished: points are means over {_range(study, runs)} seeds, neighbours not always "
        "over the same ones; where nothing is there, nothing is drawn."
    )


def rows_words(study: Study, estimates: pd.DataFrame) -> str:
    """How many seeds are behind estimates over all tasks."""
    if estimates.empty:
        return "Unfinished: no row has enough seeds with every task."
    return (
        "Unfinished: a row is over those seeds alone that have every task, here "
        f"{_range(study, estimates['runs'])}; rows where these are fewer than "
        f"{min(2, len(study.seeds))} are left out."
    )


def _range(study: Study, runs: pd.Series) -> str:
    """For example ``1 to 2 of 3``."""
    low, high = int(runs.min()), int(runs.max())
    return f"{high if low == high else f'{low} to {high}'} of {len(study.seeds)}"
