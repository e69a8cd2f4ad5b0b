"""Write a text as LaTeX and as Markdown, both with their provenance."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fmq.analysis.inputs.provenance import provenance_lines
from fmq.analysis.tables.escape import escape_markdown, plain
from fmq.base.files import atomic_path

_FITTED = r"\ifdim\wd0>\textwidth\resizebox{\textwidth}{!}{\usebox0}\else\usebox0\fi"
"""Sets what box 0 holds, shrunk to the width of the text if it is wider."""
_PACKAGES = {"booktabs": r"\toprule", "graphicx": _FITTED}
"""LaTeX packages, each with a line that needs it."""
MISSING = "–"
"""What a cell without a value shows."""
_NO_BREAK = "\N{NO-BREAK SPACE}"


def write_texts(
    path: Path, latex: Sequence[str], markdown: Sequence[str], provenance: Mapping[str, Any]
) -> None:
    """Write lines as `path`.tex (for \\input) and `path`.md, with the provenance in either.

    The first line of `path`.tex says which packages it needs, if any.

    Args:
        latex, markdown: escaped lines.
    """
    told = provenance_lines(provenance)
    needed = [name for name, line in _PACKAGES.items() if line in latex]
    comments = [rf"% \usepackage{{{','.join(needed)}}}"] if needed else []
    comments += [f"% {plain(line)}" for line in told]
    footer = ["", "Provenance:", "", *(f"- {escape_markdown(line)}" for line in told)]
    for suffix, lines in ((".tex", [*comments, *latex]), (".md", [*markdown, *footer])):
        with atomic_path(path.with_name(path.name + suffix)) as temporary:
            temporary.write_text("\n".join([*lines, ""]), encoding="utf-8")


def latex_table(
    caption: str,
    label: str,
    head: Sequence[str],
    body: Sequence[str],
    columns: int,
    layout: Sequence[str] = (),
    shrunk: bool = False,
    note: str = "",
) -> list[str]:
    """Return a table environment for a document that has the packages of `_PACKAGES`.

    Args:
        caption, head, body: escaped; the rows end with a line break.
        columns: their number, without the first, which names the row.
        layout: commands before the rows.
        shrunk: whether to shrink it to the width of the text if it is wider.
        note: escaped sentences to be set below the rows, in small type.
    """
    below = (
        [r"\par\medskip", rf"\parbox{{\textwidth}}{{\scriptsize\raggedright {note}}}"]
        if note
        else []
    )
    rows = [
        rf"\begin{{tabular}}{{@{{}}l{'r' * columns}@{{}}}}",
        *(r"\toprule", *head, r"\midrule", *body, r"\bottomrule"),
        r"\end{tabular}",
    ]
    if shrunk:
        rows = [r"\sbox0{%", *rows, "}%", _FITTED]
    return [
        r"\begin{table}[htbp]",
        *(r"\centering", rf"\caption{{{caption}}}", rf"\label{{{label}}}", r"\medskip"),
        *layout,
        *rows,
        *below,
        r"\end{table}",
    ]


def latex_row(cells: Sequence[str]) -> str:
    """Return a row of escaped cells."""
    return " & ".join(cells) + r" \\"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a pipe table of escaped cells; all columns but the first are aligned to the right.

    Numbers do not wrap inside: neither at the ± of a deviation nor within or before an interval.
    An arrow stays with the number that follows it.
    """
    whole = [[name, *map(_unbroken, cells)] for name, *cells in rows]
    first, *others = [f"| {' | '.join(cells)} |" for cells in (header, *whole)]
    return [first, f"| --- |{' ---: |' * (len(header) - 1)}", *others]


def _unbroken(cell: str) -> str:
    """Replace spaces next to ±, after → and <, before brackets, and after a comma by hard ones."""
    return re.sub(r"(?<=[±→]) | (?=[±([]|\\\[)|(?<=\d,) (?=[-\d])|(?<=&lt;) ", _NO_BREAK, cell)
