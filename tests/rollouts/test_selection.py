"""Which episodes and runs are shown, and what Snakemake is asked for."""

from pathlib import Path

import pytest

from fmq import workflow
from fmq.configuration import study_from_dict
from fmq.errors import UserError
from fmq.rollouts.selection import rollout_settings, shown_episodes, shown_seed
from fmq.rollouts.targets import recorded_files, rollout_files
from fmq.runs import make_run
from fmq.section import overlaid
from fmq.settings import Study

MAZE = "pointmaze-medium-navigate-singletask-task4-v0"
CUBE = "cube-single-play-singletask-task1-v0"


def changed(study: Study, **changes: object) -> Study:
    return study_from_dict(overlaid(study.model_dump(), changes), "test")


def test_the_first_seed_unless_another_is_named(study: Study) -> None:
    study = changed(study, seeds=[3, 5])
    assert shown_seed(study) == 3
    assert shown_seed(changed(study, rollouts={"seed": 5})) == 5
    with pytest.raises(UserError, match=r"rollouts\.seed 4 is none of seeds: \[3, 5\]"):
        changed(study, rollouts={"seed": 4})


@pytest.mark.parametrize("episodes", [[], [1, 1], [-1]])
def test_numbers_of_episodes(study: Study, episodes: list[int]) -> None:
    with pytest.raises(UserError, match=r"rollouts\.episodes"):
        changed(study, rollouts={"episodes": episodes})


def test_the_choice_shapes_the_recording_and_no_run(study: Study) -> None:
    other = changed(study, rollouts={"episodes": [1, 9]})
    assert shown_episodes(other) == [1]
    runs = [make_run(one, MAZE, 0, "finetune-fmq") for one in (study, other)]
    assert runs[0].settings() == runs[1].settings()
    assert rollout_settings(runs[0]) != rollout_settings(runs[1])


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
    assert f"results/rollouts/{MAZE}/trajectories.png" in files
    # Of an unfinished study, those with an evaluation alone.
    monkeypatch.chdir(tmp_path)
    unfinished = changed(two, allow_missing=True)
    assert rollout_files(unfinished) == []
    path = workflow.RESULTS / "runs" / CUBE / "seed0/finetune-qc/last_evaluation.csv"
    path.parent.mkdir(parents=True)
    path.touch()
    assert rollout_files(unfinished) == [f"results/rollouts/{CUBE}/qc.{k}" for k in ("png", "html")]
    assert recorded_files(unfinished, CUBE) == [f"results/runs/{CUBE}/seed0/rollouts-qc.npz"]
