"""`benchmarks/faults.py` in short: real commands and a whole workflow, killed from outside."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "faults.py"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "kills", "seed"),
    [
        ("stages", 3, 3),  # two fine-tunings, one of them killed three times, and once by SIGTERM
        ("snakemake", 1, 1),
    ],
)
def test_what_is_killed_ends_as_if_undisturbed(what: str, kills: int, seed: int) -> None:
    command = [sys.executable, str(PROGRAM), what, "--kills", str(kills), "--seed", str(seed)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["kills"] >= kills
