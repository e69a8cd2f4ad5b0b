"""A copy of the project in which a test runs Snakemake."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Project:
    """A copy of the project, so that a test may edit its sources and settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("src", "workflow", "profiles", "config"):
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
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
        return os.environ | {
            "PYTHONPATH": str(self.folder / "src"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def overlay(self, text: str) -> list[str]:
        """Arguments for the smoke study with `text` on top of it."""
        (self.folder / "overlay.yaml").write_text(text)
        return ["--configfile", "config/smoke.yaml", "overlay.yaml"]

    def planned(self, text: str = "{}") -> set[str]:
        """Output files that would be made again under an overlay."""
        result = self.snakemake("--dry-run", *self.overlay(text))
        assert result.returncode == 0, result.stdout + result.stderr
        outputs = re.findall(r"^    output: (.*)$", result.stdout + result.stderr, re.MULTILINE)
        return {file for line in outputs for file in line.split(", ")}
