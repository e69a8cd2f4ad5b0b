"""`fmq status`: what is told of a folder, and that nothing in it is disturbed."""

import io
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from filelock import FileLock
from helpers.machines import others_checkout
from helpers.studies import changed

from fmq.acting.evaluation import COLUMNS
from fmq.base.locks import own
from fmq.base.messages import STOPPED, notice
from fmq.config.reading import load_study
from fmq.pipeline.paths import run_folder
from fmq.pipeline.runs import make_run
from fmq.tools.status import alive, logs
from fmq.tools.status.estimate import Running, seconds_left
from fmq.tools.status.examine import INTERRUPTED
from fmq.tools.status.report import SCREEN, as_document, as_text, duration, totals

BEAT = "finetune-fmq TASK seed 0: 20/40 steps, 4 steps/s, success 25% at 40"
ELSEWHERE = "a-node-of-a-cluster"


def test_ablations_are_parts_once_they_have_begun(folder) -> None:
    before = {part.name for part in folder.parts()}
    assert not any("@" in name for name in before)
    name = f"finetune-{next(iter(folder.study.ablations.methods))}"
    run = make_run(folder.study, folder.study.tasks[0], folder.study.seeds[0], name)
    run_folder(run, folder.results).mkdir(parents=True)
    (run_folder(run, folder.results) / "log.txt").touch()
    assert {part.name for part in folder.parts()} - before == {name}


def test_an_empty_folder_waits(folder) -> None:
    states = folder.states()
    assert {(state.state, state.note) for state in states} == {("waiting", "")}
    assert totals(states) == "21 parts: 0 done, 0 running, 21 waiting, 0 failed"


@pytest.mark.parametrize("name", ["pretrain-full", "finetune-fmq", "evaluate-finetune-fmq-qgbs"])
def test_outputs_that_are_there_are_done(folder, name: str) -> None:
    folder.finish(name)
    state = folder.state(name)
    assert (state.state, state.success) == ("done", 0.75)
    assert COLUMNS[-3:] == ("success", "return", "length")  # the reader counts on it


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("dataset", {"datasets": {"pointmaze-medium-navigate-v0": {"seed": 5}}}),
        ("pretrain-full", {"training": {"batch_size": 9}}),
        ("evaluate-finetune-fmq-qgbs", {"sampling": {"qgbs_eta": 0.1}}),
    ],
)
def test_what_other_settings_made_is_no_part_and_done_once_they_are_back(
    folder, name: str, changes: dict
) -> None:
    folder.finish(name)
    before = folder.study
    folder.study = changed(before, changes)
    assert (folder.state(name).state, folder.state(name).note) == ("waiting", "")
    folder.study = before
    assert folder.state(name).state == "done"


def test_a_run_whose_lock_is_held_is_running(folder) -> None:
    scratch = folder.begin("finetune-fmq")
    folder.log("finetune-fmq", BEAT)
    assert folder.state("finetune-fmq").state == "waiting"
    with own(scratch, "run"):
        state = folder.state("finetune-fmq")
    assert (state.state, state.host) == ("running", "")
    # 20 of 40 since this process began, so that 20 of the 60 were done before.
    assert (state.step, state.last_step, state.unit) == (40, 60, "steps")
    assert (state.rate, state.seconds_left, state.success) == (4, 5.0, 0.25)
    assert folder.state("finetune-fmq").note == INTERRUPTED


