"""Write a plain table (header, rows, caption) as LaTeX and Markdown."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fmq.analysis.inputs.provenance import source_sentences
from fmq.analysis.inputs.words import paragraph
from fmq.analysis.tables.escape import escape_latex, escape_markdown
from fmq.analysis.tables.texts import latex_row, latex_table, markdown_table, write_texts


class Listing(NamedTuple):
    """A table of text cells, whose first column names the row.

    Attributes:
        label: label for LaTeX's \\ref.
        caption: what the table shows, as plain text of three lines at most.
        header: name of each column.
        rows: rows with one cell per column.
        note: further sentences, to which the origin of the data is added.
    """

    label: str
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def write_listing(path: Path, listing: Listing, provenance: Mapping[str, Any]) -> None:
    """Write `path`.tex (for \\input, the note below the rows in small type) and `path`.md."""
    note = paragraph(listing.note, source_sentences(provenance))
    head, *body = [latex_row([*map(escape_latex, row)]) for row in (listing.header, *listing.rows)]
    latex = latex_table(
        escape_latex(listing.caption),
        listing.label,
        [head],
        body,
        len(listing.header) - 1,
        [r"\footnotesize"],
        shrunk=True,
        note=escape_latex(note),
    )
    cells = [[*map(escape_markdown, row)] for row in (listing.header, *listing.rows)]
    told = escape_markdown(paragraph(listing.caption, note))
    markdown = [told, "", *markdown_table(cells[0], cells[1:])]
    write_texts(path, latex, markdown, provenance)
