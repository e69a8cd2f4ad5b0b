"""Write the comparison of methods on tasks as LaTeX and as Markdown."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, product
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from fmq.analysis.inputs.provenance import source_sentences
from fmq.analysis.inputs.scores import STAGES
from fmq.analysis.inputs.words import paragraph
from fmq.analysis.tables.escape import escape_latex, escape_markdown
from fmq.analysis.tables.texts import MISSING, latex_row, latex_table, markdown_table, write_texts
from fmq.config.tasks import IQM

_TEXT_WIDTH = 345.0
"""Width of the text in LaTeX's article class, in points."""
# With reported results below its tasks, a table may outgrow a page of it.
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


def _is_aggregate(task: str) -> bool:
    """Return whether a line is the aggregate: it has an interval where a task has a deviation."""
    return task == IQM


def write_comparison(path: Path, table: Table, provenance: Mapping[str, Any]) -> None:
    """Write `path`.tex (for \\input) and `path`.md."""
    table = table._replace(note=paragraph(table.note, source_sentences(provenance)))
    write_texts(path, latex(table), markdown(table), provenance)


class _Layout(NamedTuple):
    """How LaTeX sets a table.

    Attributes:
        split: whether offline and online have columns of their own; else the online value is below
            the offline one, so that a task takes two lines.
        size: command for the font's size.
        em: width of an em of that size, in points.
        gap: LaTeX's \\tabcolsep, half the room between two columns, in points.
    """

    split: bool
    size: str
    em: float
    gap: int


_LAYOUTS = tuple(
    _Layout(split, *size)
    for split, size in product(
        (True, False), ((r"\footnotesize", 8.5, 3), (r"\scriptsize", 8.0, 2))
    )
)


def latex(table: Table) -> list[str]:
    """Return the lines of a LaTeX table environment, the note below the rows in small type.

    Each row of the comparison has a column for offline and one for online where the page has room.
    A table that is too wide in any layout is shrunk.
    """
    fitting = [layout for layout in _LAYOUTS if _width(table, layout) <= _TEXT_WIDTH]
    layout = (*fitting, _LAYOUTS[-1])[0]
    body: list[str] = []
    for task, offline, online in _lines(table):
        if _is_aggregate(task):
            body.append(r"\midrule")
        elif body and not (layout.split and table.reported.empty):
            body.append(r"\addlinespace")
        body += _latex_lines(table, task, offline, online, layout.split)
        for name, entries in _reported_lines(table, task):
            body += _latex_reported(table, task, name, entries, layout.split)
    commands = [layout.size, rf"\setlength{{\tabcolsep}}{{{layout.gap}pt}}"]
    if not table.reported.empty and len(body) > _LINES_OF_A_PAGE:
        commands += _TIGHT
    columns = len(_labels(table)) * (2 if layout.split else 1)
    told = escape_latex(table.caption), table.label
    head, note = _head(table, layout.split), escape_latex(table.note)
    return latex_table(*told, head, body, columns, commands, shrunk=not fitting, note=note)


def _width(table: Table, layout: _Layout) -> float:
    """Estimate the width of a table in points."""
    names = [part for name in table.names.values() for part in _name_parts(name, layout.split)]
    first = max(*map(_ems, names), *(0.9 * _ems(row) for row in table.reported["row"].unique()))
    total = layout.em * first
    for label, rows in table.entries.groupby("label"):
        entries: list[Any] = list(rows.itertuples())
        cells = [_ems(_value(entry)) + 0.8 * _ems(str(entry.note)) for entry in entries]
        cells += [_ems(_interval(entry)) for entry in entries if math.isnan(entry.deviation)]
        if layout.split:
            column = max(*cells, _ems("offline"))
            total += max(layout.em * 2 * column + 2 * layout.gap, layout.em * _ems(str(label)))
        else:
            column = max(max(cells) + _ems("→"), *map(_ems, _two_lines(str(label))))
            total += layout.em * column
    return total + 2 * layout.gap * table.entries["label"].nunique()


