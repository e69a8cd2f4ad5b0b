"""Test atomic writing."""

from pathlib import Path

import pytest

from fmq.base.files import atomic_path


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
