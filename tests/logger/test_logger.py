"""What `snakemake` shows, from real runs of a small workflow with the project's own profile."""

import logging
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.forking import forked
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_fmq import LogHandler

ROOT = Path(__file__).parents[2]
JOBS = 7
SNAKEFILE = """
rule all:
    input: expand("results/{n}.md", n=range(3))

rule pretrain:
    output: "results/{n}.txt"
    log: "logs/{n}.txt"
    shell: "DO; touch {output}"

rule evaluate:
    input: "results/{n}.txt"
    output: "results/{n}.md"
    shell: "touch {output}"
"""
FAIL = "seq 101 140 > {log}; echo 'fmq: no such data' >> {log}; exit 3"
FAIL_ONCE = "if mkdir tried-{wildcards.n}; then exit 3; fi 2> {log}"


def command(folder: Path, *arguments: str, do: str = "true") -> list[str]:
    """Write the workflow, whose jobs of `pretrain` do this, and return the command that runs it."""
    (folder / "Snakefile").write_text(SNAKEFILE.replace("DO", do))
    profile = str(ROOT / "profiles" / "default")
    words = ["--workflow-profile", profile, "--cores", "2", *arguments]
    return [sys.executable, "-m", "snakemake", *words]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT / "src"), "TERM": "xterm"}


def snakemake(folder: Path, *arguments: str, do: str = "true") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *arguments, do=do),
        cwd=folder,
        env=forked(ROOT / "src"),
        capture_output=True,
        text=True,
    )


