"""docs/add_task.md, followed to the letter: its settings are written, its commands are given."""

import subprocess
from pathlib import Path
from types import ModuleType

import h5py
import pytest
from helpers.demonstrations import write_random
from helpers.documents import ROOT, blocks
from helpers.workflows import Project

from fmq.config.datasets import RandomData
from fmq.data.generate import generate_dataset
from fmq.data.manifest import check_dataset

BLOCKS = blocks(ROOT / "docs" / "add_task.md")
FILES = [block for block in BLOCKS if block.language == "yaml"]
COMMANDS = [block for block in BLOCKS if not block.language]
SOCCER = "antsoccer-arena-navigate-v0"
SMALL = """
methods: [fmq]
samplers: []
data_dir: copies
offline: {steps: 12, warmup_steps: 4, anneal_end: 8, evaluate_every: 100}
online: {steps: 20, start_training: 10, evaluate_every: 100}
evaluation: {episodes: 2, environments: 1}
"""


SHORT = "task_settings: {my-stack: {episode_limit: 10}}\n"


class Reader:
    """A person in a copy of the project who has what the page says that they have."""

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder)
        self.folder = folder
        for block in FILES:
            block.write(folder)
        (folder / "small.yaml").write_text(SMALL)
        (folder / "short.yaml").write_text(SHORT)
        write_random(folder / "my_stack.hdf5", "Stack", episodes=5, steps=12)
        sizes = {"episodes": 2, "validation_episodes": 1, "episode_length": 8, "seed": 0}
        random = RandomData(source="random", **sizes)
        generate_dataset(SOCCER, random, folder / "copies", processes=1)
        (folder / "data").mkdir()
        (folder / "data" / "my_antsoccer.npz").write_bytes(
            (folder / "copies" / f"{SOCCER}.npz").read_bytes()
        )

    def give(self, command: str, *more: str) -> str:
        """Give a command of the page, on small settings, and return what it says."""
        if command.startswith("snakemake"):
            command = command.replace("--cores 8", "--cores 2") + " config/smoke.yaml small.yaml"
            command += " short.yaml" if "my_stack.yaml" in command else ""
        environment = self.project.environment() | {"HOME": str(self.folder)}
        told = subprocess.run(
            ["bash", "-c", " ".join((command, *more))],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert told.returncode == 0, f"{command}\n{told.stdout}{told.stderr}"
        return told.stdout + told.stderr


def commands(word: str) -> list[str]:
    """The command lines of the page's blocks that have `word` in them, without remarks."""
    (lines,) = (block.text.splitlines() for block in COMMANDS if f" {word}" in block.text)
    return [line.partition("  #")[0].strip() for line in lines]


@pytest.fixture(scope="module")
def reader(robosuite: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(tmp_path_factory.mktemp("reader"))


def test_every_block_of_the_page_is_followed() -> None:
    named = [block.file for block in FILES]
    assert named == ["antsoccer.yaml", "antsoccer_own.yaml", "my_stack.yaml"]
    followed = [*commands("--configfile antsoccer.yaml\n"), *commands("antsoccer_own.yaml")]
    given = [line for block in COMMANDS for line in block.text.splitlines()]
    assert len(followed) + len(commands("my_stack.yaml")) == len(given)


@pytest.mark.slow
def test_a_task_of_ogbench(reader: Reader) -> None:
    """Up to its data, which are those in `data_dir`: the rest is as for any other task."""
    check, dry, run = commands("--configfile antsoccer.yaml\n")
    assert '"source": "official"' in reader.give(check)
    assert "finetune-fmq" in reader.give(dry)
    sources = set()
    for command in (run, *commands("antsoccer_own.yaml")):
        reader.give(command, "--until dataset")
        folders = (reader.folder / "results" / "datasets").glob(f"{SOCCER}-*")
        sources = {check_dataset(folder, SOCCER)["source"].split(",")[0] for folder in folders}
    assert sources == {"the official data set", "a file of the study's own"}


@pytest.mark.slow
def test_a_file_of_one_s_own(reader: Reader) -> None:
    check, run, status, export, play = commands("my_stack.yaml")
    assert '"path": "my_stack.hdf5"' in reader.give(check)
    reader.give(run)
    results = reader.folder / "results"
    table = (results / "tables" / "main.md").read_text()
    assert "| my-stack |" in table
    assert "my-stack: a file of the study's own, my_stack.hdf5" in table
    assert "my-stack" in reader.give(status)
    reader.give(export)
    assert "mean of 2: success" in reader.give(play)
    (link,) = results.glob("datasets/my-stack-*/my-stack.hdf5")
    assert link.resolve() == (reader.folder / "my_stack.hdf5").resolve()


@pytest.mark.slow
def test_a_changed_file_is_other_data_and_a_missing_one_is_named(reader: Reader) -> None:
    overlay = ["my_stack.yaml", "config/smoke.yaml", "small.yaml", "short.yaml"]
    file = reader.folder / "my_stack.hdf5"
    before = file.read_bytes()
    with h5py.File(file, "r+") as changed:
        changed.attrs["changed"] = True
    told = planned(reader, overlay)
    assert "rule dataset:" in told
    assert "rule finetune:" in told
    file.write_bytes(before)
    assert "Nothing to be done" in planned(reader, overlay)
    file.rename(file.with_suffix(".away"))
    assert "fmq: datasets.my-stack.path: no file 'my_stack.hdf5'" in planned(reader, overlay)


def planned(reader: Reader, overlay: list[str]) -> str:
    told = reader.project.snakemake("--dry-run", "--configfile", *overlay)
    return told.stdout + told.stderr
