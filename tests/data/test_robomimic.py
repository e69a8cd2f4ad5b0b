import json
import shutil
from contextlib import suppress

import h5py
import numpy as np
import pytest
from helpers.demonstrations import random, scripted, write_episodes
from helpers.refusals import refusal

from fmq.base.errors import UserError
from fmq.config.tasks import LOW_DIM, TaskSettings, parse_task
from fmq.data.agreement import check_against_simulator
from fmq.data.demonstrations import make_env_args
from fmq.data.loading import load_transitions
from fmq.data.robomimic import check_file, empty_demonstrations, read_transitions
from fmq.envs.robosuite import make_simulator, quaternions

pytestmark = pytest.mark.usefixtures("robosuite")


def task(name="lift", **settings):
    return parse_task(f"{name}-mh-low_dim", TaskSettings(**settings))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Lift: a solved episode, an unsolved one, a solved one. Can and square: an unsolved one."""
    folder = tmp_path_factory.mktemp("robomimic")
    for name, kinds in (
        ("lift", [scripted(), random(12), scripted()]),
        ("can", [random(12)]),
        ("square", [random(12)]),
    ):
        path = folder / f"{name}-mh-low_dim.hdf5"
        write_episodes(path, task(name).environment, kinds, training=2)
    return folder


@pytest.fixture
def lift(folder):
    return folder / "lift-mh-low_dim.hdf5"


@pytest.fixture
def change(folder, tmp_path):
    """A copy of a file of `folder`, changed by a function of the open file."""

    def copy(edit, name="lift"):
        path = tmp_path / f"{name}-mh-low_dim.hdf5"
        shutil.copy(folder / path.name, path)
        with h5py.File(path, "r+") as file:
            edit(file)
        return path

    return copy


def refused(path, function=read_transitions, name="lift"):
    """The line that a person sees."""
    message = refusal(function, path, task(name))
    assert message.startswith(str(path))
    return message


def put(name, array):
    """An edit of the second demonstration: another array, a group for None."""

    def edit(file):
        group = file["data/demo_1"]
        del group[name]
        if array is None:
            group.create_group(name)
        else:
            group[name] = array

    return edit


def put_row(name, row, value):
    return lambda file: file[f"data/demo_1/{name}"].__setitem__(row, value)


def observations(file, demonstration, part="obs"):
    return np.concatenate(
        [file[f"data/{demonstration}/{part}/{key}"][()] for key in LOW_DIM], axis=1
    )


def test_every_demonstration_is_read_in_order(lift):
    read = read_transitions(lift, task())
    with h5py.File(lift) as file:
        steps = [file[f"data/demo_{number}"].attrs["num_samples"] for number in range(3)]
        ends = np.cumsum(steps)
        for number, end in enumerate(ends):
            mine = slice(end - steps[number], end)
            expected = observations(file, f"demo_{number}")
            np.testing.assert_array_equal(read.observations[read.rows[mine]], np.float32(expected))
            following = observations(file, f"demo_{number}", "next_obs")
            np.testing.assert_array_equal(
                read.observations[read.next_rows[mine]], np.float32(following)
            )
            actions = file[f"data/demo_{number}/actions"][()]
            np.testing.assert_array_equal(read.actions[mine], np.float32(actions))
    np.testing.assert_array_equal(np.flatnonzero(read.terminals), ends - 1)
    assert read.observations.shape == (ends[-1] + 3, 19)
    for name in ("observations", "actions", "rewards", "masks"):
        assert getattr(read, name).dtype == np.float32
    assert read.rows.dtype == read.next_rows.dtype == np.int64
    assert read.terminals.dtype == bool


def test_whole_demonstrations_end_where_their_dones_are(change):
    """As in mh files, a success may be followed by more steps, and the last step is done."""
    dones, rewards = np.zeros(12, int), np.zeros(12)
    dones[[4, 5, 11]], rewards[[4, 5]] = 1, 1

    def edit(file):
        put("dones", dones)(file)
        put("rewards", rewards)(file)

    path = change(edit)
    cut, whole = (
        read_transitions(path, task(demonstrations=kind)) for kind in ("first_success", "whole")
    )
    with h5py.File(path) as file:
        first, total = (len(file[f"data/demo_{number}/actions"]) for number in (0, 1))
    rows = slice(first, first + total)
    assert len(whole.actions) == len(cut.actions) + 7
    np.testing.assert_array_equal(whole.masks[rows], 1 - dones)
    np.testing.assert_array_equal(whole.terminals[rows], dones == 1)
    np.testing.assert_array_equal(whole.rewards[rows], rewards - 1)
    np.testing.assert_array_equal(whole.next_rows, whole.rows + 1)
    assert whole.rows[rows][0] == first + 1  # each demonstration has one state more than actions
    for part in ("observations", "actions", "rewards", "masks"):
        assert getattr(whole, part).dtype == np.float32


@pytest.mark.parametrize("dones", [np.full(12, 0.5), np.zeros(11), None])
def test_whole_demonstrations_need_dones(change, dones):
    path = change(put("dones", dones))
    read_transitions(path, task())
    message = refusal(read_transitions, path, task(demonstrations="whole"))
    assert message.startswith(str(path))
    assert "demo_1" in message
    assert "dones" in message


def test_rewards_and_masks_of_solved_and_unsolved_demonstrations(lift):
    read = read_transitions(lift, task())
    first, second, third = np.flatnonzero(read.terminals)
    np.testing.assert_array_equal(np.flatnonzero(read.rewards == 0), [first, third])
    np.testing.assert_array_equal(np.flatnonzero(read.masks == 0), [first, third])
    assert set(read.rewards) == {-1, 0}
    assert set(read.masks) == {0, 1}
    assert second == first + 12


@pytest.mark.parametrize("name", ["can", "square"])
def test_other_tasks_are_read(folder, name):
    read = load_transitions(folder, task(name))
    assert read.observations.shape == (13, 23)
    assert read.actions.shape == (12, 7)
    assert read.masks.all()
    np.testing.assert_array_equal(np.flatnonzero(read.terminals), [11])


def test_demonstrations_are_cut_at_their_first_success(change):
    def succeed(file):
        file["data/demo_1/rewards"][...] = [0] * 4 + [1, 0, 1] + [0] * 5

    path = change(succeed)
    read = read_transitions(path, task())
    first, second, _ = np.flatnonzero(read.terminals)
    assert second == first + 5
    assert (read.rewards[second], read.masks[second]) == (0, 0)
    with h5py.File(path) as file:
        expected = observations(file, "demo_1", "next_obs")[4]
        following = observations(file, "demo_2")[0]
    np.testing.assert_array_equal(read.observations[read.next_rows[second]], np.float32(expected))
    row = read.rows[second + 1]
    np.testing.assert_array_equal(read.observations[row], np.float32(following))


def test_demonstrations_are_ordered_by_number(change):
    def rename(file):
        file.move("data/demo_0", "data/demo_10")

    path = change(rename)
    read = read_transitions(path, task())
    with h5py.File(path) as file:
        first, last = observations(file, "demo_1")[0], observations(file, "demo_10")[0]
    np.testing.assert_array_equal(read.observations[0], np.float32(first))
    start = read.rows[np.flatnonzero(read.terminals)[1] + 1]
    np.testing.assert_array_equal(read.observations[start], np.float32(last))


def test_sparse_rewards_count_only_success(change):
    def shape(file):
        file["data/demo_1/rewards"][3] = 0.4

    path = change(shape)
    assert np.float32(-0.6) in read_transitions(path, task()).rewards
    sparse = read_transitions(path, task(sparse_reward=True))
    assert set(sparse.rewards) == {-1, 0}
    assert (sparse.rewards == 0).sum() == 2


def emptied(*names, without=()):
    """An edit that leaves demonstrations as an aborted recording does, some arrays missing."""

    def edit(file):
        for name in names:
            group = file[f"data/{name}"]
            group.attrs["num_samples"] = 0
            for array in ("actions", "rewards"):
                shape = group[array].shape[1:]
                del group[array]
                if array not in without:
                    group[array] = np.zeros((0, *shape))

    return edit


@pytest.mark.parametrize("name", ["demo_0", "demo_1"])
@pytest.mark.parametrize("without", [(), ("actions", "rewards")])
def test_demonstrations_without_steps_are_passed_over(change, lift, name, without):
    def drop(file):
        del file[f"data/{name}"]

    expected = read_transitions(change(drop), task())
    path = change(emptied(name, without=without))
    for key, array in vars(read_transitions(path, task())).items():
        np.testing.assert_array_equal(array, getattr(expected, key), err_msg=key)
    assert empty_demonstrations(path, task()) == [name]
    assert empty_demonstrations(lift, task()) == []
    if name == "demo_0" and not without:
        check_against_simulator(path, task())


def test_a_file_without_any_step(change):
    path = change(emptied("demo_0", "demo_1", "demo_2"))
    assert "none of the 3 demonstrations has a step" in refused(path)


@pytest.mark.parametrize("steps", [12.0, np.float32(12), [12], np.array([[12.0]]), np.uint8(12)])
def test_steps_may_be_counted_in_other_types(change, lift, steps):
    expected = read_transitions(lift, task())
    for key, array in vars(read_transitions(change(count(steps)), task())).items():
        np.testing.assert_array_equal(array, getattr(expected, key), err_msg=key)


def test_a_success_that_does_not_end_the_task(change):
    """Masks of whole demonstrations are from dones, so the two must agree."""
    rewards = np.zeros(12)
    rewards[5] = 1
    path = change(put("rewards", rewards))
    read_transitions(path, task())
    told = refusal(read_transitions, path, task(demonstrations="whole"))
    assert "/data/demo_1/rewards has a success in row 5" in told


def test_check_file_counts_demonstrations(lift, tmp_path):
    part = tmp_path / "low_dim_v15.hdf5.part"
    shutil.copy(lift, part)
    check_file(part, task(), 3)
    check_file(part, task())
    with pytest.raises(UserError, match="has 3 demonstrations, but lift-mh-low_dim has 300"):
        check_file(part, task(), 300)
    with pytest.raises(UserError, match="made in robosuite's 'Lift'"):
        check_file(part, task("can"))


@pytest.mark.parametrize("size", [0, 4, 100, 3000, 0.5, 0.999])
def test_a_cut_off_file(lift, tmp_path, size):
    content = lift.read_bytes()
    path = tmp_path / lift.name
    path.write_bytes(content[: int(size * len(content)) if size < 1 else size])
    assert "damaged, cut off" in refused(path)
    with pytest.raises(UserError, match="damaged, cut off"):
        check_file(path, task(), 3)


def test_files_that_are_not_there_or_of_another_kind(tmp_path):
    assert "No such file" in refused(tmp_path / "missing.hdf5")
    assert "cannot be read" in refused(tmp_path)
    (tmp_path / "text").write_text("a,b\n1,2\n" * 1000)
    assert "not an HDF5 file" in refused(tmp_path / "text")


@pytest.mark.parametrize("seed", range(8))
def test_damaged_bytes_never_end_in_a_traceback(lift, tmp_path, seed):
    content = bytearray(lift.read_bytes())
    generator = np.random.default_rng(seed)
    for place in generator.integers(len(content), size=200):
        content[place] ^= int(generator.integers(1, 256))
    path = tmp_path / lift.name
    path.write_bytes(content)
    with suppress(UserError):
        read_transitions(path, task())


def count(steps):
    return lambda file: file["data/demo_1"].attrs.__setitem__("num_samples", steps)


def announce(file):
    """Of the first demonstration, rows that are never written."""
    group = file["data/demo_0"]
    group.attrs["num_samples"] = 10**8
    del group["actions"]
    group.create_dataset("actions", (10**8, 7), "f8", chunks=True)


PARTS = ("actions", "rewards", "obs", "next_obs", "obs/object", "next_obs/robot0_eef_quat")
NUMBERS = ("actions", "rewards", "obs/object", "next_obs/robot0_eef_pos")
WRONG_SHAPES = {
    "actions": [(12, 6), (11, 7), (12,)],
    "rewards": [(13,), (12, 1)],
    "obs/object": [(12, 14)],
    "next_obs/object": [(11, 10)],
    "obs/robot0_eef_pos": [(12, 2)],
    "obs/robot0_eef_quat": [()],
}


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        *(
            (lambda file, name=name: file.__delitem__(name), f"/{name} is missing")
            for name in ("data", *(f"data/demo_1/{part}" for part in PARTS))
        ),
        (put("obs", np.zeros(3)), "/data/demo_1/obs is not a group"),
        (put("actions", None), "/data/demo_1/actions is not an array"),
        (put("rewards", np.array([b"0"] * 12)), "not an array of numbers"),
        *(
            (put(name, np.zeros(shape)), f"/data/demo_1/{name} has shape {shape}")
            for name, shapes in WRONG_SHAPES.items()
            for shape in shapes
        ),
        *(
            (put_row(name, 7, value), f"/{name} has a value that is not finite in row 7")
            for name in NUMBERS
            for value in (np.nan, np.inf, 1e300)
        ),
        (put_row("rewards", 3, 2.25), "/data/demo_1/rewards has 2.25 in row 3, allowed is 0 to 1"),
        *(
            (count(steps), "num_samples")
            for steps in (11, 0, -1, "twelve", 11.5, np.nan, [12, 12], True)
        ),
        *(
            (put_row("actions", 7, value), "/actions has")
            for value in (3.75, [0, 0, -1.01, 0, 0, 0, 0])
        ),
        (lambda file: file["data/demo_1"].attrs.__delitem__("num_samples"), "num_samples"),
        *((edit, "over 100 times its size") for edit in (count(10**8), announce)),
        (lambda file: file["data"].clear(), "/data has no demonstration"),
        (lambda file: file.move("data/demo_1", "data/best"), "/data/best is not a demonstration"),
    ],
)
def test_other_content_is_refused(change, edit, reason):
    assert reason in refused(change(edit))


@pytest.mark.parametrize("name", ["data/demo_1/obs/object", "data/demo_1/obs", "data/demo_1"])
@pytest.mark.parametrize("soft", [False, True])
def test_links_are_refused_and_never_followed(change, lift, name, soft):
    def link(file):
        del file[name]
        outside = h5py.ExternalLink(str(lift), f"/{name}")
        if soft:
            file["outside"] = h5py.ExternalLink(str(lift), "/")
            outside = h5py.SoftLink(f"/outside/{name}")
        file[name] = outside

    assert f"/{name} is a link" in refused(change(link))


def test_data_kept_in_other_files_are_refused(change, lift, tmp_path):
    def virtual(file):
        layout = h5py.VirtualLayout((12,), "f8")
        layout[:] = h5py.VirtualSource(str(lift), "data/demo_1/rewards", (12,))
        del file["data/demo_1/rewards"]
        file.create_virtual_dataset("data/demo_1/rewards", layout)

    assert "/data/demo_1/rewards keeps its numbers in another file" in refused(change(virtual))
    (tmp_path / "raw").write_bytes(bytes(12 * 8))

    def external(file):
        del file["data/demo_1/rewards"]
        where = [(str(tmp_path / "raw"), 0, 96)]
        file.create_dataset("data/demo_1/rewards", (12,), "f8", external=where)

    assert "/data/demo_1/rewards keeps its numbers in another file" in refused(change(external))


def test_other_tasks_and_older_versions_are_refused(folder, change):
    path = folder / "can-mh-low_dim.hdf5"
    assert "made in robosuite's 'PickPlaceCan', but the task needs 'Lift'" in refused(path)

    def age(file):
        env_args = make_env_args("Lift") | {"env_version": "1.4.1"}
        file["data"].attrs["env_args"] = json.dumps(env_args)

    path = change(age)
    for function in (read_transitions, check_against_simulator):
        assert "made with robosuite 1.4.1" in refused(path, function)
    with pytest.raises(UserError, match=r"v1\.5 file"):
        check_file(path, task())


@pytest.mark.parametrize("name", ["lift", "can", "square"])
def test_stored_observations_agree_with_the_simulator(folder, name, capsys):
    check_against_simulator(folder / f"{name}-mh-low_dim.hdf5", task(name))
    assert capsys.readouterr().err == ""


def test_the_order_of_robosuite_1_4_is_refused(change):
    """The only thing that shows it, if the file's version is wrong as well."""

    def permute(file):
        for part in ("obs", "next_obs"):
            dataset = file[f"data/demo_0/{part}/object"]
            dataset[...] = np.roll(dataset[()], 7, axis=1)

    path = change(permute, "can")
    read_transitions(path, task("can"))
    message = refused(path, check_against_simulator, "can")
    assert "/data/demo_0/obs/object differs from the simulator by" in message
    assert "1.4.1" in message


