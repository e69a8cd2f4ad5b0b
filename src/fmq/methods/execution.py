"""Execute the user's own method files, and turn their errors into one line."""

import random
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from fmq.base.errors import UserError
from fmq.base.messages import one_line
from fmq.config.method_files import Code


@cache
def execute(name: str, code: Code) -> ModuleType:
    """Execute a method file and return its module; `UserError` if the code fails."""
    module = ModuleType(f"own_{name}")
    module.__file__ = str(code.path)
    sys.modules[module.__name__] = module  # dataclasses resolve annotations there
    with drawing_nothing(code.path), told_in_one_line(code.path):
        exec(compile(code.text, str(code.path), "exec"), vars(module))
    return module


@contextmanager
def drawing_nothing(path: Path) -> Iterator[None]:
    """Raise `UserError` if the code of a file inside the block draws from a global generator.

    A run could not reproduce such numbers.
    """
    before = _generators()
    yield
    if _generators() != before:
        raise UserError(
            f"{path}: draws random numbers itself, which runs cannot reproduce; use the noise "
            "and times that it is given, and request more of them in ActorLoss or Sampler"
        )


def _generators() -> list[Any]:
    """Return the states of the global random generators."""
    numpy_state = np.random.get_state(legacy=False)
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    states = [state.numpy().tobytes() for state in (torch.get_rng_state(), *devices)]
    return [random.getstate(), repr(numpy_state), numpy_state["state"]["key"].tobytes(), *states]


@contextmanager
def told_in_one_line(path: Path) -> Iterator[None]:
    """Convert exceptions of the code inside the block to a `UserError` that names its line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(path)]
        place = f"{path}: line {lines[-1]}" if lines else f"{path}"
        reason = one_line(" ".join(str(error).split()), 300)
        raise UserError(f"{place}: {type(error).__name__}: {reason}") from error
