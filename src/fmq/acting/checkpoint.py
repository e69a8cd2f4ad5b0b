"""Checkpoints: written atomically, and read without executing anything."""

import io
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from fmq.base.errors import UserError
from fmq.base.files import atomic_path
from fmq.base.messages import one_line


def save_checkpoint(path: Path, settings: str, content: dict[str, Any]) -> None:
    """Write a learner's state, a run's progress or a batch; equal content gives identical bytes.

    Args:
        path: the checkpoint file, written atomically.
        settings: the hash of the run's settings (`fmq.pipeline.identity.settings_hash`).
        content: tensors and plain values.
    """
    # torch names the archive after the file it writes to, so it writes to memory first.
    memory = io.BytesIO()
    torch.save({"settings": settings, "content": content}, memory)
    with atomic_path(path) as temporary:
        temporary.write_bytes(memory.getbuffer())


def load_checkpoint(
    path: Path, settings: str, device: torch.device, remedy: str = "make it again"
) -> dict[str, Any]:
    """Return the content of a checkpoint that `save_checkpoint` wrote.

    Args:
        path: the checkpoint file.
        settings: the expected hash of the run's settings.
        device: where tensors are loaded.
        remedy: what to do if the file cannot be used, for the error message.

    Raises:
        UserError: the file is missing or damaged, holds anything but finite tensors and plain
            values, or was made with other settings.
    """
    try:
        with path.open("rb") as file:
            _check_archive(file)
            file.seek(0)
            with warnings.catch_warnings(action="ignore"):  # the error below says enough
                state = torch.load(file, map_location=device, weights_only=True)
            size = file.seek(0, io.SEEK_END)
    except FileNotFoundError:
        raise UserError(f"{path}: no such checkpoint; run the stage that writes it first") from None
    except Exception as error:  # torch may raise any exception on invalid bytes
        reason = one_line((str(error).splitlines() or [type(error).__name__])[0], 200)
        raise UserError(f"{path}: not a checkpoint, or damaged: {reason}; {remedy}") from None
    if not _is_checkpoint(state):
        raise UserError(f"{path}: not a checkpoint of fmq; {remedy}")
    if state["settings"] != settings:
        raise UserError(
            f"{path}: made with other settings ({one_line(state['settings'], 80)}, not "
            f"{settings}); repeat that run, or use the settings it was made with"
        )
    content = state["content"]
    fault = _content_fault(content, size) or _normalizer_fault(content)
    if fault is not None:
        raise UserError(f"{path}: holds {fault}; {remedy}")
    return content


def _check_archive(file: BinaryIO) -> None:
    """Verify the checksums of an archive written by torch, which torch itself does not do.

    Raises:
        zipfile.BadZipFile: the archive is damaged, or compressed, so that a small file could fill
            the memory.
    """
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise zipfile.BadZipFile("its members are compressed")
        if len({member.filename for member in members}) < len(members):
            raise zipfile.BadZipFile("it has a member twice")
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"{damaged} has a wrong checksum")


def _is_checkpoint(state: Any) -> bool:
    """Return whether `state` has the structure that `save_checkpoint` writes."""
    return (
        isinstance(state, dict)
        and isinstance(state.get("settings"), str)
        and isinstance(state.get("content"), dict)
    )


def _content_fault(content: dict[str, Any], size: int) -> str | None:
    """Describe a value that is neither plain nor a finite tensor; return None if there is none.

    Args:
        content: the content of a checkpoint.
        size: size of the file in bytes; a larger tensor must repeat its bytes.
    """
    rest: list[Any] = [content]
    seen: set[int] = set()
    while rest:
        value = rest.pop()
        if isinstance(value, dict | list | tuple):
            if id(value) in seen:
                continue
            seen.add(id(value))
            rest += [*value.keys(), *value.values()] if isinstance(value, dict) else value
        elif isinstance(value, Tensor):
            if value.layout != torch.strided or value.is_meta or value.is_quantized:
                return "a tensor of a kind that fmq does not write"
            if value.nbytes > size:
                return "a tensor that is larger than the file"
            if not bool(torch.isfinite(value).all()):
                return "numbers that are not finite"
        elif not isinstance(value, str | int | float | None):
            return f"a value of the type {type(value).__name__}"
    return None


def _normalizer_fault(content: dict[str, Any]) -> str | None:
    """Describe what is wrong with the observation statistics, which no network checks."""
    if "normalizer" not in content:
        return None
    statistics = content["normalizer"]
    if not isinstance(statistics, dict) or set(statistics) != {"mean", "deviation"}:
        return "no mean and deviation of observations"
    mean, deviation = statistics["mean"], statistics["deviation"]
    if not all(isinstance(one, Tensor) and one.is_floating_point() for one in (mean, deviation)):
        return "observation statistics that are not floating-point tensors"
    if mean.ndim != 1 or mean.shape != deviation.shape or not bool((deviation > 0).all()):
        return "observation statistics of a wrong shape, or a deviation that is not positive"
    return None


@contextmanager
def refuse_misfit(path: Path, remedy: str = "make it again") -> Iterator[None]:
    """Turn errors while the state of a checkpoint is loaded into a `UserError`.

    Args:
        path: the checkpoint, named in the message.
        remedy: what to do about it.

    Raises:
        UserError: the block failed because of a name, a type or a shape.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, TypeError, AttributeError, LookupError) as error:
        reason = one_line(" ".join(str(error).split()), 200)
        raise UserError(
            f"{path}: does not fit the run ({type(error).__name__}: {reason}); {remedy}"
        ) from None
