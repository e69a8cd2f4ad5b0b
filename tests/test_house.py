"""The house: floors of folders, of which none asks a higher one, and no circles."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "src" / "fmq"
FLOORS = (
    *(
        "base",
        "method",
        "networks",
        "config",
        "pipeline",
        "envs",
        "data",
        "methods",
        "acting",
        "training",
    ),
    *("theory", "analysis", "rollouts", "export", "tools", "cli"),
)
ANALYSIS = ("inputs", "statistics", "figures", "tables", "evidence")
HEAVY = {
    *("torch", "gymnasium", "ogbench", "mujoco", "robosuite", "h5py", "safetensors"),
    *("pandas", "matplotlib", "scipy", "rliable", "seaborn", "PIL", "requests"),
}
"""Packages that a process which does not need them should not wait for."""


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCES).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in SOURCES.rglob("*.py")}


def imported(tree: ast.AST) -> Iterator[str]:
    """The dotted names that the import statements below a node name, those of types included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def module_of(name: str) -> str | None:
    """The module of the package behind a dotted name, or None."""
    if name.partition(".")[0] != "fmq":
        return None
    parts = name.split(".")[1:]
    while parts and ".".join(parts) not in MODULES:
        parts.pop()
    return ".".join(parts)


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


@cache
def needs(module: str) -> frozenset[str]:
    """The modules of the package that a module imports, anywhere in it."""
    found = map(module_of, imported(tree_of(module)))
    return frozenset(name for name in found if name and name != module)


@cache
def weight(module: str) -> frozenset[str]:
    """The heavy packages that come with a module when it is imported."""
    top = [node for node in ast.walk(tree_of(module)) if not isinstance(node, ast.FunctionDef)]
    functions = [node for node in top if isinstance(node, ast.Module | ast.ClassDef | ast.If)]
    names = {
        name
        for node in functions
        for statement in node.body
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for name in imported(statement)
    }
    own = {name.partition(".")[0] for name in names} & HEAVY
    below = (module_of(name) for name in names)
    return frozenset(own).union(*(weight(name) for name in below if name and name != module))


def test_every_module_is_on_a_floor() -> None:
    assert {name.partition(".")[0] for name in MODULES if name} == set(FLOORS)


@pytest.mark.parametrize("module", sorted(name for name in MODULES if name))
def test_no_module_asks_a_higher_floor(module: str) -> None:
    height = FLOORS.index(module.partition(".")[0])
    higher = {name for name in needs(module) if FLOORS.index(name.partition(".")[0]) > height}
    assert not higher
    if module.startswith("analysis."):
        rooms = {name: name.split(".")[1] for name in needs(module) if name.startswith("analysis.")}
        height = ANALYSIS.index(module.split(".")[1])
        assert not {name for name, room in rooms.items() if ANALYSIS.index(room) > height}


def writes_or_reads_text(call: ast.Call) -> bool:
    """Whether a call opens a text file or a program's output as text."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in ("read_text", "write_text", "TextIOWrapper"):
        return True
    if name == "open":  # a path's, with its mode at most; a zip archive's opens a member
        modes = [getattr(one, "value", None) for one in call.args]
        return all(isinstance(mode, str) and "b" not in mode for mode in modes)
    return any(one.arg in ("text", "universal_newlines") for one in call.keywords)


@pytest.mark.parametrize("module", sorted(name for name in MODULES if name))
def test_text_is_utf_8_whatever_the_locale(module: str) -> None:
    calls = [node for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call)]
    for call in filter(writes_or_reads_text, calls):
        assert any(one.arg == "encoding" for one in call.keywords), ast.unparse(call)


def test_no_circle_of_files() -> None:
    TopologicalSorter({module: needs(module) for module in MODULES}).prepare()


@pytest.mark.parametrize("module", sorted(name for name in MODULES if name))
def test_functions_import_what_is_heavy_and_nothing_else(module: str) -> None:
    if module.startswith(("cli", "tools.doctor")):
        pytest.skip("commands start at once; the doctor looks for what is not installed")
    for function in ast.walk(tree_of(module)):
        if isinstance(function, ast.FunctionDef):
            for name in imported(function):
                below = module_of(name)
                assert below is None or weight(below), f"{function.name} imports {name}"


def test_what_the_rules_and_the_analysis_import_is_light() -> None:
    light = [name for name in MODULES if name.split(".")[0] in ("base", "config", "pipeline")]
    assert not {name: weight(name) & HEAVY for name in light if weight(name) - {"h5py"}}
    analysis = [name for name in MODULES if name.startswith(("analysis.", "tools."))]
    assert not [name for name in analysis if "torch" in weight(name) and "plan" not in name]
