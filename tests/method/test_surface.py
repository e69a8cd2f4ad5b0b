"""The public surface: what `fmq.method` exports, light to import and documented with shapes."""

import inspect
import re
import subprocess
import sys

import pytest

import fmq
from fmq import method

FUNCTIONS = [getattr(method, name) for name in method.__all__]
FUNCTIONS = [one for one in FUNCTIONS if inspect.isfunction(one)]


def test_the_surface_is_what_it_says() -> None:
    """Names that are imported but not exported, or the other way round, would be a mistake."""
    there = {
        name
        for name, value in vars(method).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert there == set(method.__all__)
    assert len(method.__all__) == len(there)
    assert fmq.__all__ == ["__version__", "load_policy"]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda one: one.__name__)
def test_public_functions_tell_the_shapes_of_their_tensors(function) -> None:
    text = inspect.getdoc(function) or ""
    parameters = inspect.signature(function).parameters.values()
    if any("Tensor" in str(one.annotation) for one in parameters):
        assert re.search(r"shape|\((batch|\.\.\.|2), ", text), text


def test_importing_the_package_brings_no_torch() -> None:
    program = "import sys, fmq; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
