"""Start, kill and wait for commands in a project folder, and define the study that they run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TASK = "pointmaze-medium-navigate-singletask-task2-v0"
OVERLAY = f"""
name: faults
tasks: [{TASK}]
methods: [fmq, qc]
samplers: []
checkpoint_seconds: 0.3
task_defaults: {{episode_limit: 60}}
datasets:
  pointmaze-medium-navigate-v0: {{episodes: 4, validation_episodes: 1, episode_length: 100}}
networks: {{hidden_width: 16}}
training: {{batch_size: 16, log_every: 50}}
offline: {{steps: 900, warmup_steps: 400, anneal_end: 600, evaluate_every: 200}}
online: {{steps: 700, start_training: 60, update_every: 1, evaluate_every: 250}}
evaluation: {{episodes: 4, environments: 4}}
statistics: {{resamples: 200}}
"""
PATIENCE = 60.0  # seconds within which a process has to end after a signal


def environment() -> dict[str, str]:
    """Return the environment of child processes, with this Python's commands and these sources."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT / "src")}


def start(command: list[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, so that it can be killed with all its children."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def finish_or_kill(process: subprocess.Popen[bytes], seconds: float, number: int) -> int | None:
    """Kill the whole session after `seconds`; return its exit code, or None if it ended before."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, number)
    else:
        return None
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()