def on_a_terminal(folder: Path, columns: int) -> str:
    """What a terminal of so many columns receives."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, True)
    subprocess.run(["stty", "cols", str(columns)], stdin=theirs, check=True)
    process = subprocess.Popen(
        command(folder), cwd=folder, env=environment(), stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    told = b""
    try:
        while part := os.read(ours, 65_536):
            told += part
    except OSError:
        pass  # the other end is closed
    os.close(ours)
    assert process.wait() == 0, told.decode()
    return told.decode()


def test_in_a_file_a_study_takes_a_few_lines(tmp_path: Path) -> None:
    done = snakemake(tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    # The profile, the number of jobs, where the log is, and what came of it.
    assert len(lines) <= 4, done.stderr
    assert f"{JOBS} jobs" in lines[1]
    assert f"All {JOBS} jobs" in lines[-1]
    assert "results/0.md" in lines[-1]
    again = snakemake(tmp_path)
    assert "Nothing to be done" in again.stderr.splitlines()[-1]


def test_on_a_terminal_one_line_goes_up_to_the_total(tmp_path: Path) -> None:
    columns = 60
    told = on_a_terminal(tmp_path, columns)
    shown = [line for text in told.split("\n") for line in text.split("\r\033[K")]
    progress = [line for line in shown if f"of {JOBS} jobs," in line]
    assert all(len(line) < columns for line in progress)
    counts = [int(line.split()[0]) for line in progress]
    assert counts == sorted(counts)
    assert {counts[0], counts[-1]} == {0, JOBS}
    assert any("| pretrain" in line for line in progress)
    # Every one but the last was wiped away, and that one too, before the closing line.
    assert told.count("\n") <= 4, told
    assert f"All {JOBS} jobs" in told.splitlines()[-1]


def test_a_failure_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    done = snakemake(tmp_path, "--keep-going", do=FAIL)
    assert done.returncode != 0
    for n in range(3):
        assert re.search(
            rf"logs/{n}\.txt ends with:\n(    \d+\n)+    fmq: no such data", done.stderr
        )
        assert f"failed: pretrain {n} (logs/{n}.txt)" in done.stderr.splitlines()[-3:]
    assert done.stderr.count("Error in rule pretrain:") == 3
    assert "returned non-zero exit status 3" in done.stderr
    assert "    140\n" in done.stderr
    assert "    101\n" not in done.stderr


@pytest.mark.slow
def test_a_job_that_works_when_tried_again_has_not_failed(tmp_path: Path) -> None:
    done = snakemake(tmp_path, "--retries", "1", do=FAIL_ONCE)
    assert done.returncode == 0, done.stderr
    assert "Error in rule pretrain:" in done.stderr
    assert f"All {JOBS} jobs" in done.stderr.splitlines()[-1]
    assert "failed:" not in done.stderr


def test_after_ctrl_c_the_jobs_that_it_ended_are_no_errors(tmp_path: Path) -> None:
    process = subprocess.Popen(
        # One process per job: a shell that waits for a child may go on after SIGINT.
        command(tmp_path, do="> started-{wildcards.n}; exec sleep 60"),
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # What runs in the background of a shell is deaf to it, and so are its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while len(list(tmp_path.glob("started-*"))) < 2:  # as many as there are cores
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Error in rule" not in told
    assert f"0 of {JOBS} jobs" in told.splitlines()[-1]


def test_paths_are_told_from_where_it_was_called(tmp_path: Path) -> None:
    done = snakemake(tmp_path, "--directory", "elsewhere")
    assert "fmq status --results elsewhere/results" in done.stderr
    assert "elsewhere/results/0.md" in done.stderr.splitlines()[-1]
    assert (tmp_path / "elsewhere" / "results" / "0.md").exists()


@pytest.mark.parametrize(
    "option",
    [
        "--dry-run",
        *(pytest.param(o, marks=pytest.mark.slow) for o in ("--dag", "--summary", "--list")),
    ],
)
def test_what_snakemake_is_asked_for_is_what_it_says_by_itself(tmp_path: Path, option: str) -> None:
    ours = snakemake(tmp_path, option)
    theirs = subprocess.run(
        [sys.executable, "-m", "snakemake", "--workflow-profile", "none", option],
        cwd=tmp_path,
        env=forked(ROOT / "src"),
        capture_output=True,
        text=True,
    )
    assert ours.returncode == theirs.returncode == 0
    assert _without_header(ours.stdout) == _without_header(theirs.stdout) != []


def _without_header(text: str) -> list[str]:
    """The text but for times and identifiers of the run, its lines in any order."""
    _, header, rest = text.rpartition("Config MD5:")
    lines = (rest if header else text).splitlines()
    return sorted(line for line in lines if not line.startswith("["))


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--printshellcmds", "--verbose"])
def test_more_is_shown_on_request(tmp_path: Path, option: str) -> None:
    told = snakemake(tmp_path, option).stderr
    assert told.count("rule pretrain:") == 3
    assert f"{JOBS} of {JOBS} steps (100%) done" in told


@pytest.mark.slow
def test_quiet_stays_quiet(tmp_path: Path) -> None:
    assert len(snakemake(tmp_path, "--quiet", "all").stderr.splitlines()) == 1  # the profile


def test_a_line_now_and_then_takes_the_time_left_from_the_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A training job that has not ended yet, of a study with nothing before it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(LogHandler, "_pause", lambda _: 0.01)
    handler = LogHandler(OutputSettings(show_failed_logs=True), None)
    job = {
        **{
            "event": LogEvent.JOB_INFO,
            "jobid": 1,
            "rule_name": "pretrain",
            "wildcards": {"n": "0"},
        },
        **{"log": ["log.txt"], "output": ["checkpoint.pt"], "input": []},
    }
    told = ""
    try:
        for event in ({"event": LogEvent.RUN_INFO, "stats": {"pretrain": 2, "total": 2}}, job):
            handler.emit(logging.makeLogRecord({"levelno": logging.INFO, "msg": "", **event}))
        assert "about" not in told
        (tmp_path / "log.txt").write_text("pretrain: 100/400 updates, 1 updates/s\n")
        end = time.monotonic() + 30
        while "about" not in told and time.monotonic() < end:
            told += capsys.readouterr().err
            time.sleep(0.01)
    finally:
        handler.close()
    # 300 s of this one, and as much and what has passed for the other.
    assert re.search(r"0 of 2 jobs, about 10 min left \| pretrain 0$", told, re.MULTILINE), told