def test_looking_takes_no_lock_and_opens_no_lock_file(
    folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that takes its lock while it is looked at is never refused."""
    import fcntl

    scratch = folder.begin("finetune-fmq")
    lock = FileLock(scratch / "lock")
    opened = []
    original = io.open

    def noted(path, *arguments, **options):
        opened.append(str(path))
        return original(path, *arguments, **options)

    for name in ("flock", "lockf", "fcntl"):
        monkeypatch.setattr(fcntl, name, lambda *_: pytest.fail("a lock was touched"))
    monkeypatch.setattr(io, "open", noted)
    folder.states()
    monkeypatch.undo()
    assert any(path.endswith("owner.json") for path in opened)
    assert not any(path.endswith("/lock") for path in opened)
    lock.acquire(blocking=False)
    lock.release()


def test_a_job_is_running_while_its_log_is_a_processs_standard_error(folder) -> None:
    """Evaluations and data sets have no lock."""
    for name in ("evaluate-finetune-fmq-qgbs", "dataset"):
        log = folder.log(name)
        with log.open("w") as file:
            process = subprocess.Popen(["sleep", "60"], stderr=file)
        try:
            assert folder.state(name).state == "running"
        finally:
            process.kill()
            process.wait()
        state = folder.state(name)
        assert (state.state, state.note) == ("waiting", INTERRUPTED)


def test_a_job_that_begins_while_it_is_looked_at_is_running(
    folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of processes is older than its log."""
    look = alive.look_around

    def looked() -> alive.Processes:
        found = look()
        folder.log("evaluate-finetune-fmq-qgbs", age=-0.1)
        return found

    monkeypatch.setattr("fmq.tools.status.examine.look_around", looked)
    assert folder.state("evaluate-finetune-fmq-qgbs").state == "running"


@pytest.mark.parametrize(("hidden", "expected"), [(True, "running"), (False, "waiting")])
def test_a_process_that_may_not_be_looked_into_is_not_told_as_absent(
    folder, monkeypatch: pytest.MonkeyPatch, hidden: bool, expected: str
) -> None:
    name = "evaluate-finetune-fmq-qgbs"
    users = {folder.log(name, age=30.0).stat().st_uid} if hidden else set()
    none: frozenset = frozenset()
    there = alive.Processes(none, none, frozenset(users), time.time())
    monkeypatch.setattr("fmq.tools.status.examine.look_around", lambda: there)
    folder.log(name, age=30.0)
    assert folder.state(name).state == expected


def test_the_processes_of_another_user_are_hidden(tmp_path) -> None:
    tell = "from fmq.tools.status.alive import look_around; print(0 in look_around().hidden)"
    for there in others_checkout(tmp_path):
        assert there.run("python", "-c", tell).stdout == b"True\n"


@pytest.mark.parametrize(("age", "expected"), [(30.0, "running"), (7200.0, "waiting")])
def test_a_run_elsewhere_is_judged_by_its_last_line(folder, age: float, expected: str) -> None:
    folder.begin("finetune-fmq", host=ELSEWHERE)
    folder.log("finetune-fmq", BEAT, age=age)
    state = folder.state("finetune-fmq")
    assert state.state == expected
    if expected == "running":
        assert state.host == ELSEWHERE
        assert state.silence >= age
        assert f"on {ELSEWHERE}" in as_text(folder.study, folder.states())


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((BEAT, "fmq: loss is nan at gradient step 7"), "loss is nan at gradient step 7"),
        (
            (
                BEAT,
                "Traceback (most recent call last):",
                "  a line",
                "RuntimeError: no room",
                "more",
            ),
            "RuntimeError: no room",
        ),
        (("bash: line 1: fmq: command not found",), "bash: line 1: fmq: command not found"),
    ],
)
@pytest.mark.parametrize("host", ["", ELSEWHERE])
def test_a_failure_is_told_with_its_log(folder, lines, reason: str, host: str) -> None:
    folder.begin("finetune-fmq", host=host)
    log = folder.log("finetune-fmq", *lines)
    state = folder.state("finetune-fmq")
    assert (state.state, state.note) == ("failed", reason)
    text = as_text(folder.study, folder.states())
    assert f"{reason}" in text
    assert str(log) in text
    assert "1 failed" in text.splitlines()[-1]


def test_a_large_study_fits_a_screen_and_has_its_details_on_demand(folder, root: Path) -> None:
    folder.study = load_study(root / "config.yaml", root / "config" / "paper.yaml")
    first = folder.study.tasks[0]
    evaluations = [part for part in folder.parts() if part.rule == "evaluate"]
    for part in evaluations[:30]:
        part.log.parent.mkdir(parents=True, exist_ok=True)
        part.log.write_text("fmq: no room\n")
    folder.finish("pretrain-full")
    states = folder.states()
    lines = as_text(folder.study, states).splitlines()
    assert len(lines) <= SCREEN
    assert max(map(len, lines[: lines.index("")])) <= 80
    (row,) = (line.split() for line in lines if line.startswith("can "))
    assert row[1:3] == ["0/1", "1/10"]
    failed = sum(state.state == "failed" and first in state.part.tasks for state in states)
    assert row[-1] == f"!{failed}"
    assert failed > 0
    details = as_text(folder.study, states, details=True)
    assert all(state.part.name.split()[0] in details for state in states)
    assert details.count("no room") == sum(state.state == "failed" for state in states)


def test_the_share_of_updates_counts_runs_that_are_not_done(folder) -> None:
    def share() -> str:
        return as_text(folder.study, folder.states()).splitlines()[-2].partition("%")[0]

    runs = [part for part in folder.parts() if part.trains]
    whole = sum(part.run.updates for part in runs)
    assert share() == "0"
    part = folder.part("finetune-fmq")
    folder.begin("finetune-fmq")
    folder.log("finetune-fmq", BEAT)
    # At environment step 40 of 60, of which the first 20 had no updates.
    assert share() == f"{int(part.run.updates / 2 / whole * 100)}"
    folder.finish("finetune-fmq")
    assert share() == f"{int(part.run.updates / whole * 100)}"
    for part in runs:
        for output in part.outputs:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.touch()
    assert share() == "100"


