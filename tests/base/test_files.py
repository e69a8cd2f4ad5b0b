"""Test atomic writing."""

import os
from pathlib import Path

import pytest

from fmq.base.errors import UserError
from fmq.base.files import CACHE, atomic_path, cache_folder, in_home, lend_cache, matching


def test_the_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "figure.pdf"
    with atomic_path(target) as temporary:
        temporary.write_text("done")
        assert temporary.suffix == ".pdf"
        assert temporary.parent == target.parent
        assert not target.exists()
    assert target.read_text() == "done"
    assert list(target.parent.iterdir()) == [target]


def test_a_failure_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "scores.csv"
    target.write_text("old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_path_from_a_home_that_nobody_knows_is_refused(monkeypatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda user: {}[user])
    assert in_home("/data") == Path("/data")
    for path in ("~/data", "~nobody-here/data"):
        with pytest.raises(UserError):
            in_home(path)


def test_without_a_home_nothing_is_cached_in_a_folder_called_tilde(monkeypatch, tmp_path) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", CACHE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda user: {}[user])
    with pytest.raises(FileNotFoundError):
        cache_folder("updates")
    monkeypatch.setenv(CACHE, str(tmp_path))
    assert cache_folder("updates") == tmp_path / "updates"


def test_paths_that_match_are_those_of_glob(tmp_path: Path) -> None:
    for name in ("runs/a/seed0/x", "runs/a/seed1/y", "runs/b/other/x", "data/x"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "runs/file").touch()
    for pattern in ("runs/*/seed*/*", "*", "runs/*", "nowhere/*"):
        assert list(matching(tmp_path, pattern)) == sorted(tmp_path.glob(pattern))


def test_a_folder_that_cannot_be_listed_is_not_empty(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "runs/a").mkdir(parents=True)
    listed = Path.iterdir

    def iterdir(path: Path):  # root may list every folder
        if path.name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with pytest.raises(PermissionError):
        list(matching(tmp_path, "runs/*/*"))


def test_a_cache_that_cannot_be_made_is_replaced(monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lend_cache()
    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path / "cache")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    lend_cache()
    lent = Path(os.environ["XDG_CACHE_HOME"])
    assert lent.stat().st_mode & 0o777 == 0o700  # what is compiled there is executed
    assert len(capsys.readouterr().err.splitlines()) == 1
    lent.rmdir()
