"""A plain table of words and numbers as LaTeX and Markdown: a header, rows, a caption."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fmq.analysis.escape import escape_latex, escape_markdown, plain
from fmq.analysis.provenance import provenance_lines
from fmq.files import atomic_path


class Listing(NamedTuple):
    """What is shown; every cell is text, and the first column names the row.

    Attributes:
        label: for LaTeX's \\ref.
        caption: plain text.
        header: a name per column.
        rows: as many cells each.
    """

    label: str
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def write_listing(path: Path, listing: Listing, provenance: Mapping[str, Any]) -> None:
    """Write `path`.tex (an \\input for a text that uses booktabs) and `path`.md."""
    for suffix, render in ((".tex", latex), (".md", markdown)):
        with atomic_path(path.with_name(path.name + suffix)) as temporary:
            temporary.write_text(render(listing, provenance), encoding="utf-8")


def latex(listing: Listing, provenance: Mapping[str, Any]) -> str:
    """A table environment, no wider than the text."""
    rows = [_latex_row(row) for row in listing.rows]
    return "\n".join(
        [
            *(f"% {plain(line)}" for line in provenance_lines(provenance)),
            r"\begin{table}[htbp]",
            r"\centering",
            rf"\caption{{{escape_latex(listing.caption)}}}",
            rf"\label{{{listing.label}}}",
            r"\medskip",
            r"\footnotesize",
            r"\begin{adjustbox}{max width=\textwidth}",
            rf"\begin{{tabular}}{{@{{}}l{'r' * (len(listing.header) - 1)}@{{}}}}",
            r"\toprule",
            _latex_row(listing.header),
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{adjustbox}",
            r"\end{table}",
            "",
        ]
    )


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(escape_latex, cells)) + r" \\"


def markdown(listing: Listing, provenance: Mapping[str, Any]) -> str:
    """A pipe table with its caption above and its provenance below."""
    rule = f"| --- |{' ---: |' * (len(listing.header) - 1)}"
    rows = [
        f"| {' | '.join(map(escape_markdown, row))} |" for row in (listing.header, *listing.rows)
    ]
    footer = [f"- {escape_markdown(line)}" for line in provenance_lines(provenance)]
    lines = [escape_markdown(listing.caption), "", rows[0], rule, *rows[1:]]
    return "\n".join([*lines, "", "Provenance:", "", *footer, ""])