def test_the_time_left_is_told_while_something_runs(folder) -> None:
    scratch = folder.begin("finetune-fmq")
    folder.log("finetune-fmq", BEAT)
    assert as_document(folder.study, folder.states())["seconds_left"] is None
    with own(scratch, "run"):
        left = as_document(folder.study, folder.states())["seconds_left"]
    # At 4 steps a second, 40 of 60 steps are done; every other part is a job that waits.
    waiting = Counter(part.rule for part in folder.parts()) - Counter(["finetune"])
    assert left == seconds_left(waiting, [Running("finetune", 10.0, 5.0)], {})


def test_seeds_of_a_stack_are_one_job_of_the_time_left(stacked) -> None:
    stacked.log("finetune-fmq", BEAT)
    with own(stacked.begin("finetune-fmq"), "run"):
        states = [*of_seeds(stacked, "finetune-fmq").values()]
    assert {state.state for state in states} == {"running", "waiting"}
    assert as_document(stacked.study, states)["seconds_left"] == 5.0


def test_a_failure_before_the_study_was_begun_anew_waits(folder) -> None:
    folder.begin("finetune-fmq")
    folder.log("finetune-fmq", "fmq: no room", age=3600)
    state = folder.state("finetune-fmq")
    assert (state.state, state.note) == ("waiting", "failed before: no room")


def test_a_notice_is_no_failure(folder, capsys: pytest.CaptureFixture[str]) -> None:
    notice("waiting for a place: 1 GPUs with 1 jobs each are taken")
    folder.begin("finetune-fmq")
    folder.log("finetune-fmq", BEAT, capsys.readouterr().err.rstrip())
    assert folder.state("finetune-fmq").state == "waiting"


def test_a_run_that_was_asked_to_stop_waits(folder) -> None:
    folder.begin("finetune-fmq", host=ELSEWHERE)
    folder.log("finetune-fmq", BEAT, "fmq: stopped as asked; the same command goes on from here")
    state = folder.state("finetune-fmq")
    assert (state.state, state.note, state.step) == ("waiting", STOPPED, 40)


def test_heartbeats_are_read_as_they_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from fmq.base.progress import Heartbeat

    beat = Heartbeat("finetune-fmq TASK seed 0", 40, "steps")
    beat.advance(30)
    beat.remark("success 7% at 20")
    beat.start -= 10
    beat.say()
    (tmp_path / "log").write_text(capsys.readouterr().err)
    log = logs.read_log(tmp_path / "log")
    assert log is not None
    assert log.heartbeat == (30, 40, "steps", 3, 0.07)


