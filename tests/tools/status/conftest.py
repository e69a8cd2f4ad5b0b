"""A results folder as jobs leave it, without their work."""

import os
import socket
from pathlib import Path

import pytest

from fmq.base.files import write_json
from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.pipeline.parts import Part
from fmq.pipeline.paths import settings_file
from fmq.tools.status.examine import State, examine
from fmq.tools.status.parts import episodes_of, progress_of, scratch_of, told_parts

ROOT = Path(__file__).parents[3]


class Folder:
    """A study's results folder, and what its jobs would write there."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.study: Study = load_study(ROOT / "config.yaml", ROOT / "config/smoke.yaml")
        write_json(settings_file(results), self.study.model_dump())

    def parts(self) -> list[Part]:
        return told_parts(self.study, self.results)

    def part(self, name: str) -> Part:
        """The first part whose name begins so: of the first task and seed."""
        return next(part for part in self.parts() if part.name.startswith(name))

    def states(self) -> list[State]:
        return examine(self.study, self.results)

    def state(self, name: str) -> State:
        return next(state for state in self.states() if state.part.name.startswith(name))

    def log(self, name: str, *lines: str, age: float = 0.0) -> Path:
        path = self.part(name).log
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))
        moment = path.stat().st_mtime - age
        os.utime(path, (moment, moment))
        return path

    def finish(self, name: str, successes: str = "1101") -> None:
        """The outputs of a part."""
        part = self.part(name)
        for output in part.outputs:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_bytes(b"never read")
        if (episodes := episodes_of(part)) is not None:
            rows = [f"task,run,sampler,0,online,20,{n},{s},-3.5,9" for n, s in enumerate(successes)]
            episodes.write_text("\n".join(["header", "t,r,s,0,online,10,0,0,-1.0,9", *rows]))

    def begin(self, name: str, host: str = "", process: int = 1) -> Path:
        """The scratch folder of a run that keeps progress, and its last owner."""
        part = self.part(name)
        scratch, progress = scratch_of(part, self.results), progress_of(part, self.results)
        assert scratch is not None
        assert progress is not None
        progress.mkdir(parents=True, exist_ok=True)
        scratch.mkdir(parents=True, exist_ok=True)
        (scratch / "lock").touch()
        owner = {"host": host or socket.gethostname(), "pid": process}
        write_json(scratch / "owner.json", owner)
        return scratch


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "results")
