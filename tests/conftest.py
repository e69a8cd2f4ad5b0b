"""Fixtures and options shared by all tests."""

from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--reference",
        type=Path,
        default=Path(__file__).parent / "data" / "reference.npz",
        help="file of reference values for tests/test_reference.py",
    )


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


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