def test_only_the_end_of_a_log_is_read_and_every_file_once(
    folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in {part.name: part for part in folder.parts()}:
        folder.finish(part)
    folder.part("finetune-qc").outputs[0].unlink()
    folder.begin("finetune-qc")
    log = folder.log("finetune-qc", *[BEAT] * 20_000)
    opened: Counter[str] = Counter()
    amounts: list[int] = []
    original = io.open

    class Counted(io.FileIO):
        def read(self, amount: int = -1) -> bytes:
            amounts.append(amount)
            return super().read(amount)

    def counted(path, *arguments, **options):
        opened[str(path)] += 1
        return Counted(path) if str(path) == str(log) else original(path, *arguments, **options)

    monkeypatch.setattr(io, "open", counted)
    states = folder.states()
    monkeypatch.undo()
    assert amounts == [logs.TAIL]
    assert max(opened.values()) == 1
    assert not [path for path in opened if path.endswith(".pt")]
    assert next(s for s in states if s.part.log == log).step == 40


def test_the_document_has_the_documented_keys(folder, root: Path) -> None:
    folder.finish("finetune-fmq")
    document = json.loads(json.dumps(as_document(folder.study, folder.states())))
    assert document["totals"] == {"done": 1, "running": 0, "waiting": 20, "failed": 0}
    told = (root / "docs/status.md").read_text()
    for key in (*document, *document["parts"][0]):
        assert f"`{key}`" in told
    assert {tuple(part) for part in document["parts"]} == {tuple(document["parts"][0])}


def test_the_command_imports_no_torch_and_changes_nothing(folder) -> None:
    folder.finish("finetune-fmq")
    folder.begin("finetune-mvp")
    before = {path: path.stat().st_mtime_ns for path in folder.results.rglob("*")}
    program = (
        "import sys\n"
        "from fmq.cli import app\n"
        "app(sys.argv[1:], standalone_mode=False)\n"
        "assert not {'torch', 'pandas', 'gymnasium'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", program, "status", "--results", str(folder.results)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1].endswith("1 done, 0 running, 20 waiting, 0 failed")
    assert {path: path.stat().st_mtime_ns for path in folder.results.rglob("*")} == before


def test_the_table_has_a_row_per_stage_and_a_column_per_seed(folder) -> None:
    study = folder.study.model_copy(update={"seeds": [0, 7]})
    folder.study = study
    folder.finish("finetune-fmq")
    folder.finish("evaluate-finetune-fmq-qgbs")
    lines = as_text(study, folder.states()).splitlines()
    assert lines[0] == study.tasks[0]
    assert lines[1].split() == ["seed", "0", "seed", "7"]
    row = next(line for line in lines if line.startswith("finetune-fmq "))
    assert row.split() == ["finetune-fmq", "done", "75%", "waiting"]
    row = next(line for line in lines if line.startswith("evaluate-finetune-fmq-qgbs"))
    assert row.split() == ["evaluate-finetune-fmq-qgbs", "done", "75%", "waiting"]


@pytest.fixture
def stacked(folder):
    """The folder of a study whose seeds are trained together."""
    training = folder.study.training.model_copy(update={"stack_seeds": True})
    folder.study = folder.study.model_copy(update={"seeds": [7, 2], "training": training})
    return folder


def of_seeds(folder, name: str) -> dict:
    """States of a part of the first task, by seed."""
    states = [state for state in folder.states() if state.part.name == name]
    return {state.part.seed: state for state in states if folder.study.tasks[0] in state.part.tasks}


def test_all_seeds_of_a_stack_run_and_are_as_far_as_its_log_says(stacked) -> None:
    scratch = stacked.begin("finetune-fmq")
    log = stacked.log("finetune-fmq", BEAT)
    assert (scratch.parent.name, log.parents[1].name) == ("seed7", "seed2")
    with own(scratch, "run"), own(scratch.parents[1] / "seed2" / scratch.name, "run"):
        states = of_seeds(stacked, "finetune-fmq")
    assert set(states) == {2, 7}
    for state in states.values():
        assert (state.state, state.note, state.part.log) == ("running", "", log)
        assert (state.step, state.last_step, state.success) == (40, 60, 0.25)


def test_progress_of_a_stack_is_that_of_all_its_seeds(stacked) -> None:
    scratch = stacked.begin("finetune-fmq")
    stacked.log("finetune-fmq", BEAT)
    other = scratch.parents[1] / "seed2" / scratch.name
    shutil.copy(scratch / "owner.json", other)
    (other / "lock").touch()
    notes = {seed: state.note for seed, state in of_seeds(stacked, "finetune-fmq").items()}
    assert notes == {2: INTERRUPTED, 7: INTERRUPTED}
    # Another set of seeds is another stack: it begins anew.
    stacked.study = stacked.study.model_copy(update={"seeds": [2, 7, 8]})
    notes = {seed: state.note for seed, state in of_seeds(stacked, "finetune-fmq").items()}
    assert notes == {2: "", 7: "", 8: ""}


def test_seeds_of_a_stack_fail_together(stacked) -> None:
    stacked.begin("finetune-fmq")
    stacked.log("finetune-fmq", BEAT, "fmq: loss is nan at gradient step 7")
    states = of_seeds(stacked, "finetune-fmq").values()
    assert {(state.state, state.note) for state in states} == {
        ("failed", "loss is nan at gradient step 7")
    }


def test_the_log_of_a_stack_is_read_once(stacked, monkeypatch: pytest.MonkeyPatch) -> None:
    log = stacked.log("finetune-fmq", BEAT)
    opened: Counter[str] = Counter()
    original = io.open

    def counted(path, *arguments, **options):
        opened[str(path)] += 1
        return original(path, *arguments, **options)

    monkeypatch.setattr(io, "open", counted)
    stacked.states()
    assert opened[str(log)] == 1


def test_durations() -> None:
    assert [duration(s) for s in (12.4, 90, 3599, 11_100)] == [
        "12 s",
        "2 min",
        "1 h 0 min",
        "3 h 5 min",
    ]


def test_where_the_system_does_not_tell_the_last_line_decides(
    folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(alive, "PROC", tmp_path / "none")
    folder.begin("finetune-fmq")
    folder.log("finetune-fmq", BEAT, age=20)
    assert folder.state("finetune-fmq").state == "running"
    folder.log("finetune-fmq", BEAT, age=7200)
    assert folder.state("finetune-fmq").state == "waiting"