def _ems(text: str) -> float:
    """Estimate the width of a text in LaTeX's roman font, in ems."""
    narrow, wide = "fijlrt.,:;-'()[] ", "mwMW±→"
    return sum(
        0.3 if sign in narrow else 0.8 if sign in wide else 0.7 if sign.isupper() else 0.5
        for sign in text
    )


def _name_parts(name: str, split: bool) -> tuple[str, str]:
    """Break the name of a line in two where each task takes two lines."""
    first, _, second = name.partition(" ")
    return (name, "") if split else (first, second)


def _head(table: Table, split: bool) -> list[str]:
    """Return the rows above the first rule: the labels, and below them the stages if split."""
    labels = _labels(table)
    if not split:
        lines = [_two_lines(label) for label in labels]
        return [latex_row(["", *map(escape_latex, words)]) for words in zip(*lines, strict=True)]
    spanning = [rf"\multicolumn{{2}}{{c}}{{{escape_latex(label)}}}" for label in labels]
    firsts = range(2, 2 * len(labels) + 1, 2)
    rules = " ".join(rf"\cmidrule(lr){{{first}-{first + 1}}}" for first in firsts)
    return [latex_row(["", *spanning]), rules, latex_row(["task", *STAGES * len(labels)])]


def _two_lines(label: str) -> tuple[str, str]:
    """Break a label into two lines, before a sampler or after a comma."""
    for sign, keep in (("+", False), (", ", True)):
        first, found, second = label.partition(sign)
        if found:
            return (first + ",", second) if keep else (first, f"+{second}")
    return label, ""


def _latex_lines(
    table: Table, task: str, offline: list[Any], online: list[Any], split: bool
) -> list[str]:
    """Return the lines of one task; an aggregate has its intervals on separate lines."""
    names = [*map(escape_latex, _name_parts(table.names[task], split))]
    arrow = "" if split else r"$\to$\,"
    stages = [[*map(_latex_value, offline)], [arrow + _latex_online(entry) for entry in online]]
    small = [[_small(_interval(entry)) for entry in part] for part in (offline, online)]
    bracketed = _is_aggregate(task) and any(chain(*small))
    if split:
        lines = [[names[0], *_paired(*stages)], *([["", *_paired(*small)]] if bracketed else [])]
    else:
        lines = []
        for name, values, intervals in zip(names, stages, small, strict=True):
            lines += [[name, *values], *([["", *intervals]] if bracketed else [])]
    return [*map(latex_row, lines)]


def _paired(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Return the cells of two rows in turn."""
    return [*chain(*zip(first, second, strict=True))]


def _latex_reported(
    table: Table, task: str, name: str, entries: list[Any], split: bool
) -> list[str]:
    """Return a line of reported results, which are online, small and in italics.

    The intervals of an aggregate follow on a second line.
    """
    values = [_value(entry).replace(" ± ", r"$\pm$") if entry else "" for entry in entries]
    lines = [(escape_latex(name), values)]
    if _is_aggregate(task):
        lines.append(("", [_interval(entry) if entry else "" for entry in entries]))
    nothing = [""] * len(entries)
    return [
        latex_row([_small(first, r"\itshape"), *(_paired(nothing, small) if split else small)])
        for first, cells in lines
        for small in [[_small(cell, r"\itshape") for cell in cells]]
    ]


def _small(text: str, shape: str = "") -> str:
    """Set a text in small type; an empty one stays empty."""
    return rf"{{\scriptsize{shape} {text}}}" if text else ""


def _latex_value(entry: Any) -> str:
    """Format value and deviation as math with a tight ±, followed by the remark in small type."""
    if math.isnan(entry.value):
        return "--"
    note = rf"\,{{\tiny {escape_latex(entry.note)}}}" if entry.note else ""
    return "$" + _value(entry).replace(" ± ", r"{\pm}") + "$" + note


def _latex_online(entry: Any) -> str:
    shown = _latex_value(entry)
    return rf"{{\boldmath {shown}}}" if entry.best else shown


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
    return f"{before} → {f'**{after}**' if online.best else after}"
