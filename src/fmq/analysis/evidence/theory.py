"""Turn the measurements of `fmq theory` into tables and figures that test Theorem 3.2.

A claim holds or fails by the numbers in its row, at the tolerances below; no problem is excluded.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fmq.analysis.evidence.measurements import Measured, read_measurements
from fmq.analysis.evidence.theory_columns import MEASURED, REPORTED
from fmq.analysis.evidence.theory_tables import GAPS, LISTINGS
from fmq.analysis.figures.drawing import write_figure
from fmq.analysis.figures.theory_figures import FIGURES, theory_note
from fmq.analysis.inputs.csvw import write_table
from fmq.analysis.inputs.provenance import collect_provenance
from fmq.analysis.inputs.words import paragraph, shared_words
from fmq.analysis.tables.listing import write_listing
from fmq.config.study import Study
from fmq.pipeline.paths import theory_folder
from fmq.pipeline.theory import MEASUREMENTS, theory_runs

TOLERANCE = 1e-6  # relative, between closed form and numerical optimum
SHOWN = 1e-3  # distances between chunks are shown to this digit
THEORY = Measured("theory", theory_folder, theory_runs, MEASURED)


def optimum(measured: pd.DataFrame) -> pd.DataFrame:
    """Return the largest gaps over all problems per task and kind of critic, columns `REPORTED`."""
    slope = measured["gradient_norm"]
    regular = slope > 0
    scale = measured["eta"] * slope.where(regular, 1.0)
    closed = measured["closed_multiplier"]
    best = measured["best_gain"]
    frame = measured.assign(
        unsolved=measured["converged"] == 0,
        displacement_gap=(measured["displacement_gap"] / measured["eta"]).where(regular),
        objective_gap=measured["objective_gap"] / scale,
        activity_gap=(measured["activity"] / measured["eta"]).abs().where(regular),
        multiplier_gap=(measured["multiplier"] - closed).abs() / closed.where(regular, 1.0),
        share=(measured["closed_gain"] / best).where(regular & (best > 0)),
        raised=(measured["closed_gain"] > 0).astype(float),
    )
    rows = frame.groupby(["task", "critic"], sort=False).agg(
        seeds=("seed", "nunique"),
        problems=("problem", "size"),
        starts=("starts", "sum"),
        converged=("converged", "sum"),
        unsolved=("unsolved", "sum"),
        **{gap: (gap, "max") for gap in GAPS},
        share=("share", "median"),
        share_low=("share", lambda values: values.quantile(0.1)),
        share_high=("share", lambda values: values.quantile(0.9)),
        raised=("raised", "mean"),
    )
    near = (rows[GAPS].fillna(0) <= TOLERANCE).all(axis=1) & (rows["unsolved"] == 0)
    rows["converged"] = rows["converged"] / rows["starts"]
    return rows.assign(holds=near.astype(int)).reset_index()


def _over_seeds(
    measured: pd.DataFrame, key: Sequence[str], means: Sequence[str], spread: Sequence[str]
) -> pd.DataFrame:
    """Return means over seeds, and standard deviations of `spread`, per task and `key`."""
    groups = measured.groupby(["task", *key], sort=False)
    rows = groups[list(means)].mean()
    rows.insert(0, "seeds", groups["seed"].nunique())
    for name in spread:
        rows[f"{name}_deviation"] = groups[name].std(ddof=1).where(rows["seeds"] > 1)
    return rows.reset_index()


def _every_seed(measured: pd.DataFrame, key: Sequence[str], fits: pd.Series) -> np.ndarray:
    """Return 1 where `fits` is true for all seeds of a task and `key`, else 0.

    The values are in the order of `_over_seeds`.
    """
    frame = measured.assign(fits=fits)
    return frame.groupby(["task", *key], sort=False)["fits"].all().astype(int).to_numpy()


def first_order(measured: pd.DataFrame) -> pd.DataFrame:
    """Return the measured and the predicted rise of Q per radius, columns `REPORTED`."""
    key = ("critic", "eta")
    rows = _over_seeds(measured, key, ("gain", "predicted", "raised"), ("gain",))
    return rows.assign(
        ratio=(rows["gain"] / rows["predicted"]).where(rows["predicted"] > 0),
        holds=_every_seed(measured, key, measured["gain"] > 0),
    )


def flow_map(measured: pd.DataFrame) -> pd.DataFrame:
    """Return the errors of flow maps per jump size, columns `REPORTED`."""
    key, errors = ("distillation", "jump"), ("flow_error", "semigroup_error")
    rows = _over_seeds(measured, key, (*errors, "distance"), errors)
    largest = measured.groupby(["task", *key], sort=False)["integration_error"].max()
    resolved = measured["integration_error"] < SHOWN / 2
    return rows.assign(
        integration_error=largest.to_numpy(), holds=_every_seed(measured, key, resolved)
    )


def improvement(measured: pd.DataFrame) -> pd.DataFrame:
    """Return the rise of Q over updates, columns `REPORTED`.

    The claim always holds before the first update, where Q has not changed.
    """
    means = ("displacement", "eta", "gain", "free_gain", "predicted", "promised", "raised")
    rows = _over_seeds(measured, ("update",), means, ("gain",))
    rises = (measured["gain"] > 0) | (measured["update"] == 0)
    return rows.assign(holds=_every_seed(measured, ("update",), rises))


AGGREGATES = {
    "optimum": optimum,
    "first_order": first_order,
    "map": flow_map,
    "improvement": improvement,
}
TITLES = {
    "optimum": "The closed form against a solver",
    "first_order": "The first-order expansion of Q",
    "map": "Flow maps against their own flow",
    "improvement": "Q while training on the target",
}


def write_theory(study: Study, results: Path, folder: Path, manifests: Sequence[Path] = ()) -> None:
    """Write a table and a figure of each measurement into `folder`/theory.

    Raises:
        UserError: a measurement is missing or was made with other settings or data.
    """
    provenance = collect_provenance(study, manifests)
    measured = read_measurements(THEORY, study, results, provenance)
    folder = folder / "theory"
    for name in MEASUREMENTS:
        rows = AGGREGATES[name](measured[name])
        write_table(folder / f"{name}.csv", rows, REPORTED[name], provenance)
        listing = LISTINGS[name](study, rows)
        told = paragraph(listing.note, shared_words(study))
        write_listing(folder / name, listing._replace(note=told), provenance)
        inputs = (study, measured[name], rows)
        note = paragraph(theory_note(name, rows), shared_words(study))
        write_figure(folder / name, TITLES[name], note, provenance, FIGURES[name], *inputs)
