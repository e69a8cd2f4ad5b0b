"""Policies by their name on the Hugging Face Hub, which here is a server on this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.policies import small_policy
from helpers.refusals import refusal
from helpers.serving import Hub, commit_of, serving

from fmq.export.card import CARD, WEIGHTS
from fmq.export.hub import local_policy
from fmq.export.loading import load_exported

pytest.importorskip("huggingface_hub")

NAME = "somebody/maze"
ASK = """
import json, sys
from fmq.base.errors import UserError
from fmq.export.hub import local_policy

for name, revision in json.loads(sys.argv[1]):
    try:
        print(json.dumps([True, str(local_policy(name, revision))]))
    except UserError as error:
        print(json.dumps([False, str(error)]))
assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The Hub's address, and the folder of its repositories."""
    folder = tmp_path_factory.mktemp("hub")
    small_policy(folder / NAME)
    (folder / NAME / "notes.txt").write_text("not of a policy")
    (folder / "somebody" / "else").mkdir()
    (folder / "somebody" / "else" / CARD).write_text("{}")
    with serving(folder, Hub) as address:
        yield address.rstrip("/"), folder


def process(served: tuple[str, Path], tmp_path: Path, *command: str) -> list[str]:
    """Run a command, for which the server is the Hub; return the lines that it prints."""
    home = {"HF_ENDPOINT": served[0], "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": ""}
    (tmp_path / "here").mkdir(exist_ok=True)
    options = {"cwd": tmp_path / "here", "env": os.environ | home}
    ended = subprocess.run(command, capture_output=True, text=True, **options)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def ask(
    served: tuple[str, Path], tmp_path: Path, *names: tuple[str, str | None]
) -> list[tuple[bool, str]]:
    """What `local_policy` returns, or the line that it ends with, for names and revisions."""
    lines = process(served, tmp_path, sys.executable, "-c", ASK, json.dumps(names))
    return [(good, text) for good, text in map(json.loads, lines)]


def test_a_name_becomes_a_folder_with_the_two_files_that_are_needed(
    served: tuple[str, Path], tmp_path: Path
) -> None:
    names = ((NAME, None), (f"hf://{NAME}", "main"), (NAME, commit_of(NAME)))
    found = ask(served, tmp_path, *names)
    assert len(set(found)) == 1
    good, folder = found[0]
    assert good, folder
    assert {path.name for path in Path(folder).iterdir()} == {CARD, WEIGHTS}
    assert load_exported(folder).chunk_shape == (5, 2)
    # What was downloaded is there without a network, too.
    (again,) = ask(("http://127.0.0.1:9", served[1]), tmp_path, (NAME, None))
    assert again == (good, folder)


def test_a_folder_goes_first(served: tuple[str, Path], tmp_path: Path) -> None:
    (tmp_path / "here" / NAME).mkdir(parents=True)
    (here, there) = ask(served, tmp_path, (NAME, None), (f"hf://{NAME}", None))
    assert here == (True, NAME)
    assert there[0]
    assert there[1].startswith(str(tmp_path / "home"))


def test_what_cannot_be_had_is_told_on_one_line(served: tuple[str, Path], tmp_path: Path) -> None:
    asked = {
        ("somebody/nothing", None): "neither a folder nor a repository",
        (NAME, "v2"): "no revision 'v2'",
        ("somebody/gated", None): "gated",
        ("somebody/else", None): f"no {WEIGHTS}",
        ("hf://maze", None): "no name of the Hub",
        ("hf://../maze", None): "no name of the Hub",
    }
    for (name, _), (good, told), word in zip(
        asked, ask(served, tmp_path, *asked), asked.values(), strict=True
    ):
        assert not good
        assert told.startswith(name)
        assert word in told
        assert told.isprintable()
    ((good, told),) = ask(("http://127.0.0.1:9", served[1]), tmp_path, ("somebody/new", None))
    assert (good, "cannot be reached" in told, told.isprintable()) == (False, True, True)


def test_a_revision_is_of_a_repository(tmp_path: Path) -> None:
    assert "has no revision" in refusal(local_policy, str(tmp_path), "main")
    assert local_policy(tmp_path / "nowhere") == tmp_path / "nowhere"


def test_a_policy_of_the_hub_is_played(served: tuple[str, Path], tmp_path: Path) -> None:
    fmq = str(Path(sys.executable).with_name("fmq"))
    command = [fmq, "play", NAME, "--episodes", "1", "--sampler", "one_step"]
    assert process(served, tmp_path, *command)[-1].startswith("mean of 1: ")
