"""Recorded episodes are those that were counted, or said to be others."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.envs.making import make_environment
from fmq.pipeline.paths import evaluation_file
from fmq.pipeline.rollouts import rollout_file
from fmq.pipeline.runs import Run
from fmq.rollouts.files import read_rollouts
from fmq.rollouts.recording import count_different, record_rollouts
from fmq.rollouts.words import rollout_words


def counted(results: Path, run: Run) -> tuple[Path, list[dict[str, str]]]:
    path = evaluation_file(run, run.sampler, results)
    with path.open(newline="") as file:
        return path, list(csv.DictReader(file))


def with_episodes(study: Study, *numbers: int) -> Study:
    rollouts = study.rollouts.model_copy(update={"episodes": list(numbers)})
    return study.model_copy(update={"rollouts": rollouts})


def test_episodes_are_those_in_the_table(recorded: Path, run: Run) -> None:
    rollouts = read_rollouts(recorded, run)
    _, rows = counted(recorded, run)
    assert (rollouts.episodes, rollouts.different) == (5, 0)
    assert [episode.number for episode in rollouts.shown] == [4, 0]
    for episode in rollouts.shown:
        row = rows[episode.number]
        assert (int(episode.success), episode.length) == (int(row["success"]), int(row["length"]))
    assert "all 5 match the counted ones" in rollout_words({"FMQ": rollouts})


def test_states_are_of_the_episodes_that_their_starts_name(recorded: Path, run: Run) -> None:
    simulator = make_environment(run.task, recorded)
    for episode in read_rollouts(recorded, run).shown:
        np.testing.assert_array_equal(simulator.reset(episode.start), episode.states[0])
        assert np.linalg.norm(np.diff(episode.states, axis=0), axis=1).max() > 0
        plan = episode.plan
        assert plan is not None
        np.testing.assert_array_equal(plan.goal, simulator.floor_plan().goal)
        # A start is in a free cell, and the maze is closed.
        column, row = ((episode.states[0] - plan.corner) / plan.cell).round().astype(int)
        assert not plan.walls[row, column]
        assert plan.walls[0].all()
        assert plan.walls[:, -1].all()


def test_what_is_recorded_besides_does_not_matter(
    study: Study, run: Run, recorded: Path, results: Path
) -> None:
    """Episode 4 is the same whichever others are kept: all of them run again."""
    (alone,) = _recorded(with_episodes(study, 4), run, results)
    first, _ = read_rollouts(recorded, run).shown
    np.testing.assert_array_equal(alone.states, first.states)


def _recorded(study: Study, run: Run, results: Path) -> list:
    record_rollouts(study, run.task.name, 0, "fmq", results)
    return read_rollouts(results, Run(study, run.task, 0, run.name)).shown


def test_episodes_that_were_not_counted_are_said_to_be_others(
    study: Study, run: Run, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, rows = counted(results, run)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:2], lines[2].replace(rows[1]["length"], "9"), *lines[3:]]))
    record_rollouts(study, run.task.name, 0, "fmq", results)
    assert "1 of 5 episodes differ from those that were counted" in capsys.readouterr().err
    rollouts = read_rollouts(results, run)
    assert rollouts.different == 1
    assert "NOT those in the tables" in rollout_words({"FMQ": rollouts})


def test_every_row_that_differs_or_lacks_counts() -> None:
    rows = [{"success": 1, "return": -2.0}, {"success": 0, "return": -3.5}]
    assert count_different(rows, rows) == 0
    assert count_different(rows, [rows[0], rows[0]]) == 1
    assert count_different(rows, rows[:1]) == 1
    assert count_different(rows, [*rows, rows[0]]) == 1


def test_an_evaluation_of_other_settings_is_refused(study: Study, run: Run, results: Path) -> None:
    path, _ = counted(results, run)
    record = path.with_suffix(".json")
    record.write_text(record.read_text().replace('"hash": "', '"hash": "0'))
    with pytest.raises(UserError, match=r"other settings; `fmq evaluate .*--sampler best_of_n`"):
        record_rollouts(study, run.task.name, 0, "fmq", results)


def test_episodes_that_an_evaluation_lacks(study: Study, run: Run, results: Path) -> None:
    assert [one.number for one in _recorded(with_episodes(study, 7, 2), run, results)] == [2]
    with pytest.raises(UserError, match=r"rollouts\.episodes: \[7\], but an evaluation has 5"):
        record_rollouts(with_episodes(study, 7), run.task.name, 0, "fmq", results)


def test_files_of_other_settings_and_damaged_ones_are_refused(
    study: Study, run: Run, results: Path
) -> None:
    path = rollout_file(run, results)
    other = Run(with_episodes(study, 1), run.task, 0, run.name)
    shutil.copy(path, rollout_file(other, results))
    with pytest.raises(UserError, match=r"other settings; `fmq rollouts .*--method fmq`"):
        read_rollouts(results, other)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole[:-400] + bytes(400)):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"rollouts-\w+\.npz: damaged or cut off"):
            read_rollouts(results, run)
    path.unlink()
    with pytest.raises(UserError, match=r"no such file; `fmq rollouts "):
        read_rollouts(results, run)