def test_a_quaternion_and_its_opposite_are_the_same(change):
    def turn(file):
        file["data/demo_0/obs/robot0_eef_quat"][...] *= -1
        file["data/demo_0/obs/object"][2::2, 3:7] *= -1
        file["data/demo_0/obs/object"][:, 10:] *= -1

    check_against_simulator(change(turn, "can"), task("can"))


@pytest.mark.parametrize(("key", "place"), [("robot0_eef_pos", 2), ("robot0_gripper_qpos", 0)])
def test_a_single_wrong_number_is_named(change, key, place):
    def shift(file):
        file[f"data/demo_0/obs/{key}"][4, place] += 0.05
        file[f"data/demo_0/next_obs/{key}"][3, place] += 0.05

    message = refused(change(shift), check_against_simulator)
    assert f"/obs/{key} differs from the simulator by 0.0" in message
    assert f"in row 4, number {place};" in message


@pytest.mark.parametrize("number", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_later_demonstrations_are_compared_as_well(change, number):
    def swap(file):
        for part in ("obs", "next_obs"):
            dataset = file[f"data/demo_{number}/{part}/robot0_eef_pos"]
            dataset[...] = dataset[()][:, ::-1]

    told = refused(change(swap), check_against_simulator)
    assert f"/data/demo_{number}/obs/robot0_eef_pos differs from the simulator by" in told


@pytest.mark.parametrize("part", ["obs", "next_obs"])
@pytest.mark.parametrize("shift", [-1, 1])
def test_steps_out_of_order_are_refused(change, part, shift):
    """Whatever part is shifted, the next observation is no longer the one of the next row."""

    def roll(file):
        dataset = file[f"data/demo_2/{part}/robot0_eef_pos"]
        dataset[...] = np.roll(dataset[()], shift, axis=0)

    told = refused(change(roll))
    assert "/data/demo_2/next_obs/robot0_eef_pos in row " in told
    assert "rows are missing or not in order" in told


def each_actions(function):
    def edit(file):
        for demonstration in file["data"].values():
            demonstration["actions"][...] = function(demonstration["actions"][()])

    return edit


@pytest.mark.parametrize(
    "function",
    [
        lambda actions: actions / 2,
        pytest.param(lambda actions: -actions, marks=pytest.mark.slow),
        pytest.param(lambda actions: np.roll(actions, 1, axis=1), marks=pytest.mark.slow),
        pytest.param(lambda actions: np.roll(actions, 3, axis=0), marks=pytest.mark.slow),
    ],
)
def test_actions_that_do_something_else_are_told_of(change, capsys, function):
    check_against_simulator(change(each_actions(function)), task())
    (line,) = capsys.readouterr().err.splitlines()
    assert "actions may be" in line


@pytest.mark.parametrize(
    "function",
    [
        lambda rewards: np.roll(rewards, -1),
        pytest.param(lambda rewards: 0 * rewards, marks=pytest.mark.slow),
        pytest.param(lambda rewards: 0 * rewards + 1, marks=pytest.mark.slow),
    ],
)
def test_rewards_that_the_simulator_does_not_give_are_told_of(change, capsys, function):
    def edit(file):
        for demonstration in file["data"].values():
            demonstration["rewards"][...] = function(demonstration["rewards"][()])

    check_against_simulator(change(edit), task())
    (line,) = capsys.readouterr().err.splitlines()
    assert "/data/demo_0/rewards has" in line


@pytest.mark.parametrize("part", ["states", "model_file"])
def test_states_that_do_not_fit_the_model(change, part):
    def spoil(file):
        group = file["data/demo_0"]
        if part == "states":
            del group["states"]
            group["states"] = np.zeros((group.attrs["num_samples"], 5))
        else:
            group.attrs["model_file"] = "<mujoco>"

    told = refused(change(spoil), check_against_simulator)
    assert "cannot be put into the stored states" in told


@pytest.mark.parametrize("name", ["lift", "can", "square"])
def test_quaternions_are_where_they_are_said_to_be(folder, name):
    read = load_transitions(folder, task(name))
    simulator = make_simulator(make_env_args(task(name).environment))
    places = quaternions(simulator, LOW_DIM)
    assert len(places) == (2 if name == "lift" else 3)
    for place in places:
        lengths = np.linalg.norm(read.observations[:, place], axis=1)
        np.testing.assert_allclose(lengths, 1, atol=1e-5)
