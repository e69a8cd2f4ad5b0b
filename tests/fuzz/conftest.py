import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def program():
    """`benchmarks/fuzz.py`, which finds its parts beside itself."""
    folder = str(Path(__file__).parents[2] / "benchmarks")
    sys.path.insert(0, folder)
    try:
        import fuzz

        yield fuzz
    finally:
        sys.path.remove(folder)
