"""Test the parsing of task and data set names."""

from types import ModuleType

import gymnasium
import numpy as np
import ogbench  # noqa: F401  (registers the simulators)
import pytest
from ogbench.utils import DATASET_URL

from fmq.base.errors import UserError
from fmq.config.datasets import (
    FileData,
    OfficialData,
    RandomData,
    check_source,
    simulator_of,
    suite_of,
    training_file,
)
from fmq.config.reading import load_study
from fmq.config.sources import find_source, remote_files
from fmq.config.tasks import Reading, Task, TaskSettings, parse_task
from fmq.envs.ogbench import OGBenchEnvironment

PUBLISHED = {
    "pointmaze": {
        "navigate": "medium large giant teleport",
        "stitch": "medium large giant teleport",
    },
    "antmaze": {
        "navigate": "medium large giant teleport",
        "stitch": "medium large giant teleport",
        "explore": "medium large teleport",
    },
    "humanoidmaze": {"navigate": "medium large giant", "stitch": "medium large giant"},
    "antsoccer": {"navigate": "arena medium", "stitch": "arena medium"},
    "cube": dict.fromkeys(("play", "noisy"), "single double triple quadruple"),
    "scene": {"play": "", "noisy": ""},
    "puzzle": dict.fromkeys(("play", "noisy"), "3x3 4x4 4x5 4x6"),
}
"""Parts of the names of OGBench's state-based data sets, by its paper (arXiv 2410.20092)."""

FAMILIES = {
    f"{robot}-{size}".rstrip("-"): [
        kind for kind, sizes in kinds.items() if size in (sizes.split() or [""])
    ]
    for robot, kinds in PUBLISHED.items()
    for size in sorted({size for sizes in kinds.values() for size in sizes.split() or [""]})
}
"""Kinds of data, by simulator."""

REGISTERED = sorted(name for name in gymnasium.registry if "-singletask-" in name)
ONE_EACH = ["pointmaze-medium", "antmaze-teleport", "humanoidmaze-giant", "antsoccer-arena",
            "cube-octuple", "scene", "puzzle-4x6"]  # fmt: skip


def named(environment: str, kind: str) -> str:
    """Return the task's name for a simulator and a kind of data, as OGBench builds it."""
    family, goal = environment.split("-singletask-")
    return f"{family}-{kind}-singletask-{goal}"


def parse(name: str) -> Task:
    return parse_task(name, TaskSettings())


@pytest.fixture(scope="module")
def paper_tasks(request: pytest.FixtureRequest) -> list[Task]:
    root = request.config.rootpath
    study = load_study(root / "config.yaml", root / "config" / "paper.yaml")
    return [study.task(name) for name in study.tasks]


def test_every_task_of_the_paper_has_a_simulator_that_exists(
    paper_tasks: list[Task], robosuite: ModuleType
) -> None:
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


def test_every_single_task_that_ogbench_registers_passes_or_is_refused_with_a_reason() -> None:
    assert len(REGISTERED) > 200
    for environment in REGISTERED:
        family = environment.partition("-singletask")[0]
        for kind in FAMILIES.get(family, ["navigate" if "maze" in family else "play"]):
            name = named(environment, kind)
            if family.startswith("visual-"):
                with pytest.raises(UserError, match="observations are images") as caught:
                    parse(name)
                assert "\n" not in str(caught.value)
            else:
                task = parse(name)
                assert (task.environment, task.dataset) == (environment, f"{family}-{kind}-v0")
                assert simulator_of(task.dataset) == f"{family}-v0"


def test_every_published_data_set_has_its_address() -> None:
    names = [f"{family}-{kind}-v0" for family, kinds in FAMILIES.items() for kind in kinds]
    assert len(names) == 47
    for name in names:
        check_source(name, OfficialData(source="official"))
        assert find_source(name).host == "ogbench"
        first = [file.addresses[0] for file in remote_files(name)]
        assert first == [f"{DATASET_URL}/{name}.npz", f"{DATASET_URL}/{name}-val.npz"]
    for name in ("humanoidmaze-teleport-navigate-v0", "cube-octuple-play-v0"):
        with pytest.raises(UserError, match="no official source is known"):
            check_source(name, OfficialData(source="official"))


@pytest.mark.parametrize("family", ONE_EACH)
def test_a_simulator_of_each_family_takes_a_step(family: str) -> None:
    kind = "navigate" if "maze" in family or "soccer" in family else "play"
    environment = OGBenchEnvironment(parse(f"{family}-{kind}-singletask-task1-v0"))
    width = environment.reset(0).shape
    observation, reward, *_ = environment.step(np.zeros(environment.action_size))
    assert observation.shape == width
    assert reward < 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("powderworld-easy-play-singletask-task1-v0", "actions are discrete"),
        ("antmaze-large-navigate-oraclerep-singletask-v0", "differs only in its goals"),
        ("cube-double-play-100m-singletask-task1-v0", "published in parts"),
    ],
)
def test_what_ogbench_has_besides_is_refused_with_a_reason(name: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        parse(name)


def test_a_name_of_one_s_own_needs_a_file_and_a_limit() -> None:
    own, settings = Reading(), TaskSettings(episode_limit=7)
    task = parse_task("my-stack", settings, own)
    assert (task.suite, task.environment, task.dataset) == ("robomimic", "", "my-stack")
    assert training_file(task.dataset) == "my-stack.hdf5"
    with pytest.raises(UserError, match=r"unknown task .my-stack.*source: file"):
        parse("my-stack")
    with pytest.raises(UserError, match=r"my-stack\.episode_limit: null"):
        parse_task("my-stack", TaskSettings(), own)
    for name in ("my/stack", ".", "cube-double-play-v0", "cube-five-play-singletask-v0"):
        with pytest.raises(UserError, match="unknown task"):
            parse_task(name, settings, own)


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("my/stack", {}, "cannot be the name"),
        ("scene-play-singletask-v0", {}, "cannot be the name"),
        ("scene-play-v0", {"mask": "train"}, "observations and mask apply to HDF5"),
    ],
)
def test_files_that_cannot_be_of_one_s_own(name: str, changes: dict[str, str], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        check_source(name, FileData(source="file", path="x", **changes))


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
