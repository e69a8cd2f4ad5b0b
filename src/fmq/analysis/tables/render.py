"""Write the comparison of methods on tasks as LaTeX and as Markdown."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from fmq.analysis.inputs.provenance import source_sentences
from fmq.analysis.inputs.words import paragraph
from fmq.analysis.tables.escape import escape_latex, escape_markdown
from fmq.analysis.tables.texts import latex_row, latex_table, markdown_table, write_texts

MISSING = "–"

# With reported results below its tasks, a table may outgrow a page of LaTeX's article class.
_LINES_OF_A_PAGE = 45
_TIGHT = (r"\renewcommand{\arraystretch}{0.9}", r"\setlength{\defaultaddspace}{2pt}")


class Table(NamedTuple):
    """The content of a table.

    Attributes:
        label: label for LaTeX's \\ref.
        caption: caption as plain text.
        note: further sentences, to which the origin of the data is added.
        names: displayed name of each task, in the order of the lines.
        entries: a row per task, label and stage, with value (NaN if missing), deviation, low,
            high, best and `note`, a remark or an empty string.
        reported: results reported elsewhere, shown below the task's own: at most one value for a
            task, label and `row` (the name of the line), with deviation or with low and high.
    """

    label: str
    caption: str
    note: str
    names: Mapping[str, str]
    entries: pd.DataFrame
    reported: pd.DataFrame


def _value(entry: Any) -> str:
    """Format value and deviation, as far as they exist."""
    if math.isnan(entry.value):
        return MISSING
    if math.isnan(entry.deviation):
        return f"{entry.value:.0f}"
    return f"{entry.value:.0f} ± {entry.deviation:.0f}"


def _interval(entry: Any) -> str:
    """Format the interval in brackets; an empty string if there is none."""
    return "" if math.isnan(entry.low) else f"[{entry.low:.0f}, {entry.high:.0f}]"


def _value_with_interval(entry: Any) -> str:
    """Format the value with its deviation or, if there is none, with its interval."""
    interval = _interval(entry) if math.isnan(entry.deviation) else ""
    return f"{_value(entry)} {interval}".rstrip()


def _lines(table: Table) -> Iterator[tuple[str, list[Any], list[Any]]]:
    """Yield task, offline entries and online entries of each line."""
    for task in table.names:
        rows = table.entries[table.entries["task"] == task]
        if len(rows):
            stages = {stage: list(part.itertuples()) for stage, part in rows.groupby("stage")}
            yield task, stages["offline"], stages["online"]


def _reported_lines(table: Table, task: str) -> Iterator[tuple[str, list[Any]]]:
    """Yield the name of each line of reported results, with an entry or None for each label."""
    rows = table.reported[table.reported["task"] == task]
    for name, part in rows.groupby("row", sort=False):
        found = {entry.label: entry for entry in part.itertuples()}
        yield str(name), [found.get(label) for label in _labels(table)]


def _labels(table: Table) -> list[str]:
    return list(table.entries["label"].unique())


def _is_aggregate(table: Table, task: str) -> bool:
    """Return whether `task` is an aggregate, which unlike a task has no shortened name.

    An aggregate shows an interval where a task shows a deviation.
    """
    return table.names[task] == task


def write_comparison(path: Path, table: Table, provenance: Mapping[str, Any]) -> None:
    """Write `path`.tex (for \\input into a document that uses booktabs) and `path`.md."""
    table = table._replace(note=paragraph(table.note, source_sentences(provenance)))
    write_texts(path, latex(table), markdown(table), provenance)


def latex(table: Table) -> list[str]:
    """Return the lines of a LaTeX table environment, the note below the rows in small type.

    A task takes two lines, offline above online, so that six methods fit the width of a page.
    """
    body: list[str] = []
    for task, offline, online in _lines(table):
        if body:
            body.append(r"\midrule" if _is_aggregate(table, task) else r"\addlinespace")
        body += _latex_lines(table, task, offline, online)
        for name, entries in _reported_lines(table, task):
            body += _latex_reported(table, task, name, entries)
    labels = [_two_lines(label) for label in _labels(table)]
    head = [latex_row(["", *words]) for words in zip(*labels, strict=True)]
    caption, note, layout = escape_latex(table.caption), escape_latex(table.note), _size(table)
    if not table.reported.empty and len(body) > _LINES_OF_A_PAGE:
        layout = [*layout, *_TIGHT]
    return latex_table(caption, table.label, head, body, len(labels), layout, note=note)


def _size(table: Table) -> list[str]:
    """Return the larger of two font sizes if the lines fit into 12 cm with it, else the smaller."""
    parts = [name.partition(" ")[0] for name in table.names.values()]
    lengths = [len(_value(entry) + str(entry.note)) for entry in table.entries.itertuples()]
    widths = table.entries.assign(width=lengths)
    cells = widths.groupby("label")["width"].max() + len("→ ")
    heads = {label: max(map(len, _two_lines(label))) for label in cells.index}
    columns = sum(max(width, heads[label]) for label, width in cells.items())
    if max(map(len, parts)) + columns <= 60:
        return [r"\footnotesize", r"\setlength{\tabcolsep}{3pt}"]
    return [r"\scriptsize", r"\setlength{\tabcolsep}{2pt}"]


def _two_lines(label: str) -> tuple[str, str]:
    """Break a label into two escaped lines, before a sampler or after a comma."""
    for sign, keep in (("+", False), (", ", True)):
        first, found, second = label.partition(sign)
        if found:
            parts = (first + ",", second) if keep else (first, f"+{second}")
            return escape_latex(parts[0]), escape_latex(parts[1])
    return escape_latex(label), ""


def _latex_lines(table: Table, task: str, offline: list[Any], online: list[Any]) -> list[str]:
    """Return the lines of one task; an aggregate has its intervals on separate lines."""
    first, _, second = map(escape_latex, table.names[task].partition(" "))
    before = [first, *map(_latex_value, offline)]
    after = [second, *map(_latex_online, online)]
    if not (_is_aggregate(table, task) and any(map(_interval, offline + online))):
        return [latex_row(before), latex_row(after)]
    small = [
        ["", *(rf"{{\scriptsize {_interval(entry)}}}" for entry in part)]
        for part in (offline, online)
    ]
    return [*map(latex_row, (before, small[0], after, small[1]))]


def _latex_reported(table: Table, task: str, name: str, entries: list[Any]) -> list[str]:
    """Return a line of reported results, small and in italics.

    The intervals of an aggregate follow on a second line.
    """
    values = [_value(entry).replace(" ± ", r"$\pm$") if entry else "" for entry in entries]
    lines = [[escape_latex(name), *values]]
    if _is_aggregate(table, task):
        lines.append(["", *(_interval(entry) if entry else "" for entry in entries)])
    small = [[rf"{{\scriptsize\itshape {cell}}}" if cell else "" for cell in row] for row in lines]
    return [*map(latex_row, small)]


def _latex_value(entry: Any) -> str:
    """Format value and deviation as math with a tight ±, followed by the remark in small type."""
    if math.isnan(entry.value):
        return "--"
    note = rf"\,{{\tiny {escape_latex(entry.note)}}}" if entry.note else ""
    return "$" + _value(entry).replace(" ± ", r"{\pm}") + "$" + note


def _latex_online(entry: Any) -> str:
    shown = _latex_value(entry)
    return rf"$\to$\,{{\boldmath {shown}}}" if entry.best else rf"$\to$\,{shown}"


def markdown(table: Table) -> list[str]:
    """Return the lines of a Markdown pipe table with its caption above."""
    rows = []
    for task, offline, online in _lines(table):
        cells = [_markdown_cell(*pair) for pair in zip(offline, online, strict=True)]
        rows.append([escape_markdown(table.names[task]), *cells])
        for name, entries in _reported_lines(table, task):
            cells = [f"*{_value_with_interval(entry)}*" if entry else "" for entry in entries]
            rows.append([f"*{escape_markdown(name)}*", *cells])
    header = ["task", *map(escape_markdown, _labels(table))]
    told = escape_markdown(paragraph(table.caption, table.note))
    return [told, "", *markdown_table(header, rows)]


def _markdown_cell(offline: Any, online: Any) -> str:
    """Format both stages, with the online value in bold if it is clearly best."""
    before, after = (
        _value_with_interval(entry) + (f" ({escape_markdown(entry.note)})" if entry.note else "")
        for entry in (offline, online)
    )
    cell = f"{before} → {f'**{after}**' if online.best else after}"
    for where in (" ± ", " [", ", "):
        cell = cell.replace(where, where.replace(" ", "\N{NO-BREAK SPACE}"))
    return cell
