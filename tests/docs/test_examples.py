"""Settings files and Python that the pages show are such as would be accepted."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest
from helpers.documents import PAGES, ROOT, Block, blocks, commands, introduced

from fmq.config.reading import load_study

STUDIES = [block for page in PAGES for name, block in introduced(page).items() if "yaml" in name]
PYTHON = [block for page in PAGES for block in blocks(page) if block.language == "python"]


@pytest.mark.parametrize("block", STUDIES, ids=lambda b: f"{b.page.name}:{b.line}")
def test_studies_that_pages_show_are_accepted(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A YAML block that names its file is laid over what it is laid over in the page's commands.

    The other files of the page are beside it.
    """
    files = introduced(block.page)
    for name, other in files.items():
        (tmp_path / name).write_text(other.text)
    monkeypatch.chdir(tmp_path)
    (name,) = (name for name, other in files.items() if other == block)
    below = [ROOT / "config.yaml", *overlays_below(block.page, name)]
    assert load_study(*below, Path(name)) != load_study(*below)


def overlays_below(page: Path, name: str) -> list[Path]:
    """The overlays before `name` in the first command that takes it."""
    for command in commands(page):
        if name in command.words:
            before = command.words[: command.words.index(name)]
            overlays = [word for word in before if word.endswith(".yaml")]
            return [
                ROOT / one if (ROOT / one).exists() else Path(one)
                for one in overlays
                if one != "config.yaml"
            ]
    return []


@pytest.mark.parametrize("block", PYTHON, ids=lambda b: f"{b.page.name}:{b.line}")
def test_python_compiles_and_its_imports_exist(block: Block) -> None:
    beside = {Path(name).stem for name in introduced(block.page)}
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                assert alias.name in beside or importlib.import_module(alias.name)
        if isinstance(node, ast.ImportFrom) and node.module not in beside:
            for alias in node.names:
                pkgutil.resolve_name(f"{node.module}.{alias.name}")
