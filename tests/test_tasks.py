"""What the names of tasks and data sets mean."""

import gymnasium
import ogbench  # noqa: F401  (registers the simulators)
import pytest
import robosuite

from fmq.configuration import load_study
from fmq.datasets import RandomData, check_source, simulator_of, suite_of, training_file
from fmq.errors import UserError
from fmq.tasks import Task, TaskSettings, parse_task


def parse(name: str) -> Task:
    return parse_task(name, TaskSettings())


@pytest.fixture(scope="module")
def paper_tasks(request: pytest.FixtureRequest) -> list[Task]:
    root = request.config.rootpath
    study = load_study(root / "config.yaml", root / "config" / "paper.yaml")
    return [study.task(name) for name in study.tasks]


def test_every_task_of_the_paper_has_a_simulator_that_exists(paper_tasks: list[Task]) -> None:
    for task in paper_tasks:
        known = robosuite.ALL_ENVIRONMENTS if task.suite == "robomimic" else gymnasium.registry
        assert task.environment in known
        assert simulator_of(task.dataset) in known
        assert suite_of(task.dataset) == task.suite


def test_episode_limits_of_the_paper_are_the_simulators_own(paper_tasks: list[Task]) -> None:
    for task in paper_tasks:
        if task.suite == "ogbench":
            registered = gymnasium.registry[task.environment].max_episode_steps
            assert task.settings.episode_limit == registered


def test_names_are_taken_apart() -> None:
    task = parse("cube-double-play-singletask-task3-v0")
    assert task.environment == "cube-double-singletask-task3-v0"
    assert training_file(task.dataset) == "cube-double-play-v0.npz"
    can = parse("can-mh-low_dim")
    assert (can.environment, can.dataset) == ("PickPlaceCan", "can-mh-low_dim")
    assert training_file(can.dataset) == "can-mh-low_dim.hdf5"


@pytest.mark.parametrize(
    "name",
    ["can-ph-low_dim", "can-mh-image", "cube-double-play-v0", "../cube", "pointmaze-teleport-v0"],
)
def test_other_names_are_refused_with_examples(name: str) -> None:
    with pytest.raises(UserError, match=r"unknown task .*cube-double-play.*\{lift,can,square\}"):
        parse(name)


@pytest.mark.parametrize("name", ["../x", "foo-mh-low_dim", "cube-double-play", "teleport-v0"])
def test_a_data_set_that_does_not_exist_is_refused(name: str) -> None:
    settings = RandomData(
        source="random", episodes=2, validation_episodes=1, episode_length=5, seed=0
    )
    with pytest.raises(UserError, match="unknown data set"):
        check_source(name, settings)
