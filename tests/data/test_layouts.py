"""Files with one row per transition, and files of which nobody can tell what their rows are."""

import numpy as np
import pytest
from helpers.refusals import refusal

from fmq.config.tasks import TaskSettings, parse_task
from fmq.data.layouts import one_row_per_state, refuse_other_layouts
from fmq.data.ogbench import read_transitions

TASK = parse_task("pointmaze-medium-navigate-singletask-task1-v0", TaskSettings())
LENGTHS = (5, 1, 4)


def per_state():
    """Three episodes in OGBench's layout: 6, 2 and 5 states."""
    random = np.random.default_rng(0)
    last = np.concatenate([np.arange(length + 1) == length for length in LENGTHS])
    places = random.uniform(0, 20, (len(last), 2)).astype(np.float32)
    actions = random.uniform(-1, 1, (len(last), 2)).astype(np.float32)
    return {"observations": places, "actions": actions, "qpos": places, "terminals": last}


def per_transition(arrays):
    """The same episodes, as OGBench's own loader and D4RL hand them out."""
    rows = np.flatnonzero(~arrays["terminals"])
    regular = {name: array[rows] for name, array in arrays.items()}
    regular["next_observations"] = arrays["observations"][rows + 1]
    return regular | {"terminals": arrays["terminals"][rows + 1]}


def read(tmp_path, arrays):
    np.savez(tmp_path / "data.npz", **arrays)
    return read_transitions(tmp_path / "data.npz", TASK)


def test_both_layouts_are_the_same_transitions(tmp_path):
    expected, found = (read(tmp_path, one) for one in (per_state(), per_transition(per_state())))
    for name, array in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), array, err_msg=name)
    assert len(found.actions) == sum(LENGTHS)


def test_the_success_of_a_last_transition_is_kept(tmp_path):
    """It has no row in OGBench's layout, where the last row starts no transition."""
    arrays = per_transition(per_state())
    solved = np.float32(arrays["terminals"])
    found = read(tmp_path, arrays | {"rewards": solved - 1, "masks": 1 - solved})
    np.testing.assert_array_equal(found.masks, 1 - solved)
    np.testing.assert_array_equal(found.rewards, solved - 1)
    np.testing.assert_array_equal(found.terminals, solved == 1)


@pytest.mark.parametrize("name", ["timeouts", "truncations", "terminations", "dones"])
def test_an_end_may_have_any_name_beside_next_observations(tmp_path, name):
    arrays = per_transition(per_state())
    ends = arrays["terminals"]
    first = np.arange(len(ends)) < 5
    split = arrays | {"terminals": ends & first, name: ends & ~first}
    renamed = {key: array for key, array in arrays.items() if key != "terminals"} | {name: ends}
    for one in (split, renamed):
        np.testing.assert_array_equal(read(tmp_path, one).terminals, ends)
        assert len(read(tmp_path, one).observations) == sum(LENGTHS) + len(LENGTHS)


@pytest.mark.parametrize("shift", [-2, -1, 1, 2])
def test_terminals_elsewhere_than_the_gaps_are_refused(tmp_path, shift):
    arrays = per_transition(per_state())
    arrays["terminals"] = np.roll(arrays["terminals"], shift)
    told = refusal(read, tmp_path, arrays)
    gap = int(np.flatnonzero(per_transition(per_state())["terminals"] & ~arrays["terminals"])[0])
    assert f"row {gap} " in told


@pytest.mark.parametrize("name", ["timeouts", "truncations", "terminations", "dones", "valids"])
def test_flags_of_other_layouts_are_refused_alone(tmp_path, name):
    arrays = per_state()
    assert f"{name!r}" in refusal(read, tmp_path, arrays | {name: np.zeros(len(arrays["qpos"]))})


def test_successes_on_last_states_only_are_of_another_layout(tmp_path):
    """One row per transition without next_observations: every success would be dropped."""
    arrays = per_state()
    solved = np.float32(arrays["terminals"])
    told = refusal(read, tmp_path, arrays | {"rewards": solved - 1, "masks": 1 - solved})
    assert "row 5" in told
    assert "next_observations" in told


def test_an_episode_of_one_state_is_named(tmp_path):
    arrays = per_state()
    arrays["terminals"][6] = True
    assert "row 6 " in refusal(read, tmp_path, arrays)


def test_next_observations_of_another_width(tmp_path):
    arrays = per_transition(per_state())
    told = refusal(read, tmp_path, arrays | {"next_observations": arrays["qpos"][:, :1]})
    assert "'next_observations' has 1 numbers per row, but observations 2" in told


def test_rows_of_messages_are_those_of_the_file(tmp_path):
    arrays = per_transition(per_state())
    refuse_other_layouts(tmp_path, arrays)
    unfolded, origin = one_row_per_state(tmp_path, arrays)
    np.testing.assert_array_equal(unfolded["actions"], arrays["actions"][origin])
    rewards = -np.ones(sum(LENGTHS), np.float32)
    rewards[7] = 0
    masks = np.ones(sum(LENGTHS), np.float32)
    assert "row 7 " in refusal(read, tmp_path, arrays | {"rewards": rewards, "masks": masks})
