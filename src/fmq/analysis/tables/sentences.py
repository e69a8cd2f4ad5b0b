"""Write the comparisons as plain sentences, generated from their numbers, in Markdown and LaTeX."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fmq.analysis.inputs.provenance import source_sentences
from fmq.analysis.inputs.scores import STAGES
from fmq.analysis.inputs.words import confidence, counted, paragraph, shared_words
from fmq.analysis.statistics.comparisons import Row, compared_rows
from fmq.analysis.tables.escape import escape_latex, escape_markdown
from fmq.analysis.tables.texts import write_texts
from fmq.config.study import Study
from fmq.pipeline.variants import row_label

Groups = Mapping[str, Sequence[str]]


def comparison_sentences(study: Study, comparisons: pd.DataFrame) -> dict[str, list[str]]:
    """Return a sentence per comparison under a heading per stage, online first.

    Rows that cannot be compared yet are named too.

    Args:
        comparisons: columns `fmq.analysis.statistics.estimates.STATISTICS`.
    """
    return {
        f"After {stage} training": _stage_sentences(
            study, comparisons[comparisons["stage"] == stage], stage
        )
        for stage in reversed(STAGES)
    }


def _stage_sentences(study: Study, comparisons: pd.DataFrame, stage: str) -> list[str]:
    compared = compared_rows(study, stage)
    if not compared:
        return ["No method is trained here."]
    row, *others = compared
    rows = zip(comparisons["other_method"], comparisons["other_sampler"], strict=True)
    found: dict[Row, Any] = dict(zip(rows, comparisons.itertuples(), strict=True))
    if not others:
        return [f"No row differs from {row_label(study, *row)} in checkpoint or sampler."]
    ours = row_label(study, *row)
    few = "no seed has" if len(study.seeds) == 1 else "fewer than 2 seeds have"
    return [
        _sentence(ours, row_label(study, *other), found[other])
        if other in found
        else f"{ours} and {row_label(study, *other)} cannot be compared yet: for one of them, "
        f"{few} every task."
        for other in others
    ]


def _sentence(ours: str, theirs: str, found: Any) -> str:
    """Return a sentence with tasks, IQM difference, probability of improvement, means and runs."""
    difference = (found.difference, found.difference_low, found.difference_high)
    improvement = (found.improvement, found.improvement_low, found.improvement_high)
    means = (
        f"{_with_deviation(found.mean, found.deviation)} against "
        f"{_with_deviation(found.other_mean, found.other_deviation)}"
    )
    return "; ".join(
        [
            _tasks(ours, theirs, found),
            f"IQM difference {_with_interval(*difference)}{_verdict(*difference[1:])}",
            f"probability of improvement {_with_interval(*improvement)}",
            f"mean success {means}",
            f"{_seeds(found)}.",
        ]
    )


def _tasks(ours: str, theirs: str, found: Any) -> str:
    """Say on how many tasks each of the two is ahead, the larger number first."""
    above, below = found.tasks_above, found.tasks_below
    equal = found.tasks - above - below
    total = counted(found.tasks, "task")
    if above == below == 0:
        return f"{ours} equal to {theirs} on {equal} of {total}"
    if above == below:
        words = f"{ours} and {theirs} even: of {total}, above on {above} and below on {below}"
    elif above > below:
        words = f"{ours} above {theirs} on {above} of {total}"
        words += f", below on {below}" if below else ""
    else:
        words = f"{ours} below {theirs} on {below} of {total}"
        words += f", above on {above}" if above else ""
    return words + (f", equal on {equal}" if equal else "")


def _verdict(low: float, high: float) -> str:
    """Return a remark if the interval of a difference includes 0, else an empty string."""
    return ", which does not exclude 0" if low <= 0 <= high else ""


def _with_interval(value: float, low: float, high: float) -> str:
    return _number(value) + ("" if math.isnan(low) else f" [{_number(low)}, {_number(high)}]")


def _with_deviation(value: float, deviation: float) -> str:
    return _number(value) + ("" if math.isnan(deviation) else f" ± {_number(deviation)}")


def _number(value: float) -> str:
    """Format a fraction in percent with one decimal, without a minus sign before zero."""
    return f"{round(100 * value, 1) + 0.0:.1f}"


def _seeds(found: Any) -> str:
    """Say how many runs are behind both rows, and whether a single run prevents an interval."""
    runs, others = found.runs, found.other_runs
    if runs == others == 1:
        return "one seed each, so that there is no interval and no spread"
    told = f"{runs} seeds each" if runs == others else f"{runs} seeds against {others}"
    return f"{told}, so that there is no interval" if min(runs, others) == 1 else told


def sentences_caption(study: Study) -> str:
    """Return the caption that explains the numbers of the sentences."""
    spread = "" if len(study.seeds) == 1 else " ± standard deviation over seeds"
    intervals = (
        "One seed: no intervals."
        if len(study.seeds) == 1
        else f"Brackets: {confidence(study)} stratified bootstrap over seeds "
        f"({study.statistics.resamples} resamples), both rows resampled independently."
    )
    return paragraph(
        "Comparisons of the last checkpoints, all numbers in percent. A task counts as "
        "above, below or equal by the mean over seeds; IQM: interquartile mean over tasks and "
        "seeds; probability of improvement: that a run is better than one of the other row on the "
        f"same task, 50 if there is no difference; mean success: over tasks{spread}. {intervals}",
        shared_words(study),
    )


def write_sentences(
    path: Path, caption: str, groups: Groups, provenance: Mapping[str, Any]
) -> None:
    """Write `path`.md and `path`.tex (for \\input): lists of sentences under their headings."""
    caption = f"{caption} {source_sentences(provenance)}"
    latex, markdown = [], [escape_markdown(caption)]
    for heading, sentences in groups.items():
        items = [rf"\item {escape_latex(sentence)}" for sentence in sentences]
        latex += [rf"\paragraph{{{escape_latex(heading)}}}", r"\begin{itemize}", *items]
        latex += [r"\end{itemize}"]
        items = [f"- {escape_markdown(sentence)}" for sentence in sentences]
        markdown += ["", f"{escape_markdown(heading)}:", "", *items]
    latex.append(rf"{{\footnotesize {escape_latex(caption)}\par}}")
    write_texts(path, latex, markdown, provenance)
