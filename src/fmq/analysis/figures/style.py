"""Define the common style of figures and tables: names, colours, markers and lines of methods."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from fmq.config.methods import METHODS


class Look(NamedTuple):
    """The color, marker and line style of a method, as matplotlib takes them."""

    color: str
    marker: str
    line: Any

    def options(self) -> dict[str, Any]:
        """Return the look as options of matplotlib's lines."""
        return {"color": self.color, "marker": self.marker, "linestyle": self.line}


# After P. Tol's "high-contrast" scheme, which is colour-blind safe and keeps distinct lightness in
# print; the control is grey.
_KNOWN = {
    "fmq": Look("#004488", "o", "-"),
    "mvp": Look("#DDAA33", "s", (0, (5, 2))),
    "qc": Look("#BB5566", "^", (0, (1, 1))),
    "mvp-no-new-data": Look("#9A9A9A", "D", (0, (6, 2, 1, 2))),
}
_FURTHER = (
    Look("#117733", "v", (0, (3, 1, 1, 1, 1, 1))),
    Look("#88CCEE", "P", (0, (4, 3))),
    Look("#882255", "X", (0, (1, 3))),
    Look("#44AA99", "*", (0, (8, 3))),
)
# For methods that users add: further hues from Tol's and from Okabe and Ito's schemes.
_OWN_COLORS = ("#D55E00", "#AA4499", "#999933", "#332288")
_OWN_MARKERS = ("p", "h", "<", ">", "d")
_OWN_LINES: tuple[Any, ...] = ((0, (7, 1, 1, 1)), (0, (2, 2)), (0, (10, 2, 2, 2)))

STYLE: dict[Any, Any] = {
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.0,
    "figure.titlesize": 8.5,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "figure.constrained_layout.use": True,
}


def look(method: str, added: Iterable[str] = ()) -> Look:
    """Return the look of a method, which is the same in every figure, whatever else is compared.

    Args:
        added: `Study.added_methods`. Looks are assigned in this order; the first 60 are distinct.
    """
    if method in _KNOWN:
        return _KNOWN[method]
    if method not in METHODS:
        place = list(added).index(method)
        kinds = (_OWN_COLORS, _OWN_MARKERS, _OWN_LINES)
        return Look(*(kind[place % len(kind)] for kind in kinds))
    further = [name for name in METHODS if name not in _KNOWN]
    return _FURTHER[further.index(method) % len(_FURTHER)]


def short_task_names(tasks: Sequence[str]) -> dict[str, str]:
    """Map task names to short ones.

    For example, `pointmaze-medium-navigate-singletask-task2-v0` becomes `pointmaze-medium task2`.
    The word for the data set (navigate, play, ...) stays where two tasks differ in nothing else.
    Names that a study defines itself stay as they are.
    """
    longer = {name: _without_suffix(name) for name in tasks}
    shorter = {name: _without_data(name, text) for name, text in longer.items()}
    uses = Counter(shorter.values())
    return {name: shorter[name] if uses[shorter[name]] == 1 else longer[name] for name in tasks}


def _without_data(name: str, text: str) -> str:
    """Remove the word for the data set from `text`, where the task's name has one."""
    has_one = "-singletask" in name or name.endswith("-mh-low_dim")
    return re.sub(r"-[a-z]+(?= |$)", "", text, count=1) if has_one else text


def _without_suffix(name: str) -> str:
    """Return `pointmaze-medium-navigate task2` or `can-mh`; a default task has no number."""
    plain = name.removesuffix("-v0").removesuffix("-low_dim")
    family, _, number = plain.partition("-singletask")
    return f"{family} {number.removeprefix('-')}".strip()
