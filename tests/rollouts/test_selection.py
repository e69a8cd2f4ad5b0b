"""Which episodes and runs are shown, and what Snakemake is asked for."""

from pathlib import Path

import pytest

from fmq.base.errors import UserError
from fmq.config.reading import study_from_dict
from fmq.config.section import overlaid
from fmq.config.study import Study
from fmq.pipeline import rules as workflow
from fmq.pipeline.paths import evaluation_file
from fmq.pipeline.rollout_targets import recorded_files, rollout_files
from fmq.pipeline.rollouts import rollout_file, rollout_folder, shown_episodes, shown_seed
from fmq.pipeline.runs import make_run

MAZE = "pointmaze-medium-navigate-singletask-task4-v0"
CUBE = "cube-single-play-singletask-task1-v0"


def changed(study: Study, **changes: object) -> Study:
    return study_from_dict(overlaid(study.model_dump(), changes), "test")


def test_the_first_seed_unless_another_is_named(study: Study) -> None:
    study = changed(study, seeds=[3, 5])
    assert shown_seed(study) == 3
    assert shown_seed(changed(study, rollouts={"seed": 5})) == 5
    with pytest.raises(UserError, match=r"rollouts\.seed 4 is not in seeds: \[3, 5\]"):
        changed(study, rollouts={"seed": 4})


@pytest.mark.parametrize("episodes", [[], [1, 1], [-1]])
def test_numbers_of_episodes(study: Study, episodes: list[int]) -> None:
    with pytest.raises(UserError, match=r"rollouts\.episodes"):
        changed(study, rollouts={"episodes": episodes})


def test_the_choice_shapes_the_recording_and_no_run(study: Study) -> None:
    other = changed(study, rollouts={"episodes": [1, 9]})
    assert shown_episodes(other) == [1]
    runs = [make_run(one, MAZE, 0, "finetune-fmq") for one in (study, other)]
    assert runs[0].folder == runs[1].folder
    assert rollout_file(runs[0], Path()) != rollout_file(runs[1], Path())


def test_only_mazes_are_seen_from_above(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = {"source": "scripted", "episodes": 2, "validation_episodes": 1}
    scripted |= {"episode_length": 9, "action_noise": 0.1, "seed": 0}
    two = changed(
        study, tasks=[MAZE, CUBE], methods=["fmq", "qc"], datasets={"cube-single-play-v0": scripted}
    )
    files = rollout_files(two)
    assert len(files) == 2 * 2 * 2 + 1
    assert str(rollout_folder(two, MAZE, workflow.RESULTS) / "trajectories.png") in files
    # Of an unfinished study, those with an evaluation alone.
    monkeypatch.chdir(tmp_path)
    unfinished = changed(two, allow_missing=True)
    assert rollout_files(unfinished) == []
    run = make_run(two, CUBE, 0, "finetune-qc")
    path = evaluation_file(run, run.sampler, workflow.RESULTS)
    path.parent.mkdir(parents=True)
    path.touch()
    folder = rollout_folder(unfinished, CUBE, workflow.RESULTS)
    assert rollout_files(unfinished) == [f"{folder}/qc.{kind}" for kind in ("png", "html")]
    assert recorded_files(unfinished, CUBE) == [str(rollout_file(run, workflow.RESULTS))]
