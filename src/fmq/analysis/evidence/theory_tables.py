"""Format what `fmq theory` measured as plain tables, with a verdict for every claim."""

import math
from typing import Any

import pandas as pd

from fmq.analysis.inputs.words import span
from fmq.analysis.tables.listing import Listing
from fmq.analysis.tables.texts import MISSING
from fmq.config.study import Study
from fmq.config.task_names import short_task_names

_CRITICS = {
    "offline": "offline",
    "online": "after FMQ",
    "quadratic": "quadratic",
    "flat": "g = 0",
}
GAPS = [f"{name}_gap" for name in ("displacement", "objective", "activity", "multiplier")]
_MEANS = "Means over seeds."


def _rows(frame: pd.DataFrame) -> list[Any]:
    return list(frame.itertuples())


def _verdict(holds: int) -> str:
    return "holds" if holds else "FAILS"


def _small(value: float) -> str:
    """Format a value with one significant digit, and zero as a plain 0."""
    return MISSING if math.isnan(value) else f"{value:.0e}" if value else "0"


def _percent(value: float) -> str:
    """Format a share in percent, rounded towards 50, so that 100 means all and 0 means none."""
    rounded = math.floor(100 * value) if value > 0.5 else math.ceil(100 * value)
    return str(rounded)


def _optimum(study: Study, rows: pd.DataFrame) -> Listing:
    names = short_task_names(study.tasks)
    cells = []
    for row in _rows(rows):
        share = f"{row.share:.3f} [{row.share_low:.3f}, {row.share_high:.3f}]"
        cells.append(
            [
                *(names[row.task], _CRITICS[row.critic]),
                *(_small(getattr(row, gap)) for gap in GAPS),
                _verdict(row.holds),
                MISSING if math.isnan(row.share) else share,
                _percent(row.raised),
            ]
        )
    header = [
        *("task", "critic", "displacement", "objective", "activity", "multiplier", "claim"),
        *("of best gain", "Q rises (%)"),
    ]
    caption = (
        "Theorem 3.2 at a fixed radius eta against SLSQP from random starts: the largest gap over "
        f"problems, seeds and starts that converged; {span(rows['problems'])} problems per row."
    )
    note = (
        "Critics: FMQ's before and after fine-tuning, random quadratics, and quadratics without a "
        "gradient g at a_1. d*: the target's displacement; d: the solver's. Displacement: "
        "|d - d*| / eta; objective: |<g, d - d*>| / (eta |g|); "
        "activity: | |d| / eta - 1 |; multiplier: |lambda / (|g| / eta) - 1| with g = lambda d, "
        "that is, for the Lagrangian <g, d> - lambda (|d|^2 - eta^2) / 2. The claim holds "
        "if all are at most 1e-6. "
        "With g = 0 the objective and lambda themselves are shown: every d is optimal. "
        "Of best gain: Q(a_1 + d*) - Q(a_1) over the largest rise found in the ball, median "
        "[10%, 90%]; chunks are not clipped."
    )
    return Listing("tab:optimum", caption, header, cells, note)


def _first_order(study: Study, rows: pd.DataFrame) -> Listing:
    names = short_task_names(study.tasks)
    cells = []
    for (task, critic), part in rows.groupby(["task", "critic"], sort=False):
        shown = [
            (MISSING if math.isnan(row.ratio) else f"{row.ratio:.2f}")
            + ("" if row.holds else f" {_verdict(row.holds)}")
            for row in _rows(part)
        ]
        row = [names[str(task)], _CRITICS[str(critic)], str(part["seeds"].iloc[0])]
        cells.append([*row, *shown, _verdict(int(part["holds"].min()))])
    radii = [f"eta {eta:g}" for eta in rows["eta"].unique()]
    header = ["task", "critic", "seeds", *radii, "claim"]
    caption = "Measured over predicted rise of Q along its gradient, by the radius eta."
    note = (
        "(Q(a_1 + eta g / |g|) - Q(a_1)) / (eta |g|), each averaged over states of the data set "
        f"first. {_MEANS} The claim: Q rises on average, at every radius and in every seed."
    )
    return Listing("tab:first_order", caption, header, cells, note)


def _map(study: Study, rows: pd.DataFrame) -> Listing:
    names = short_task_names(study.tasks)
    cells = []
    for (task, kind), part in rows.groupby(["task", "distillation"], sort=False):
        shown = [f"{row.flow_error:.3f} / {row.semigroup_error:.3f}" for row in _rows(part)]
        longest = max(_rows(part), key=lambda row: row.jump)
        resolved = f"{part['integration_error'].max():.0e} {_verdict(int(part['holds'].min()))}"
        row = [names[str(task)], str(kind).upper(), str(longest.seeds)]
        cells.append([*row, *shown, f"{longest.distance:.3f}", resolved])
    jumps = [f"jump {jump:g}" for jump in rows["jump"].unique()]
    header = ["task", "map", "seeds", *jumps, "longest way", "integration"]
    caption = (
        "Mean distance between X_{r,1}(a_r) and the flow of u_{t,t} from a_r / between X_{r,1} in "
        "two jumps of the same length and in one, by the jump 1 - r."
    )
    note = (
        f"Chunks are not clipped. {_MEANS} Longest way: how far the flow travels from r = 0. "
        "Integration: the largest change when the steps of the fourth-order solver are twice as "
        "long; the claim that no digit shown changes holds or fails."
    )
    return Listing("tab:map", caption, header, cells, note)


def _improvement(study: Study, rows: pd.DataFrame) -> Listing:
    names = short_task_names(study.tasks)
    last = int(rows["update"].max())
    cells = []
    for row in _rows(rows[rows["update"] == last]):
        spread = "" if math.isnan(row.gain_deviation) else f" ± {row.gain_deviation:.3f}"
        rises = (f"{value:.3f}" for value in (row.free_gain, row.predicted, row.promised))
        cells.append(
            [
                *(names[row.task], str(row.seeds), f"{row.displacement:.3f}", f"{row.eta:.3f}"),
                *(f"{row.gain:.3f}{spread}", *rises, _percent(row.raised), _verdict(row.holds)),
            ]
        )
    header = [
        *("task", "seeds", "|u - u_off|", "eta", "rise of Q", "not clipped", "predicted"),
        *("promised", "Q raised (%)", "claim"),
    ]
    caption = (
        f"Rise of Q of the offline policy after {last} updates on the FMQ loss with its critics "
        "frozen, on a fixed batch."
    )
    note = (
        "Rise of Q: at clip(a_r + (1 - r) u) over the offline policy's chunk; not "
        "clipped: at a_1 + (1 - r) (u - u_off); predicted: to first order, for the u reached; "
        f"promised: to first order, for the target u*. {_MEANS} "
        "The claim: Q rises on average in every seed."
    )
    return Listing("tab:improvement", caption, header, cells, note)


LISTINGS = {
    "optimum": _optimum,
    "first_order": _first_order,
    "map": _map,
    "improvement": _improvement,
}
