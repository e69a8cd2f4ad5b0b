"""Checkpoints: written whole or not at all, read without executing anything."""

import io
import pickle
import struct
import warnings
from pathlib import Path
from typing import Any

import torch

from fmq.errors import UserError
from fmq.files import atomic_path

# What torch's reader raises on bytes that are no checkpoint.
DAMAGE = (
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    struct.error,
    pickle.UnpicklingError,
)


def save_checkpoint(path: Path, settings: str, learner: dict[str, Any]) -> None:
    """Write a learner's state; the same state gives the same bytes.

    Args:
        settings: hash of what shaped the run (`fmq.runs.settings_hash`).
        learner: tensors and plain values.

    torch names the archive after the file it writes to, so it writes to memory first.
    """
    memory = io.BytesIO()
    torch.save({"settings": settings, "learner": learner}, memory)
    with atomic_path(path) as temporary:
        temporary.write_bytes(memory.getvalue())


def load_checkpoint(path: Path, settings: str, device: torch.device) -> dict[str, Any]:
    """The learner's state that `save_checkpoint` wrote.

    Raises:
        UserError: the file is missing or damaged, or the run had other settings than `settings`.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # the error below says what matters
            state = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no such checkpoint; run the stage that writes it first") from None
    except DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: not a checkpoint, or damaged: {reason}; remake it") from None
    if not isinstance(state, dict) or not state.keys() >= {"settings", "learner"}:
        raise UserError(f"{path}: not a checkpoint of fmq; remake it")
    if state["settings"] != settings:
        raise UserError(
            f"{path}: made with other settings ({state['settings']}, not {settings}); "
            "repeat that run, or give the settings it was made with"
        )
    return state["learner"]
