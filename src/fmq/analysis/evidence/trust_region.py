"""Report how far fine-tuning moves a policy from the offline policy, against FMQ's trust region.

The drift is the mean || u_{r,1} - u_off_{r,1} ||^2 over a batch. FMQ's target is at a distance of
eta_eff from the offline policy (Theorem 3.2), so its drift should settle near eta_eff^2. MVP and
the control have no such radius. Policies without a flow map (QC) are left out: their velocity on
an interval (r, 1) was never trained.

Runs measure both every `log_every` updates. They log eta_eff as the mean over a batch, which is
squared here. With `statistics.drift: mean`, both are divided by the H*A numbers of a chunk.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fmq.analysis.figures.curves import short_steps
from fmq.analysis.figures.drawing import (
    draw_legend,
    draw_mean,
    method_handle,
    plain_ticks,
    task_panels,
    write_figure,
)
from fmq.analysis.inputs.csvw import Column, Columns, write_table
from fmq.analysis.inputs.provenance import collect_provenance
from fmq.analysis.inputs.training_metrics import read_metrics
from fmq.analysis.inputs.words import confidence, paragraph
from fmq.analysis.statistics.aggregates import task_estimates
from fmq.analysis.tables.listing import Listing, write_listing
from fmq.analysis.tables.texts import MISSING
from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.config.task_names import short_task_names
from fmq.pipeline.variants import flow_map_methods

TITLE = "Drift from the offline policy against the trust region"

_RADIUS: dict[str, Any] = {"color": "#000000", "linestyle": (0, (2, 1.5)), "linewidth": 1.2}

TRUST_REGION: Columns = {
    "task": Column("string", "name of the task"),
    "method": Column("string", "key of the method"),
    "drift": Column(
        "number",
        "mean || u_on - u_off ||^2 over the second half of fine-tuning, mean over runs; with "
        "statistics.drift: mean, over the H*A numbers of a chunk; empty without a run that "
        "measured it",
        0,
        optional=True,
    ),
    "deviation": Column("number", "standard deviation over runs", 0, optional=True),
    "low": Column("number", "lower end of the bootstrap interval over runs", 0, optional=True),
    "high": Column("number", "upper end of the bootstrap interval over runs", 0, optional=True),
    "radius_squared": Column(
        "number",
        "eta_eff^2 of FMQ's runs of the task, over the same steps and in the unit of the drift",
        0,
        optional=True,
    ),
    "ratio": Column("number", "drift over radius_squared", 0, optional=True),
    "runs": Column("integer", "runs behind the drift", 0),
}


def in_unit(study: Study, metrics: pd.DataFrame) -> pd.DataFrame:
    """Return what `read_metrics` returns, with the drift and radius_squared that are reported."""
    squared = metrics["eta_effective"] ** 2
    if not _is_mean(study):
        return metrics.assign(radius_squared=squared)
    of_one = metrics["drift_mean"] / metrics["drift"]  # 1 / (H*A)
    return metrics.assign(drift=metrics["drift_mean"], radius_squared=squared * of_one)


def _is_mean(study: Study) -> bool:
    return study.statistics.drift == "mean"


def settled(study: Study, metrics: pd.DataFrame) -> pd.DataFrame:
    """Average over the second half of fine-tuning, giving a row per task, method and seed.

    Args:
        metrics: what `in_unit` returns.

    Returns:
        frame with task, method, seed, drift and radius_squared (NaN for a method without a radius).
    """
    late = metrics[metrics["step"] > study.online.steps / 2]
    means = late.groupby(["task", "method", "seed"])[["drift", "radius_squared"]].mean()
    return means.reset_index()


def trust_region(study: Study, metrics: pd.DataFrame) -> pd.DataFrame:
    """Return drift and radius per task and method, with the columns `TRUST_REGION`."""
    runs = settled(study, metrics)
    radius = runs.groupby("task")["radius_squared"].mean()
    parts = []
    for method in flow_map_methods(study):
        own = runs[runs["method"] == method]
        table = own.pivot(index="seed", columns="task", values="drift")
        table = table.reindex(columns=pd.Index(study.tasks, name="task"))
        estimates = task_estimates(study, table)
        found = pd.concat([pd.DataFrame(columns=["task"]), *estimates]).set_index("task")
        found = found.rename(columns={"value": "drift"})
        parts.append(
            found.reindex(study.tasks).rename_axis("task").reset_index().assign(method=method)
        )
    rows = pd.concat(parts, ignore_index=True).reindex(columns=list(TRUST_REGION))
    rows["radius_squared"] = rows["task"].map(radius)
    rows["runs"] = rows["runs"].fillna(0).astype(int)
    return rows.assign(ratio=rows["drift"] / rows["radius_squared"].replace(0.0, np.nan))


def write_trust_region(
    study: Study, results: Path, folder: Path, manifests: Sequence[Path] = ()
) -> None:
    """Write the table and the figure into `folder`/trust_region.

    Raises:
        UserError: no method of the study has a flow map; runs are missing, or were made with other
            settings or data.
    """
    methods = flow_map_methods(study)
    if not methods:
        raise UserError("methods: none has a flow map, which the trust region report needs")
    metrics = read_metrics(study, results, methods, manifests)
    if metrics.empty:
        raise UserError(
            f"{results}: no measurement of a fine-tuned flow map yet; runs log one every "
            f"{study.training.log_every} updates"
        )
    metrics = in_unit(study, metrics)
    table = trust_region(study, metrics)
    provenance = collect_provenance(study, manifests)
    path = folder / "trust_region" / "trust_region"
    write_table(path.with_suffix(".csv"), table, TRUST_REGION, provenance)
    words, seeds = _words(study), len(study.seeds)
    radius = "eta_eff²/HA" if _is_mean(study) else "eta_eff²"
    header = ["task", radius, *(study.method(method).label for method in methods)]
    caption = (
        f"Drift from the offline policy and, in parentheses, its ratio to {radius}, the squared "
        f"radius of FMQ's trust region{' over HA' if _is_mean(study) else ''}."
    )
    explained = paragraph(words, _table_words(study, table))
    listing = Listing("tab:trust-region", caption, header, _rows(study, table), explained)
    write_listing(path, listing, provenance)
    bands = f"Bands: {confidence(study)} bootstrap intervals over {seeds} seeds."
    note = paragraph(words, bands if seeds > 1 else "One seed: no intervals.")
    write_figure(path, TITLE, note, provenance, draw_trust_region, study, metrics)


def _words(study: Study) -> str:
    """Say what drift and radius are, for the table and the figure."""
    return (
        "Drift: mean squared distance of the velocity u(r, 1) from the offline policy's over a "
        f"batch, every {study.training.log_every:,} updates"
        + (", divided by the HA numbers of a chunk. " if _is_mean(study) else ". ")
        + "eta_eff: the mean radius of FMQ's target."
    )


def _table_words(study: Study, table: pd.DataFrame) -> str:
    """Say what the entries of the table are over, and explain those that lack seeds."""
    seeds = len(study.seeds)
    return paragraph(
        "Over the second half of fine-tuning.",
        "One seed: no deviation and no interval."
        if seeds == 1
        else f"Mean ± standard deviation over {seeds} seeds.",
        ""
        if (table["runs"] == seeds).all()
        else "n is the number of seeds of an entry that lacks some; a dash has none.",
    )


def _rows(study: Study, table: pd.DataFrame) -> list[list[str]]:
    names = short_task_names(study.tasks)
    rows = []
    for task, name in names.items():
        entries: list[Any] = list(table[table["task"] == task].itertuples())
        drifts = [_drift(study, entry) for entry in entries]
        rows.append([name, _number(entries[0].radius_squared), *drifts])
    return rows


def _drift(study: Study, entry: Any) -> str:
    """Format drift and deviation, the ratio to eta_eff^2, and the seeds if some are missing."""
    words = _number(entry.drift)
    if not np.isnan(entry.deviation):
        words += f" ± {_number(entry.deviation)}"
    if not np.isnan(entry.ratio):
        words += f" ({_number(entry.ratio)})"
    return words + (f", n={entry.runs}" if 0 < entry.runs < len(study.seeds) else "")


def _number(value: float) -> str:
    """Format a number with three significant digits."""
    if np.isnan(value):
        return MISSING
    return f"{value:,.0f}" if value >= 1000 else f"{value:#.3g}".rstrip(".")


def draw_trust_region(study: Study, metrics: pd.DataFrame) -> Figure:
    """Draw each method's drift, mean and bootstrap interval over seeds; dashes: FMQ's eta_eff^2.

    Args:
        metrics: what `in_unit` returns.
    """
    unit = r" / HA" if _is_mean(study) else ""
    labels = ("environment steps", rf"mean $\|u_\mathrm{{on}} - u_\mathrm{{off}}\|^2${unit}")
    figure, panels = task_panels(study, study.tasks, *labels, (4.4, 1.1), sharey=True)
    for task, axis in panels.items():
        _draw_task(axis, study, metrics[metrics["task"] == task])
    if (metrics["drift"] > 0).any():
        figure.axes[0].set_yscale("log")
        plain_ticks(figure.axes[0].yaxis)
    handles = [method_handle(study, method) for method in flow_map_methods(study)]
    handles.append(Line2D([], [], label=rf"FMQ's $\eta_\mathrm{{eff}}^2${unit}", **_RADIUS))
    draw_legend(figure, handles, 4)
    return figure


def _draw_task(axis: Axes, study: Study, metrics: pd.DataFrame) -> None:
    """Draw one line per method, the first on top, and the squared radius."""
    for method in reversed(flow_map_methods(study)):
        own = metrics[metrics["method"] == method]
        if len(own):
            x, y = own["step"].to_numpy(), own["drift"].to_numpy()
            draw_mean(axis, study, method, x, y, "drift curves")
    radius = metrics.groupby("step")["radius_squared"].mean().dropna()
    axis.plot(radius.index, radius, **_RADIUS)
    axis.set_xlim(0, study.online.steps)
    axis.xaxis.set_major_locator(MaxNLocator(4))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda steps, _: short_steps(steps)))
