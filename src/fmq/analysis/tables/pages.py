"""Write the pages of Snakemake's report: tables, settings and films, one HTML file each."""

import base64
import html
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from pydantic import BaseModel

from fmq.analysis.inputs.provenance import collect_provenance, provenance_lines
from fmq.analysis.statistics.estimates import read_statistics
from fmq.analysis.tables.escape import escape_markdown
from fmq.analysis.tables.summary import summary_sentences
from fmq.base.errors import UserError
from fmq.base.files import atomic_path
from fmq.config.section import Section
from fmq.config.study import Study

STYLE = """
main { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; margin: 1.5em; max-width: 75em }
main h1 { font-size: 17px }
main img { max-width: min(100%, 48em) }
main table { border-collapse: collapse; margin: 1em 0; display: block; overflow-x: auto }
main th, main td { padding: .3em .8em; border-bottom: 1px solid #ddd; text-align: left }
main th { border-bottom: 2px solid #555 }
main li { color: #555; font-size: 13px; overflow-wrap: anywhere }
"""
"""Of what is in `main` alone, because the report's first page includes the summary."""


def write_page(source: Path, target: Path) -> None:
    """Render a Markdown file of this project as a self-contained HTML page.

    Raises:
        UserError: the file does not exist.
    """
    _write(target, source.stem, _read(source))


def write_settings_page(study: Study, manifests: Sequence[Path], target: Path) -> None:
    """Write a page that lists every setting with its value and meaning, and the provenance."""
    provenance = provenance_lines(collect_provenance(study, manifests))
    rows = [f"| {key} | {value} | {meaning} |" for key, value, meaning in _settings(study)]
    lines = ["| setting | value | meaning |", "| --- | --- | --- |", *rows]
    listed = [f"- {escape_markdown(line)}" for line in provenance]
    _write(target, f"Study {study.name}", "\n".join([*lines, "", "Provenance:", "", *listed]))


def write_summary_page(study: Study, folder: Path, target: Path) -> None:
    """Write the page that the report opens on: three sentences, the main table, learning curves.

    Args:
        study: settings of the study.
        folder: its folder, with statistics, tables and figures.
        target: HTML file to write.

    Raises:
        UserError: a statistic is missing or of another study, or a table or figure is missing.
    """
    found = read_statistics(study, folder, ("aggregates", "comparisons"))
    told = summary_sentences(study, found["aggregates"], found["comparisons"])
    table = _read(folder / "tables" / "main.md").partition("\nProvenance:")[0].rstrip()
    figure = folder / "figures" / "learning_curves.png"
    try:
        curves = _picture("learning curves", "png", figure.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{figure}: no such file; run `fmq figures`") from None
    title = f"# Study {escape_markdown(study.name)}: the result in brief"
    caption, _, rows = table.partition("\n\n")
    parts = [title, escape_markdown(" ".join(told)), rows, curves, caption]
    _write(target, f"Study {study.name}", "\n\n".join(parts))


def write_film_page(target: Path, title: str, words: Sequence[str], film: bytes | None) -> None:
    """Write a page that shows a film, because browsers may offer a bare GIF only as a download.

    Args:
        target: HTML file to write.
        title: title of the page.
        words: paragraphs below the film.
        film: bytes of a GIF; None if there is no film.
    """
    name = escape_markdown(title)  # alternative text only: the film itself shows the title
    shown = _picture(name, "gif", film) if film else f"# {name}"
    _write(target, title, "\n\n".join([shown, *map(escape_markdown, words)]))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; make it first") from None


def _settings(section: BaseModel, place: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield key, value and meaning of each setting, descending into groups."""
    for name, field in type(section).model_fields.items():
        value: Any = getattr(section, name)
        if isinstance(value, Section):
            yield from _settings(value, f"{place}{name}.")
            continue
        items = value.items() if isinstance(value, dict) else ()
        if not items:
            yield f"{place}{name}", _shown(value), field.description or ""
        for key, one in items:
            shown = one.model_dump() if isinstance(one, BaseModel) else one
            yield f"{place}{name}.{key}", _shown(shown), ""


def _picture(name: str, kind: str, data: bytes) -> str:
    """Return Markdown that holds a picture itself; `name` is escaped."""
    return f"![{name}](data:image/{kind};base64,{base64.b64encode(data).decode()})"


def _shown(value: Any) -> str:
    """Format a value as in a settings file."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return escape_markdown(text)


def _write(target: Path, title: str, text: str) -> None:
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main>\n{body}</main></body></html>\n"
    )
    with atomic_path(target) as temporary:
        temporary.write_text(page, encoding="utf-8")
