"""Fixtures and options shared by all tests."""

import os
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

# One thread per process, as the workers of a run are as many as the cores; read by torch's import.
for library in ("OMP", "MKL", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# Compiled updates are kept from one run of the tests to the next, and out of the user's cache.
os.environ.setdefault("FMQ_CACHE_DIR", str(Path(__file__).parents[1] / "build" / "cache"))

import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from fmq.base.machine import cores  # noqa: E402
from fmq.config.reading import load_study  # noqa: E402
from fmq.config.study import Study  # noqa: E402
from fmq.envs.graphics import tried, working_graphics  # noqa: E402

# The same examples everywhere, however long a machine takes for one.
settings.register_profile("fmq", deadline=None, derandomize=True)
settings.load_profile("fmq")

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--reference",
        type=Path,
        default=Path(__file__).parent / "data" / "reference.npz",
        help="file of reference values for tests/method/test_reference.py",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """The cores that this process may use, each with one worker; more than 8 gain nothing."""
    return min(cores(), 8)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first, so that no worker is left alone with one.

    Before all others those of Slurm, which mostly wait: other workers have the cores meanwhile.
    """
    first = ("slurm", "workflow", "test_foreign_machines", "faults")

    def place(item: pytest.Item) -> int:
        names = {item.path.parent.name, item.path.stem}
        return next((n for n, name in enumerate(first) if name in names), len(first))

    items.sort(key=place)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let figures be laid out and saved as empty files: to draw them is most of a report's time."""
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **_: Path(path).touch())


@pytest.fixture
def root() -> Path:
    """The repository's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def robosuite() -> ModuleType:
    """The package behind RoboMimic's tasks; what asks for it is skipped where it is missing."""
    if find_spec("robosuite") is None:
        pytest.skip("no robosuite here: make install-robomimic")
    from fmq.envs.robosuite import import_robosuite

    return import_robosuite()


@pytest.fixture
def smoke(root: Path) -> Study:
    """The smoke study."""
    return load_study(root / "config.yaml", root / "config/smoke.yaml")


@pytest.fixture
def paper(root: Path) -> Study:
    """The paper study."""
    return load_study(root / "config.yaml", root / "config/paper.yaml")


@pytest.fixture(scope="session")
def graphics() -> str:
    """The value of MUJOCO_GL that works."""
    value, faults = working_graphics()
    if value is None:
        pytest.skip(f"no graphics library here: {tried(faults)}")
    return value
