"""Checkpoints are whole and repeatable, and loading one executes nothing."""

import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fmq.acting.checkpoint import load_checkpoint, save_checkpoint
from fmq.base.errors import UserError

CPU = torch.device("cpu")


def state(seed: int = 0) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(20, 10, generator=generator)
    return {"weight": weight, "step": 7, "names": ["a", "b"], "rate": 0.5}


def refused(path: Path) -> str:
    with pytest.raises(UserError) as error:
        load_checkpoint(path, "hash", CPU)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_a_state_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "checkpoint.pt"
    save_checkpoint(path, "hash", state())
    loaded, expected = load_checkpoint(path, "hash", CPU), state()
    assert torch.equal(loaded.pop("weight"), expected.pop("weight"))
    assert loaded == expected


def test_the_same_state_has_the_same_bytes_under_any_name(tmp_path: Path) -> None:
    first, second, other = (tmp_path / name for name in ("a.pt", "long-name.pt", "c.pt"))
    save_checkpoint(first, "hash", state())
    save_checkpoint(second, "hash", state())
    save_checkpoint(other, "hash", state(1))
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes() != other.read_bytes()


def test_a_run_with_other_settings_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, "other", state())
    assert "made with other settings (other, not hash)" in refused(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "no such checkpoint" in refused(tmp_path / "checkpoint.pt")


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    refused(tmp_path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, "hash", state())
    whole = path.read_bytes()
    for length in (0, 1, 3, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(path)


@pytest.mark.parametrize("content", [b"not a checkpoint at all\n", b"\x00" * 500, b"PK\x03\x04"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    refused(path)


def test_random_bytes_are_refused(tmp_path: Path) -> None:
    source, path = random.Random(0), tmp_path / "checkpoint.pt"
    for _ in range(300):
        path.write_bytes(source.randbytes(source.randrange(1, 40)))
        refused(path)


class Trap:
    """Leaves a file behind when it is unpickled by anything that trusts it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.touch, (self.mark,)


def write_pickle(value: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(value, protocol=2))


def read_trustingly(path: Path) -> None:
    if zipfile.is_zipfile(path):
        torch.load(path, weights_only=False)
    else:
        pickle.loads(path.read_bytes())


@pytest.mark.parametrize("write", [write_pickle, torch.save])
def test_nothing_in_a_file_is_executed(tmp_path: Path, write: Callable) -> None:
    path, mark = tmp_path / "checkpoint.pt", tmp_path / "executed"
    write({"learner": Trap(mark)}, path)
    refused(path)
    assert not mark.exists()
    read_trustingly(path)
    assert mark.exists(), "the trap itself does not work"


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save(torch.zeros(3), path)
    assert "not a checkpoint of fmq" in refused(path)


def test_a_failure_while_writing_leaves_the_older_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, "hash", state())
    before = path.read_bytes()
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        save_checkpoint(path, "hash", {"weight": lambda: None})

    def disk_full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(path, "hash", state(1))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
