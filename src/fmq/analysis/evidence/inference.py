"""Report the cost and benefit of each sampler: network evaluations, latency and success."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmq.analysis.figures.drawing import draw_legend, plain_ticks, write_figure
from fmq.analysis.figures.style import look
from fmq.analysis.inputs.csvw import Column, Columns, read_table, write_table
from fmq.analysis.inputs.evaluations import SAMPLER, SEED, TASK
from fmq.analysis.inputs.provenance import collect_provenance
from fmq.analysis.inputs.words import counted, paragraph
from fmq.analysis.statistics.last_checkpoints import (
    RUN,
    collect,
    interval_words,
    percent,
    summarise,
)
from fmq.analysis.tables.listing import Listing, write_listing
from fmq.analysis.tables.texts import MISSING
from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.config.tasks import IQM
from fmq.pipeline.paths import costs_file
from fmq.pipeline.variants import inference_rows, sampler_label

_EVALUATIONS = Column("integer", "evaluations of the velocity network per chunk, counted", 1)
_COUNTS: Columns = {
    "evaluations": _EVALUATIONS,
    "formula": _EVALUATIONS._replace(description="the same by the paper's formula"),
    "critic_evaluations": Column("integer", "evaluations of both critics per chunk, counted", 0),
    "milliseconds": Column("number", "median wall time of a chunk at one observation", 0),
}
MEASURED: Columns = {"task": TASK, "run": RUN, "sampler": SAMPLER, "seed": SEED, **_COUNTS}
QUANTITIES = {
    "evaluations": "network evaluations per chunk",
    "milliseconds": "time per chunk (ms)",
}
_MISSING = "empty where runs are missing"
TABLE: Columns = {
    "method": Column("string", "key of the method"),
    "sampler": SAMPLER,
    **_COUNTS,
    "value": Column(
        "number", f"IQM of success over tasks and seeds; {_MISSING}", 0, 1, optional=True
    ),
    "low": Column("number", "lower end of its bootstrap interval", 0, 1, optional=True),
    "high": Column("number", "upper end of its bootstrap interval", 0, 1, optional=True),
}


def read_costs(study: Study, results: Path) -> pd.DataFrame:
    """Read what `fmq inference` measured, with the median time over tasks.

    The counts of evaluations must be the same on all tasks.

    Returns:
        frame indexed by run and sampler, with the columns `_COUNTS`.

    Raises:
        UserError: a file is missing or has other methods or samplers, or the counts differ.
    """
    wanted = pd.MultiIndex.from_tuples(inference_rows(study), names=["run", "sampler"])
    parts = []
    for task in study.tasks:
        path = costs_file(study, task, results)
        if study.allow_missing and not path.exists():
            continue
        found = read_table(path, MEASURED, ("run", "sampler")).set_index(["run", "sampler"])
        if set(found.index) != set(wanted):
            raise UserError(
                f"{path}: its methods or samplers are not the study's; run `fmq inference {task}` "
                "again"
            )
        parts.append(found)
    if not parts:
        raise UserError(f"{results}: nothing measured yet; run `snakemake inference`")
    measured = pd.concat(parts).groupby(["run", "sampler"], sort=False)[list(_COUNTS)]
    if (measured.nunique()[["evaluations", "formula", "critic_evaluations"]] > 1).any(axis=None):
        raise UserError(
            f"{results}: tasks were measured with different settings; run `fmq inference` again"
        )
    return measured.median().loc[wanted].astype(dict.fromkeys(list(_COUNTS)[:3], "int64"))


def write_inference_report(
    study: Study, results: Path, folder: Path, manifests: Sequence[Path] = ()
) -> None:
    """Write the table, and the figure of success against evaluations, into `folder`/inference."""
    measured = read_costs(study, results).reset_index()
    scores = collect(study, results, manifests, inference_rows(study), "inference")
    summary = summarise(study, scores)
    iqm = summary[summary["task"] == IQM][["run", "sampler", "value", "low", "high", "runs"]]
    table = measured.merge(iqm, on=["run", "sampler"], how="left")
    table["method"] = table["run"].str.removeprefix("finetune-")
    provenance = collect_provenance(study, manifests)
    write_table(folder / "inference" / "inference.csv", table[list(TABLE)], TABLE, provenance)
    intervals = interval_words(study, summary)
    caption = (
        "Evaluations of the velocity network and of the critics per action chunk, median "
        f"milliseconds for one observation, and {IQM} of success in percent."
    )
    note = (
        "Evaluations are counted as they happen. Milliseconds: with "
        f"{counted(study.threads, 'thread')} on the machine that measured, along with any other "
        f"load. {intervals}"
    )
    header = ["", "sampler", "network", "critics", "ms", "success"]
    cells = [_cells(study, row) for _, row in table.iterrows()]
    path = folder / "inference" / "inference"
    write_listing(path, Listing("tab:inference", caption, header, cells, note), provenance)
    bars = "" if len(study.seeds) == 1 else "Bars: intervals of the IQM."
    title, note = "Success against evaluations", paragraph("Last checkpoints.", bars, intervals)
    write_figure(path, title, note, provenance, draw, study, table)


def _cells(study: Study, row: pd.Series) -> list[str]:
    counted = str(row["evaluations"])
    if row["evaluations"] != row["formula"]:
        counted += f" (formula: {row['formula']})"
    success = MISSING if pd.isna(row["value"]) else percent(study, row)
    label = study.method(row["method"]).label
    critics, time = str(row["critic_evaluations"]), f"{row['milliseconds']:.2f}"
    return [label, sampler_label(study, row["sampler"]), counted, critics, time, success]


def draw(study: Study, table: pd.DataFrame) -> Figure:
    """Draw success against evaluations of the velocity network and milliseconds, per method."""
    figure = Figure(figsize=(7.2, 3.0))
    axes = figure.subplots(1, 2, sharey=True)
    for axis, (column, label) in zip(axes, QUANTITIES.items(), strict=True):
        for method in table["method"].unique():
            own = table[table["method"] == method].dropna(subset=["value"])
            own = own.sort_values("evaluations")  # of best-of-N, the order of N
            beam = own["sampler"].str.startswith("qgbs")
            _draw_line(study, axis, own[~beam], column, method, "")
            _draw_line(study, axis, own[beam], column, method, " with QGBS")
        axis.set_xscale("log")
        plain_ticks(axis.xaxis)
        axis.set_xlabel(label)
    axes[0].set_ylabel("success (%)")
    axes[0].set_ylim(-4, 104)
    draw_legend(figure, axes[0].get_legend_handles_labels()[0], 4)
    return figure


def _draw_line(
    study: Study, axis: Axes, part: pd.DataFrame, column: str, method: str, suffix: str
) -> None:
    """Draw the IQM with its interval at each cost, joined by a line along N of best-of-N.

    Beam search looks as a second sampler does. Its budgets differ in more than one number, so no
    line joins them.
    """
    if part.empty:
        return
    style = look(method, study.added_methods, int(bool(suffix)))
    value, low, high = 100 * part[["value", "low", "high"]].to_numpy().T
    spread = None if np.isnan(low).any() else np.clip([value - low, high - value], 0, None)
    hollow = "white" if suffix else style.color
    # Small markers, which leave narrow intervals to be seen.
    options = style.options() | {"markerfacecolor": hollow, "markersize": 3.5}
    if suffix or len(part) == 1:
        options["linestyle"] = "none"
    label = study.method(method).label + suffix
    axis.errorbar(part[column].to_numpy(), value, spread, elinewidth=1.2, label=label, **options)
