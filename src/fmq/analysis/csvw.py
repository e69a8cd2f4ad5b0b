"""Tables as CSV with their meaning beside them: NAME.csv and NAME.csv-metadata.json.

One description of the columns serves to check a table and to document it, in the form of
"Metadata Vocabulary for Tabular Data" (W3C, 2015), "CSV on the Web".
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from fmq.errors import UserError
from fmq.files import atomic_path

Cell = str | int | float


class Column(NamedTuple):
    """What a column holds; bounds are inclusive, `optional` allows empty cells."""

    datatype: Literal["string", "integer", "number"]
    description: str
    minimum: float = -math.inf
    maximum: float = math.inf
    allowed: tuple[str, ...] = ()
    optional: bool = False


Columns = Mapping[str, Column]


def read_table(path: Path, columns: Columns, key: Sequence[str]) -> pd.DataFrame:
    """Read a CSV file that has exactly `columns`, and no two rows with the same `key`.

    Raises:
        UserError: one line naming the file, the line and the column that is wrong.
    """
    rows = _read_rows(path, list(columns))
    parsed = {
        name: [_parse(path, line, name, row[place], column) for line, row in enumerate(rows, 2)]
        for place, (name, column) in enumerate(columns.items())
    }
    frame = pd.DataFrame(parsed)
    # Lists without values would leave every column an object.
    types = {"string": "object", "integer": "int64", "number": "float64"}
    frame = frame.astype({name: types[column.datatype] for name, column in columns.items()})
    again = frame.duplicated(list(key))
    if again.any():
        line = int(again.to_numpy().argmax())
        found = ", ".join(f"{name} {frame[name].iloc[line]}" for name in key)
        raise UserError(f"{path}: line {line + 2} repeats {found}")
    return frame


def _read_rows(path: Path, names: list[str]) -> list[list[str]]:
    """The rows under the header, all as long as it."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV file: {error}") from None
    if header != names:
        raise UserError(f"{path}: expected the columns {','.join(names)}, found {','.join(header)}")
    for line, row in enumerate(rows, 2):
        if len(row) != len(names):
            raise UserError(f"{path}: line {line} has {len(row)} cells, expected {len(names)}")
    return rows


def _parse(path: Path, line: int, name: str, text: str, column: Column) -> Cell:
    """The value of one cell."""
    if column.optional and text == "":
        return math.nan
    try:
        if column.datatype == "string":
            if text == "" or (column.allowed and text not in column.allowed):
                raise ValueError
            return text
        value = int(text) if column.datatype == "integer" else float(text)
        if not (math.isfinite(value) and column.minimum <= value <= column.maximum):
            raise ValueError
        return value
    except ValueError:
        raise UserError(
            f"{path}: line {line}, column {name}: expected {_expectation(column)}, found {text!r}"
        ) from None


def _expectation(column: Column) -> str:
    """What a cell of the column may be, in words."""
    if column.allowed:
        return " or ".join(column.allowed)
    if column.datatype == "string":
        return "a name"
    kind = "an integer" if column.datatype == "integer" else "a finite number"
    bounds = {"at least": column.minimum, "at most": column.maximum}
    told = [f"{word} {bound:g}" for word, bound in bounds.items() if math.isfinite(bound)]
    return f"{kind}, {' and '.join(told)}" if told else kind


def write_table(
    path: Path, frame: pd.DataFrame, columns: Columns, provenance: Mapping[str, Any]
) -> None:
    """Write `frame` as CSV, and its columns and provenance to `path` + "-metadata.json"."""
    with atomic_path(path) as temporary:
        frame[list(columns)].to_csv(temporary, index=False, lineterminator="\n")
    metadata = {
        "@context": "http://www.w3.org/ns/csvw",
        "url": path.name,
        "tableSchema": {"columns": [_schema(name, column) for name, column in columns.items()]},
        "notes": [dict(provenance)],
    }
    with atomic_path(path.with_name(f"{path.name}-metadata.json")) as temporary:
        temporary.write_text(json.dumps(metadata, indent=2) + "\n")


def _schema(name: str, column: Column) -> dict[str, Any]:
    """A column in the vocabulary of CSV on the Web."""
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
