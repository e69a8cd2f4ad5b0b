"""The commit of the code, or why it is not known."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.machines import others_checkout

TELL = "from fmq.base.provenance import code_commit; print(code_commit())"


@pytest.fixture
def checkout(root) -> Iterator[Path]:
    """A checkout of the package alone, which every user may read."""
    with tempfile.TemporaryDirectory() as top:
        Path(top).chmod(0o755)
        package = Path(top) / "checkout/src/fmq"
        leave = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / "src/fmq/base", package / "base", ignore=leave)
        shutil.copy(root / "src/fmq/__init__.py", package)
        yield Path(top) / "checkout"


def commit(folder: Path) -> str:
    """Commit all that is in a folder; returns the commit."""
    git = ["git", "-c", "user.name=x", "-c", "user.email=x", "-C", str(folder)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "x"], check=True)
    return subprocess.check_output([*git, "rev-parse", "HEAD"], encoding="utf-8").strip()


def told(checkout: Path, **variables: str) -> dict:
    """What the package in a checkout tells of its commit."""
    done = subprocess.run(
        [sys.executable, "-c", TELL],
        env=os.environ | {"PYTHONPATH": str(checkout / "src"), **variables},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    return eval(done.stdout)


def test_the_commit_and_whether_files_differ_from_it(checkout) -> None:
    sha1 = commit(checkout)
    assert told(checkout) == {"sha1": sha1, "dirty": False}
    with (checkout / "src/fmq/__init__.py").open("a") as file:
        file.write("# changed\n")
    assert told(checkout) == {"sha1": sha1, "dirty": True}


def test_another_user_is_told_the_commit_that_git_refuses_to_tell(checkout, tmp_path) -> None:
    sha1 = commit(checkout)
    folder = tmp_path / "theirs"
    folder.mkdir()
    for machine in others_checkout(folder):
        theirs = replace(machine, checkout=checkout)
        refused = theirs.run("/usr/bin/env", "git", "-C", str(checkout), "status")
        assert refused.returncode != 0
        done = theirs.run("python", "-c", TELL)
        assert eval(done.stdout) == {"sha1": sha1, "dirty": False}


@pytest.mark.parametrize("why", ["no git", "no checkout", "another checkout", "damaged", "wheel"])
def test_what_is_not_known_has_a_reason(why, checkout, tmp_path) -> None:
    variables = {}
    if why == "no git":
        commit(checkout)
        variables["PATH"] = str(tmp_path)
    elif why == "another checkout":
        (checkout.parent / ".gitignore").write_text("checkout\n")
        commit(checkout.parent)
    elif why == "wheel":
        commit(checkout)
        (checkout / "src/fmq/study").mkdir()
    elif why == "damaged":
        commit(checkout)
        (checkout / ".git/index").write_bytes(b"damaged")
    found = told(checkout, **variables)
    assert list(found) == ["unknown"]
    assert found["unknown"].isprintable()
    assert found["unknown"]
