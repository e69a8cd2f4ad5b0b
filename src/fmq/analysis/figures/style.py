"""Define the common style of figures and tables: names, colours, markers and lines of methods."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from fmq.config.methods import METHODS
from fmq.config.study import Study


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

# For a method's second sampler, which has another shade of its method's color.
_SECOND_LINES = ((0, (11, 1.5)), (0, (2.2, 1.2)), (0, (1, 2.5)), (0, (5, 1, 1, 1, 1, 1, 1, 1)))

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


def look(method: str, added: Iterable[str] = (), place: int = 0) -> Look:
    """Return the look of a method, which is the same in every figure, whatever else is compared.

    Args:
        added: `Study.added_methods`. Looks are assigned in this order; the first 60 are distinct.
        place: of the sampler among the method's: 0 is its own, further ones have other shades and
            lines.
    """
    own, added = _own_look(method, added), list(added)
    if not place:
        return own
    line = _SECOND_LINES[([*METHODS, *added].index(method) + place - 1) % len(_SECOND_LINES)]
    return Look(_shade(own.color, 0.55**place), own.marker, line)


def row_look(study: Study, method: str, sampler: str) -> Look:
    """Return the look of a row of the comparison: a method with one of its samplers."""
    return look(method, study.added_methods, study.samplers_of(method).index(sampler))


def _shade(color: str, share: float) -> str:
    """Keep a share of a color; the rest is white if it is dark, and black if it is light."""
    parts = _parts(color)
    grey = 0.3 * parts[0] + 0.59 * parts[1] + 0.11 * parts[2]
    return _mix(parts, share, 255 if grey < 128 else 0)


def darker(style: Look) -> Look:
    """Return a look that is near black, with a trace of its color."""
    return style._replace(color=_mix(_parts(style.color), 0.4, 0))


def _mix(parts: Sequence[int], share: float, other: int) -> str:
    """Return the color of which a share is `parts`, and the rest a grey."""
    return "#" + "".join(f"{round(share * part + (1 - share) * other):02X}" for part in parts)


def _parts(color: str) -> list[int]:
    """Return red, green and blue of a color such as #004488."""
    return [int(color[start : start + 2], 16) for start in (1, 3, 5)]


def _own_look(method: str, added: Iterable[str]) -> Look:
    if method in _KNOWN:
        return _KNOWN[method]
    if method not in METHODS:
        place = list(added).index(method)
        kinds = (_OWN_COLORS, _OWN_MARKERS, _OWN_LINES)
        return Look(*(kind[place % len(kind)] for kind in kinds))
    further = [name for name in METHODS if name not in _KNOWN]
    return _FURTHER[further.index(method) % len(_FURTHER)]
