"""What is said of a study that runs, as text."""

from pathlib import Path

from snakemake_logger_plugin_fmq.words import TAIL_LINES, job_name, log_tail, progress_line

NAMES = ["finetune fmq task4 seed 1", "evaluate mvp task2 seed 0", "tables"]


def test_a_job_has_the_name_that_a_person_gives_it() -> None:
    task = "pointmaze-medium-navigate-singletask-task4-v0"
    wildcards = {"task": task, "seed": "1", "method": "fmq", "identity": "1a2b3c4d"}
    assert job_name("finetune", wildcards) == "finetune fmq pointmaze-medium task4 seed 1"
    assert job_name("tables", {}) == "tables"


def test_the_line_fits_and_counts_the_names_that_do_not() -> None:
    for width in range(1, 120):
        line = progress_line(7, 42, 125.0, NAMES, width)
        assert len(line) <= width
        if " | " in line:
            told, _, more = line.partition(" | ")[2].partition(", +")
            assert len(told.split(", ")) + int(more or 0) == len(NAMES)
    assert line.endswith(NAMES[-1])


def test_the_line_says_how_far_and_how_long() -> None:
    assert progress_line(7, 42, 125.0, [], 80) == "7 of 42 jobs, about 2 min left"
    assert "left" in progress_line(0, 42, None, [], 80)
    assert "about" not in progress_line(0, 42, None, [], 80)


def test_of_a_log_the_end_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    lines = [f"line {number}" for number in range(100_000)]
    log.write_text("\n".join(lines))
    heading, *told = log_tail(log).splitlines()
    assert str(log) in heading
    assert [line.strip() for line in told] == lines[-TAIL_LINES:]
    log.write_bytes(b"\xff\xfe broken")
    assert "broken" in log_tail(log)
    log.write_text("")
    assert log_tail(log) == f"{log} is empty"
    assert "No such file" in log_tail(tmp_path / "none.txt")
