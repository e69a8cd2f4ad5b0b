"""A copy of the project in which a test runs Snakemake."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from helpers.forking import forked

from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.pipeline.studies import study_folder

ROOT = Path(__file__).parents[2]


class Project:
    """A copy of the project, so that a test may edit its sources and settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("src", "workflow", "profiles", "config"):
            shutil.copytree(ROOT / name, folder / name)
        for name in ("Snakefile", "config.yaml"):
            shutil.copy(ROOT / name, folder / name)

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run([sys.executable, "-m", "snakemake", "--cores", "2", *arguments])

    def shell(self, text: str) -> subprocess.CompletedProcess[str]:
        """Commands as they stand in a page, up to the first that fails."""
        return self.run(["bash", "-e", "-c", text])

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """A command in the copy."""
        return subprocess.run(
            command, cwd=self.folder, env=self.environment(), capture_output=True, text=True
        )

    def environment(self) -> dict[str, str]:
        """Variables of a process that runs the copy's code."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return forked(self.folder / "src") | {"PATH": path}

    def overlay(self, text: str) -> list[str]:
        """Arguments for the smoke study with `text` on top of it."""
        (self.folder / "overlay.yaml").write_text(text)
        return ["--configfile", "config/smoke.yaml", "overlay.yaml"]

    def make(self, text: str, *arguments: str) -> None:
        """Run the smoke study with `text` on top of it; `arguments` such as ``--`` and targets."""
        result = self.snakemake(*self.overlay(text), *arguments)
        assert result.returncode == 0, result.stdout + result.stderr

    def plan(self, text: str = "{}", *arguments: str) -> str:
        """What Snakemake says it would do under an overlay."""
        result = self.snakemake("--dry-run", *self.overlay(text), *arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout + result.stderr

    def planned(self, text: str = "{}", *arguments: str) -> set[str]:
        """Output files that would be made under an overlay."""
        return outputs(self.plan(text, *arguments))

    def rules(self, text: str = "{}", *arguments: str) -> set[str]:
        """Rules that would be run under an overlay."""
        told = self.plan(text, *arguments)
        return set(re.findall(r"^(?:local)?rule (\w+):", told, re.MULTILINE))

    def study(self, text: str) -> Study:
        """The settings that an overlay comes to."""
        (self.folder / "overlay.yaml").write_text(text)
        files = ("config.yaml", "config/smoke.yaml", "overlay.yaml")
        return load_study(*(self.folder / file for file in files))

    def study_folder(self, text: str = "{}") -> Path:
        """Where everything is that is made of the runs under an overlay, from the copy's top."""
        return study_folder(self.study(text), Path("results"))


def outputs(told: str) -> set[str]:
    """The files that a dry run says would be made."""
    lines = re.findall(r"^    output: (.*)$", told, re.MULTILINE)
    return {file for line in lines for file in line.split(", ")}


def unaddressed(path: str | Path) -> str:
    """A path without the identities in it: ``finetune-fmq`` of ``finetune-fmq-1a2b3c4d``."""
    return re.sub(r"-[0-9a-f]{8}(?=[/.]|$)", "", str(path))
