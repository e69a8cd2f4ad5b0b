"""Which episodes and runs are shown, and what Snakemake is asked for."""

from pathlib import Path

import pytest
from helpers.studies import changed

from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.pipeline.analyses import film_parts, rollout_files
from fmq.pipeline.paths import evaluation_file
from fmq.pipeline.rollouts import rollout_file, shown_episodes, shown_seed
from fmq.pipeline.runs import make_run

MAZE = "pointmaze-medium-navigate-singletask-task4-v0"
CUBE = "cube-single-play-singletask-task1-v0"


def test_the_first_seed_unless_another_is_named(study: Study) -> None:
    study = changed(study, {"seeds": [3, 5]})
    assert shown_seed(study) == 3
    assert shown_seed(changed(study, {"rollouts": {"seed": 5}})) == 5
    with pytest.raises(UserError, match=r"rollouts\.seed 4 is not in seeds: \[3, 5\]"):
        changed(study, {"rollouts": {"seed": 4}})


@pytest.mark.parametrize("episodes", [[], [1, 1], [-1]])
def test_numbers_of_episodes(study: Study, episodes: list[int]) -> None:
    with pytest.raises(UserError, match=r"rollouts\.episodes"):
        changed(study, {"rollouts": {"episodes": episodes}})


def test_the_choice_shapes_the_recording_and_no_run(study: Study) -> None:
    other = changed(study, {"rollouts": {"episodes": [1, 9]}})
    assert shown_episodes(other) == [1]
    runs = [make_run(one, MAZE, 0, "finetune-fmq") for one in (study, other)]
    assert runs[0].folder == runs[1].folder
    assert rollout_file(runs[0], Path()) != rollout_file(runs[1], Path())


def test_only_mazes_are_seen_from_above(study: Study, tmp_path: Path) -> None:
    scripted = {"source": "scripted", "episodes": 2, "validation_episodes": 1}
    scripted |= {"episode_length": 9, "action_noise": 0.1, "seed": 0}
    changes = {"tasks": [MAZE, CUBE], "methods": ["fmq", "qc"]}
    two = changed(study, changes | {"datasets": {"cube-single-play-v0": scripted}})
    films = tmp_path / "rollouts"
    files = rollout_files(two, tmp_path, tmp_path)
    assert len(files) == 2 * 2 * 2 + 1
    assert films / MAZE / "trajectories.png" in files
    # Of an unfinished study, those with an evaluation alone.
    unfinished = changed(two, {"allow_missing": True})
    assert rollout_files(unfinished, tmp_path, tmp_path) == []
    for task in (CUBE, MAZE):
        run = make_run(two, task, 0, "finetune-qc")
        path = evaluation_file(run, run.sampler, tmp_path)
        path.parent.mkdir(parents=True)
        path.touch()
    expected = [films / task / f"qc.{kind}" for task in (MAZE, CUBE) for kind in ("png", "html")]
    found = rollout_files(unfinished, tmp_path, tmp_path)
    assert set(found) == {*expected, films / MAZE / "trajectories.png"}
    (maze,) = film_parts(unfinished, [], tmp_path, tmp_path)
    shown = make_run(two, MAZE, 0, "finetune-qc")
    assert maze.inputs[1:] == (rollout_file(shown, tmp_path),)
