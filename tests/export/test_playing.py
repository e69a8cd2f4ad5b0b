"""Episodes of exported policies."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.policies import small_policy
from PIL import Image
from typer.testing import CliRunner

from fmq.base.errors import UserError
from fmq.cli import app
from fmq.config.tasks import Task
from fmq.data.manifest import write_manifest
from fmq.envs.rollout import Episode
from fmq.export import playing
from fmq.export.playing import play, summary


def test_episodes_repeat_and_end_at_the_limit(exported: Path) -> None:
    nowhere = Path("nowhere")
    first = list(play(exported, "qgbs", 3, 7, nowhere))
    assert len(first) == 3
    assert all(episode.success or episode.length == 23 for episode in first)
    assert list(play(exported, "qgbs", 2, 7, nowhere)) == first[:2]


def test_the_command_prints_episodes_and_their_mean(exported: Path) -> None:
    told = CliRunner().invoke(app, ["play", str(exported), "--episodes", "2"]).stdout.splitlines()
    assert len(told) == 3
    assert told[0].startswith("1: ")
    assert told[2].startswith("mean of 2: success ")


@pytest.mark.slow
def test_a_film_shows_all_episodes(tmp_path: Path, graphics: str) -> None:
    small_policy(tmp_path / "policy", limit=4)
    command = [Path(sys.executable).with_name("fmq"), "play", "policy", "--episodes", "6"]
    subprocess.run([*command, "--film", "films/six.gif"], cwd=tmp_path, check=True)
    with Image.open(tmp_path / "films" / "six.gif") as film:
        assert film.n_frames == 5  # before and after 4 steps
        assert film.size == (3 * 240 + 2 * 4, 18 + 2 * (18 + 240))  # in two rows


def test_films_that_cannot_be_made_are_refused_beforehand(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"film\.mp4: films are GIFs"):
        next(play(exported, None, 1, 0, tmp_path, tmp_path / "film.mp4"))
    monkeypatch.setenv("MUJOCO_GL", "disabled")
    with pytest.raises(UserError, match=r"film\.gif: no film: .*MUJOCO_GL=disabled: .*osmesa"):
        next(play(exported, None, 1, 0, tmp_path, tmp_path / "film.gif"))


def test_the_mean() -> None:
    episodes = [Episode(True, -10.0, 11), Episode(False, -30.0, 30)]
    assert summary(episodes) == "mean of 2: success 50.0%, return -20.0, length 20.5"


def test_another_task_s_simulator(copied: Path, change_card: Callable[..., None]) -> None:
    change_card(copied, task="cube-single-play-singletask-task1-v0")
    with pytest.raises(UserError, match=r"observations of 2 and actions of 2.*has 28 and 5"):
        next(play(copied, None, 1, 0, Path("nowhere")))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"task": "cartpole"}, "card.json: .*unknown task 'cartpole'"),
        ({"task_settings": {"chunk_length": 5, "discount": 2}}, r"card.json: task_settings: disc"),
    ],
)
def test_a_task_that_does_not_exist(
    copied: Path, change_card: Callable[..., None], changes: dict[str, Any], match: str
) -> None:
    change_card(copied, **changes)
    with pytest.raises(UserError, match=match):
        next(play(copied, None, 1, 0, Path("nowhere")))


def test_robomimic_wants_its_data_file(copied: Path, change_card: Callable[..., None]) -> None:
    change_card(copied, task="can-mh-low_dim")
    with pytest.raises(UserError, match=r"no can-mh-low_dim\.hdf5 .*--results$"):
        next(play(copied, None, 1, 0, Path("nowhere")))


@pytest.mark.parametrize(("learned_from", "expected"), [("a", "a"), ("b", "b"), ("c", "a")])
def test_robomimic_s_simulator_is_made_by_the_data_that_was_learned_from(
    copied: Path,
    change_card: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    learned_from: str,
    expected: str,
) -> None:
    """By any data set of that name, if its own is not here."""
    name, file = "can-mh-low_dim", "can-mh-low_dim.hdf5"
    for kind in ("a", "b"):
        entry = {"bytes": 1, "sha256": 64 * kind, "from": "here"}
        manifest = {"name": name, "source": "random", "settings": {}, "files": {file: entry}}
        write_manifest(tmp_path / "datasets" / f"{name}-{kind}", manifest)
    files = {"source": "random", "files": {file: 64 * learned_from}}
    change_card(copied, task=name, dataset=files)

    def tell(task: Task, data: Path) -> None:
        raise UserError(f"{task.name} by {data.name}")

    monkeypatch.setattr(playing, "make_environment", tell)
    with pytest.raises(UserError, match=f"{name} by {name}-{expected}"):
        next(play(copied, None, 1, 0, tmp_path))
