"""What well-formed files hold is compared with the simulator: told of, or refused."""

import numpy as np
import pytest
from helpers.refusals import refusal

from fmq.config.datasets import RandomData
from fmq.data.generate import generate_dataset
from fmq.data.layouts import NEXT
from fmq.data.ogbench_agreement import compare_with_simulator

SIZES = {"episodes": 3, "validation_episodes": 1, "episode_length": 40, "seed": 0}
POINT = "pointmaze-medium-navigate-v0"
OTHERS = (
    *("antmaze-medium-navigate-v0", "humanoidmaze-medium-navigate-v0"),
    *("antsoccer-arena-navigate-v0", "cube-double-play-v0", "scene-play-v0", "puzzle-3x3-play-v0"),
)
NAMES = [POINT, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]
TELEPORT = pytest.param("pointmaze-teleport-stitch-v0", marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def arrays_of(tmp_path_factory):
    """The arrays of a generated file, made when first asked for."""
    made = {}

    def arrays(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            generate_dataset(name, RandomData(source="random", **SIZES), folder, processes=1)
            with np.load(folder / f"{name}.npz") as file:
                made[name] = dict(file)
        return {key: array.copy() for key, array in made[name].items()}

    return arrays


@pytest.fixture
def told(tmp_path, capsys):
    """Compare arrays with the simulator; returns what was said."""

    def compare(arrays, name):
        np.savez(tmp_path / "data.npz", **arrays)
        capsys.readouterr()
        compare_with_simulator(tmp_path / "data.npz", name)
        return capsys.readouterr().err

    return compare


@pytest.mark.parametrize("name", [*NAMES, TELEPORT])
def test_data_of_the_simulator_are_taken_without_a_word(arrays_of, told, name):
    arrays = arrays_of(name)
    assert told(arrays, name) == ""
    rows = np.flatnonzero(~arrays["terminals"])
    regular = {key: array[rows] for key, array in arrays.items()}
    regular[NEXT] = arrays["observations"][rows + 1]
    assert told(regular | {"terminals": arrays["terminals"][rows + 1]}, name) == ""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "change",
    [
        lambda actions: actions / 2,
        lambda actions: -actions,
        lambda actions: actions[:, ::-1],
        lambda actions: np.roll(actions, 1, axis=0),
    ],
)
def test_other_actions_are_told_of(arrays_of, told, name, change):
    arrays = arrays_of(name)
    (line,) = told(arrays | {"actions": change(arrays["actions"])}, name).splitlines()
    assert "actions may be" in line


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shift", [-3, -1, 1, 4])
def test_shifted_terminals_are_told_of(arrays_of, told, name, shift):
    arrays = arrays_of(name)
    arrays["terminals"][:-1] = np.roll(arrays["terminals"][:-1], shift)
    line = told(arrays, name).splitlines()[-1]
    assert "an episode may end there" in line
    assert any(f"row {last} " in line for last in (40, 81))


@pytest.mark.parametrize("name", NAMES)
def test_swapped_columns_are_refused(arrays_of, told, name):
    arrays = arrays_of(name)
    arrays["observations"] = np.roll(arrays["observations"], 1, axis=1)
    assert "of observations differs" in refusal(told, arrays, name)


def test_a_state_of_another_row_is_refused(arrays_of, told):
    arrays = arrays_of(POINT)
    arrays["qpos"] = np.roll(arrays["qpos"], 1, axis=0)
    assert "of observations differs" in refusal(told, arrays, POINT)


@pytest.mark.slow
def test_without_velocities_only_positions_are_compared(arrays_of, told):
    name = "antmaze-medium-navigate-v0"
    arrays = arrays_of(name)
    del arrays["qvel"]
    assert "no qvel" in told(arrays, name)
    arrays["observations"][:, :2] = arrays["observations"][:, 1::-1]
    assert "of observations differs" in refusal(told, arrays, name)
