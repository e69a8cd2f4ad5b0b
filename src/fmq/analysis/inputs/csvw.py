"""Read and write tables as NAME.csv, with a description in NAME.csv-metadata.json.

One description of the columns serves both to check a table and to document it. The metadata follow
"Metadata Vocabulary for Tabular Data" (W3C, 2015), known as "CSV on the Web".
"""

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from fmq.base.errors import UserError
from fmq.base.files import atomic_path, write_json
from fmq.base.messages import one_line, shown
from fmq.config.section import LARGEST

_PLAIN = {
    "integer": re.compile(r"-?\d{1,19}", re.ASCII),
    "number": re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII),
}
"""How numbers are written; Python itself would also parse `1_000`, ` 1` and non-ASCII digits."""

_LONGEST = 200
"""Largest number of characters in a name; the longest actual names, those of tasks, have 60."""

Cell = str | int | float


class RepeatedRow(UserError):
    """Raised when two rows of a table have the same key."""


class Column(NamedTuple):
    """The description of a column; bounds are inclusive, and `optional` allows empty cells."""

    datatype: Literal["string", "integer", "number"]
    description: str
    minimum: float = -math.inf
    maximum: float = math.inf
    allowed: tuple[str, ...] = ()
    optional: bool = False


Columns = Mapping[str, Column]


def read_table(
    path: Path, columns: Columns, key: Sequence[str], others: bool = False
) -> pd.DataFrame:
    """Read a CSV file that has exactly `columns`, and no two rows with the same `key`.

    Args:
        path: CSV file.
        columns: expected columns, in order.
        key: columns that identify a row.
        others: whether the file may have further columns, which are ignored.

    Raises:
        UserError: the file is missing or malformed; the message names the file and, where it
            applies, the line and the column.
    """
    header, rows = _read_rows(path, list(columns), others)
    parsed = {
        name: [
            _parse(path, line, name, row[header.index(name)], column)
            for line, row in enumerate(rows, 2)
        ]
        for name, column in columns.items()
    }
    frame = pd.DataFrame(parsed)
    # Without rows, pandas would give every column the type object.
    types = {"string": "object", "integer": "int64", "number": "float64"}
    frame = frame.astype({name: types[column.datatype] for name, column in columns.items()})
    again = frame.duplicated(list(key))
    if again.any():
        line = int(again.to_numpy().argmax())
        found = ", ".join(f"{name} {frame[name].iloc[line]}" for name in key)
        raise RepeatedRow(f"{path}: line {line + 2} repeats {found}")
    return frame


def _read_rows(path: Path, names: list[str], others: bool) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows below it, which all have its length."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            text = file.read()
        header, *rows = list(csv.reader(io.StringIO(text, newline=""), strict=True)) or [[]]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV file: {error}; make it again") from None
    if not set(names) <= set(header) if others else header != names:
        found = one_line(",".join(header))
        raise UserError(f"{path}: expected the columns {','.join(names)}, found {found}")
    # If the last line has no newline, its last number may have lost digits.
    if not text.endswith("\n"):
        raise UserError(f"{path}: cut off in line {len(rows) + 1}; make it again")
    for line, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise UserError(f"{path}: line {line} has {len(row)} cells, expected {len(header)}")
    return header, rows


def _parse(path: Path, line: int, name: str, text: str, column: Column) -> Cell:
    """Parse and check one cell."""
    if column.optional and text == "":
        return math.nan
    try:
        if column.datatype == "string":
            if not _is_name(text) or (column.allowed and text not in column.allowed):
                raise ValueError
            return text
        if _PLAIN[column.datatype].fullmatch(text) is None:
            raise ValueError
        value = int(text) if column.datatype == "integer" else float(text)
        if isinstance(value, int) and abs(value) > LARGEST:
            raise ValueError
        if not (math.isfinite(value) and column.minimum <= value <= column.maximum):
            raise ValueError
        return value
    except ValueError:
        raise UserError(
            f"{path}: line {line}, column {name}: expected {_expectation(column)}, found "
            f"{shown(text)}"
        ) from None


def _is_name(text: str) -> bool:
    """Return whether `text` is printable, not empty and short enough for one line."""
    return text.isprintable() and 0 < len(text) <= _LONGEST


def _expectation(column: Column) -> str:
    """Describe in words what a cell of the column may be."""
    if column.allowed:
        return " or ".join(column.allowed)
    if column.datatype == "string":
        return f"a name of up to {_LONGEST} printable characters"
    kind = "an integer" if column.datatype == "integer" else "a finite number"
    bounds = {"at least": column.minimum, "at most": column.maximum}
    told = [f"{word} {bound:g}" for word, bound in bounds.items() if math.isfinite(bound)]
    return f"{kind}, {' and '.join(told)}" if told else kind


def write_table(
    path: Path, frame: pd.DataFrame, columns: Columns, provenance: Mapping[str, Any]
) -> None:
    """Write `frame` as CSV, and its columns and provenance as JSON to `path` + "-metadata.json"."""
    with atomic_path(path) as temporary:
        frame[list(columns)].to_csv(temporary, index=False, lineterminator="\n")
    metadata = {
        "@context": "http://www.w3.org/ns/csvw",
        "url": path.name,
        "tableSchema": {"columns": [_schema(name, column) for name, column in columns.items()]},
        "notes": [dict(provenance)],
    }
    write_json(path.with_name(f"{path.name}-metadata.json"), metadata)


def _schema(name: str, column: Column) -> dict[str, Any]:
    """Describe a column in the vocabulary of CSV on the Web."""
    datatype: dict[str, Any] = {"base": column.datatype}
    if math.isfinite(column.minimum):
        datatype["minimum"] = column.minimum
    if math.isfinite(column.maximum):
        datatype["maximum"] = column.maximum
    if column.allowed:
        datatype["format"] = "|".join(column.allowed)
    return {
        "name": name,
        "datatype": datatype,
        "required": not column.optional,
        "dc:description": column.description,
    }
