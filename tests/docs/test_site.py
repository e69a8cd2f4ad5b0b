"""The site: built without a warning, complete, and of nothing from elsewhere."""

import json
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any, get_args

import nbformat
import pytest
import typer
from helpers.documents import PAGES, ROOT
from pydantic import BaseModel

from fmq.cli import app
from fmq.config.study import Study

OPTIONS = ["-b", "html", "-E", "-W", "--keep-going", "-n", "--quiet"]


def build(source: Path, target: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", *OPTIONS, *more, str(source), str(target)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, but for the notebook's outputs: `make docs` runs it and takes that time."""
    folder = tmp_path_factory.mktemp("site")
    result = build(ROOT / "docs", folder, "-D", "nb_execution_mode=off")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return folder


def plain(html: str) -> str:
    """Text without tags, backticks and typographic quotes."""
    text = unescape(re.sub(r"<[^>]+>", "", html))
    return text.replace("’", "'").replace("`", "").strip()


def test_make_builds_it_with_these_options() -> None:
    """What passes here passes there."""
    assert f"sphinx-build {' '.join(OPTIONS)} docs build/docs" in (ROOT / "Makefile").read_text()


@pytest.mark.slow
def test_every_page_is_in_the_table_of_contents(site: Path) -> None:
    contents = (site / "index.html").read_text()
    pages = {page.stem for page in PAGES if page.parent == ROOT / "docs"} - {"index"}
    assert {page for page in pages if f'href="{page}.html"' not in contents} == set()


def sections(annotation: Any) -> list[type[BaseModel]]:
    """Every group of settings inside an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for part in get_args(annotation) for one in sections(part)]


def fields(model: type[BaseModel]) -> set[tuple[str, str]]:
    """Name and description of every setting in a section and those inside it."""
    found = set()
    for name, field in model.model_fields.items():
        found.add((name, plain(field.description or "")))
        for section in sections(field.annotation):
            found |= fields(section)
    return found


@pytest.mark.slow
def test_every_setting_is_told_with_its_description(site: Path) -> None:
    page = (site / "settings.html").read_text().replace("\n", " ")
    rows = [re.findall(r"<td>.*?</td>", row) for row in re.findall(r"<tr.*?</tr>", page)]
    shown = {(plain(row[0]), plain(row[-1])) for row in rows if row}
    wanted = fields(Study)
    assert {field for field in wanted if field[1]} - shown == set()
    assert {name for name, _ in wanted} - {name for name, _ in shown} == set()


def test_settings_have_descriptions() -> None:
    """But for sections, whose own one is shown, and `source`, which tells kinds apart."""
    groups = {
        name
        for name, field in Study.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }
    assert {name for name, text in fields(Study) if not text} == groups | {"source"}


@pytest.mark.slow
def test_every_command_is_told_with_its_parameters(site: Path) -> None:
    told = plain((site / "commands.html").read_text())
    for name, command in typer.main.get_command(app).commands.items():
        part = told.partition(f"fmq {name}¶")[2].partition("¶")[0]
        assert plain(command.help) in part, name
        for parameter in command.params:
            called = parameter.opts[0]
            shown = called if called.startswith("--") else called.upper()
            assert re.search(rf"^{shown}$", part, re.MULTILINE), (name, shown)
            assert plain(parameter.help) in part, (name, shown)


@pytest.mark.slow
def test_equations_are_mathml_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    assert (site / "method.html").read_text().count(
        '<math xmlns="http://www.w3.org/1998/Math/'
    ) > 50
    for page in site.glob("*.html"):
        loaded = re.findall(r"<(?:script|link|img|iframe)[^>]*https?://[^>]*>", page.read_text())
        assert loaded == [], page.name


@pytest.mark.slow
def test_links_beside_the_pages_bring_the_file_along(site: Path) -> None:
    links = re.findall(r'href="(_downloads/[^"]+/flow\.py)"', (site / "method.html").read_text())
    assert links
    assert (site / links[0]).read_bytes() == (ROOT / "src/fmq/method/flow.py").read_bytes()


def test_the_reference_is_generated_without_torch() -> None:
    program = "import sys, generate_reference as g; g.settings_reference(), g.commands_reference()"
    result = subprocess.run(
        [sys.executable, "-c", f"{program}; sys.exit('torch' in sys.modules)"], cwd=ROOT / "docs"
    )
    assert result.returncode == 0


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs").glob("*.ipynb")), ids=lambda page: page.name
)
def test_notebooks_are_kept_without_outputs(page: Path) -> None:
    """The build makes them; in the repository every run would change them."""
    for cell in json.loads(page.read_text())["cells"]:
        assert not cell.get("outputs"), cell["id"]
        assert cell.get("execution_count") is None, cell["id"]


@pytest.mark.slow
def test_every_fault_fails_the_build(tmp_path: Path) -> None:
    """With the project's own configuration, on sources with one fault each, and two without."""
    source = tmp_path / "docs"
    source.mkdir()
    (tmp_path / "src").mkdir()
    for name in ("conf.py", "generate_reference.py"):
        shutil.copy(ROOT / "docs" / name, source)
    shutil.copy(ROOT / "config.yaml", tmp_path)
    pages = {
        "page": "[a](none.md)",
        "anchor": "[a](index.md#none)",
        "file": "[a](../none.py)",
        "formula": "```math\n\\onesuch{a}\n```",
        "sound": "[a folder](../src) [a file](../config.yaml)",
    }
    cells = {
        "fails": "1 / 0",
        "warns": "import warnings; warnings.warn('x')",
        "own": f"import sys; assert sys.executable == {sys.executable!r}",
    }
    for name, text in pages.items():
        (source / f"{name}.md").write_text(f"# Title\n\n{text}\n")
    for name, code in cells.items():
        parts = [nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell(code)]
        nbformat.write(nbformat.v4.new_notebook(cells=parts), source / f"{name}.ipynb")
    contents = "\n".join([*pages, *cells])
    (source / "index.md").write_text(f"# Pages\n\n```{{toctree}}\n{contents}\n```\n")
    result = build(source, tmp_path / "site")
    assert result.returncode == 1
    told = {path.stem for path in source.iterdir() if f"docs/{path.name}" in result.stderr}
    assert told == {*pages, *cells} - {"sound", "own"}, result.stderr
