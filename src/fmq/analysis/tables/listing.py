"""Render a plain table (header, rows, caption) as LaTeX and Markdown."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fmq.analysis.inputs.provenance import provenance_lines
from fmq.analysis.tables.escape import escape_latex, escape_markdown, plain
from fmq.base.files import atomic_path


class Listing(NamedTuple):
    """A table of text cells, whose first column names the row.

    Attributes:
        label: label for LaTeX's \\ref.
        caption: caption as plain text.
        header: name of each column.
        rows: rows with one cell per column.
    """

    label: str
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def write_listing(path: Path, listing: Listing, provenance: Mapping[str, Any]) -> None:
    """Write `path`.tex (for \\input into a document that uses booktabs) and `path`.md."""
    for suffix, render in ((".tex", latex), (".md", markdown)):
        with atomic_path(path.with_name(path.name + suffix)) as temporary:
            temporary.write_text(render(listing, provenance), encoding="utf-8")


def latex(listing: Listing, provenance: Mapping[str, Any]) -> str:
    """Render a LaTeX table environment, shrunk to the width of the text if it is wider."""
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
    """Render a Markdown pipe table with its caption above and its provenance below."""
    rule = f"| --- |{' ---: |' * (len(listing.header) - 1)}"
    rows = [
        f"| {' | '.join(map(escape_markdown, row))} |" for row in (listing.header, *listing.rows)
    ]
    footer = [f"- {escape_markdown(line)}" for line in provenance_lines(provenance)]
    lines = [escape_markdown(listing.caption), "", rows[0], rule, *rows[1:]]
    return "\n".join([*lines, "", "Provenance:", "", *footer, ""])
