"""Word the captions and footnotes of a study that is shown before it is finished."""

import pandas as pd

from fmq.config.study import Study


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
    sentences = [
        f"Unfinished: n is the number of seeds of an entry with fewer than {seeds}; a dash has "
        "none."
    ]
    if aggregate:
        sentences.append(
            f"{aggregate}: over only the n seeds that have every task; a dash where there are "
            f"fewer than {min(2, seeds)}."
        )
    if seeds >= bold_from:
        sentences.append(f"Nothing is bold beside an entry with fewer than {bold_from} seeds.")
    return " ".join(sentences)


def curves_words(study: Study, scores: pd.DataFrame) -> str:
    """Say how many seeds are behind the points of learning curves."""
    runs = scores.groupby(["task", "method", "sampler", "stage", "step"])["seed"].count()
    return (
        f"Unfinished: points are means over {_range(study, runs)} seeds, not always the same ones "
        "for neighbouring points; missing points are not drawn."
    )


def rows_words(study: Study, estimates: pd.DataFrame) -> str:
    """Say how many seeds are behind estimates over all tasks."""
    if estimates.empty:
        return "Unfinished: no row has enough seeds with every task."
    return (
        "Unfinished: a row uses only the seeds that have every task, here "
        f"{_range(study, estimates['runs'])}; rows with fewer than {min(2, len(study.seeds))} are "
        "left out."
    )


def _range(study: Study, runs: pd.Series) -> str:
    """Format the range of `runs`, for example as ``1 to 2 of 3``."""
    low, high = int(runs.min()), int(runs.max())
    return f"{high if low == high else f'{low} to {high}'} of {len(study.seeds)}"
