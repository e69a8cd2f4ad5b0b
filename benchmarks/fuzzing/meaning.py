"""Well-formed data sets with wrong content, from a simulator's own by one change.

Such a file must be refused, or told of on standard error, or read as the same transitions. What no
reader could see is not among the changes: actions scaled by less than a fifth; single rows; columns
swapped that hold nearly the same numbers; an episode cut in two, shortened at its start, repeated
or left out; `next_observations` left out without rewards, which drops each episode's last
transition; rewards of demonstrations moved by a row.
"""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import h5py
import numpy as np

from fmq.config.datasets import RandomData
from fmq.config.tasks import Task
from fmq.data.demonstrations import demonstrate, write_demonstrations
from fmq.data.random_actions import wander
from fuzzing.seeds import per_transition

Arrays = dict[str, np.ndarray]
_FLAGS = ("timeouts", "terminations", "truncations", "dones", "valids")


class Told(NamedTuple):
    """What a check returned, and the lines on standard error that warn of something."""

    transitions: Any
    lines: list[str]


def told(check: Callable[[Path], Any], path: Path) -> Told:
    """Run a check and collect its warnings; the line that only counts steps is none."""
    with contextlib.redirect_stderr(io.StringIO()) as stream:
        transitions = check(path)
    lines = stream.getvalue().splitlines()
    signs = ("fmq: ", ": no ", "of the file's own")
    return Told(transitions, [line for line in lines if any(sign in line for sign in signs)])


def judge(path: Path, found: Told, whole: bool, base: Told) -> str | None:
    """Describe transitions that differ from those of the unchanged file without a word."""
    if found.lines:
        return None
    for name, array in vars(base.transitions).items():
        if not np.array_equal(getattr(found.transitions, name), array):
            return f"other {name} without a word"
    return None


def npz_seeds(simulator: Any, task: Task) -> list[bytes]:
    """Return one content in four files: with rewards or without, per state or per transition.

    Args:
        simulator: a point maze, whose first goal is that of `task`.
    """
    records = [wander(simulator, 30, np.random.SeedSequence(seed)) for seed in range(3)]
    arrays = {name: np.concatenate([one[name] for one in records]) for name in records[0]}
    arrays["terminals"] = np.arange(90) % 30 == 29
    import gymnasium

    environment = gymnasium.make(task.environment).unwrapped
    environment.reset(seed=0)
    # A walk that passes the goal, so that there is something to learn from.
    shift = np.float32(environment.cur_goal_xy - arrays["qpos"][12])
    for name in ("qpos", "observations"):
        arrays[name][:30] += shift
    far = np.linalg.norm(arrays["qpos"] - environment.cur_goal_xy, axis=1) > environment._goal_tol
    labels = {"rewards": -np.float32(far), "masks": np.float32(far)}
    contents = [_packed(arrays), _packed(arrays | labels)]
    return contents + [per_transition(content) for content in contents]


def _packed(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def change_npz(random: Random, content: bytes) -> bytes:
    """Make one change of meaning to an npz file."""
    with np.load(io.BytesIO(content)) as archive:
        arrays = dict(archive)
    random.choice(_NPZ_CHANGES)(random, arrays)
    return _packed(arrays)


def _factor(random: Random) -> float:
    """Return a factor that matters: of a unit, a percentage, a sign."""
    return random.choice((-1, 1)) * random.choice((0.01, 0.1, 0.5, 0.75, 1.5, 3.6, 10, 1000))


def _scale(random: Random, arrays: Arrays) -> None:
    name = random.choice([name for name in arrays if arrays[name].ndim == 2 and name != "qvel"])
    arrays[name] = arrays[name] * np.float32(_factor(random))


def _offset(random: Random, arrays: Arrays) -> None:
    name = random.choice([name for name in arrays if arrays[name].ndim == 2 and name != "qvel"])
    arrays[name] = arrays[name] + np.float32(random.choice((-3, -0.3, 0.3, 3)))


def _swap(random: Random, arrays: Arrays) -> None:
    name = random.choice([name for name in arrays if arrays[name].ndim == 2 and name != "qvel"])
    arrays[name] = arrays[name][:, ::-1]


def _exchange(random: Random, arrays: Arrays) -> None:
    names = [name for name in arrays if arrays[name].ndim == 2 and name != "qvel"]
    one, other = random.sample(names, 2)
    arrays[one], arrays[other] = arrays[other], arrays[one]


def _roll(random: Random, arrays: Arrays) -> None:
    name = random.choice([name for name in arrays if name != "qvel"])
    arrays[name] = np.roll(arrays[name], random.choice((-5, -2, -1, 1, 2, 7)), axis=0)


def _reverse(random: Random, arrays: Arrays) -> None:
    """Let time run backwards, with terminals where they were."""
    for name in arrays:
        if name != "terminals":
            arrays[name] = arrays[name][::-1]


def _shuffle(random: Random, arrays: Arrays) -> None:
    order = list(range(len(arrays["terminals"])))
    random.shuffle(order)
    chosen = random.choice((list(arrays), [name for name in arrays if name != "terminals"]))
    for name in chosen:
        arrays[name] = arrays[name][order]


def _shift_terminals(random: Random, arrays: Arrays) -> None:
    shift = random.choice((-6, -3, -2, -1, 1, 2, 4))
    arrays["terminals"] = arrays["terminals"].copy()
    arrays["terminals"][:-1] = np.roll(arrays["terminals"][:-1], shift)


def _drop_terminals(random: Random, arrays: Arrays) -> None:
    ends = np.flatnonzero(arrays["terminals"])[:-1]
    arrays["terminals"] = arrays["terminals"].copy()
    arrays["terminals"][random.sample(list(ends), random.randint(1, len(ends)))] = False


def _rename_terminals(random: Random, arrays: Arrays) -> None:
    """Say in another library's words where episodes end, in place of terminals or beside them."""
    ends = arrays["terminals"]
    arrays[random.choice(_FLAGS)] = ends.copy()
    if random.random() < 0.5:
        del arrays["terminals"]
    elif random.random() < 0.5:
        arrays["terminals"] = np.zeros_like(ends)


def _drop_next(random: Random, arrays: Arrays) -> None:
    """Leave out what says that rows are transitions, where successes show it."""
    if "masks" in arrays and "next_observations" in arrays:
        del arrays["next_observations"]
        arrays["masks"] = np.float32(~arrays["terminals"])
        arrays["rewards"] = arrays["masks"] * -1
    else:
        arrays["valids"] = 1 - arrays["terminals"]


def _rewards(random: Random, arrays: Arrays) -> None:
    if "rewards" not in arrays:
        return _scale(random, arrays)
    rewards = arrays["rewards"]
    changed = (-rewards, rewards + 1, rewards * 10, rewards / 2, rewards - 1, 0 * rewards)
    arrays["rewards"] = random.choice(changed)
    return None


def _masks(random: Random, arrays: Arrays) -> None:
    if "masks" not in arrays:
        return _swap(random, arrays)
    masks = arrays["masks"]
    arrays["masks"] = random.choice((1 - masks, 0 * masks, 0 * masks + 1, masks[::-1]))
    return None


def _of_another_task(random: Random, arrays: Arrays) -> None:
    """Give rewards of another goal, consistent in themselves."""
    far = np.ones(len(arrays["terminals"]), np.float32)
    first = random.randrange(len(far) - 5)
    far[first : first + 5] = 0
    arrays |= {"rewards": -far, "masks": far}


_NPZ_CHANGES = (
    *(_scale, _offset, _swap, _exchange, _roll, _reverse, _shuffle, _shift_terminals),
    *(_drop_terminals, _rename_terminals, _drop_next, _rewards, _masks, _of_another_task),
)


def hdf5_seed(simulator: Any) -> bytes:
    """Return three short demonstrations of Lift, the last of which is said to succeed."""
    sizes = {"episodes": 1, "validation_episodes": 0, "episode_length": 12, "seed": 0}
    settings = RandomData.model_construct(source="random", **sizes)
    made = [demonstrate(simulator, settings, np.random.SeedSequence(seed)) for seed in range(3)]
    made[-1].arrays["rewards"][-1] = 1
    buffer = io.BytesIO()
    write_demonstrations(buffer, "Lift", made, training=3)
    return buffer.getvalue()


def change_hdf5(random: Random, content: bytes) -> bytes:
    """Make one change of meaning to every demonstration of a file."""
    buffer = io.BytesIO(content)
    change = random.choice(_HDF5_CHANGES)
    seed = random.random()
    with h5py.File(buffer, "r+") as file:
        for group in file["data"].values():
            change(Random(seed), group)  # the same change to each
    return buffer.getvalue()


def _set(group: h5py.Group, name: str, array: np.ndarray) -> None:
    del group[name]
    group.create_dataset(name, data=array, track_times=False)


def _part(random: Random) -> tuple[str, ...]:
    """Return which observations to change; both are changed alike most of the time."""
    return random.choice((("obs", "next_obs"), ("obs", "next_obs"), ("obs",), ("next_obs",)))


_KEYS = ("robot0_eef_pos", "robot0_eef_quat", "object")


def _scale_steps(random: Random, group: h5py.Group) -> None:
    if random.random() < 0.5:
        factor = random.choice((-1, -0.5, 0.1, 0.5, 2, 50))
        _set(group, "actions", group["actions"][()] * factor)
        return
    key, factor, parts = (
        random.choice(_KEYS),
        random.choice((-2, 0.1, 0.5, 1.5, 1000)),
        _part(random),
    )
    for part in parts:
        _set(group, f"{part}/{key}", group[f"{part}/{key}"][()] * factor)


def _turn_columns(random: Random, group: h5py.Group) -> None:
    if random.random() < 0.3:
        _set(group, "actions", np.roll(group["actions"][()], 1, axis=1))
        return
    key, parts = random.choice(_KEYS), _part(random)
    for part in parts:
        _set(group, f"{part}/{key}", np.roll(group[f"{part}/{key}"][()], 1, axis=1))


def _turn_rows(random: Random, group: h5py.Group) -> None:
    shift = random.choice((-4, -1, 1, 3))
    key, parts = random.choice(_KEYS), _part(random)
    names = random.choice((["actions"], [f"{part}/{key}" for part in parts], ["states"]))
    for name in names:
        _set(group, name, np.roll(group[name][()], shift, axis=0))


def _rewards_of(random: Random, group: h5py.Group) -> None:
    rewards = group["rewards"][()]
    _set(group, "rewards", random.choice((rewards - 1, -rewards, rewards * 10, rewards / 2)))


def _empty(random: Random, group: h5py.Group) -> None:
    """Say that a demonstration has no or fewer steps than its arrays."""
    group.attrs["num_samples"] = random.choice((0, 5, 11.0, 13))


def _count(random: Random, group: h5py.Group) -> None:
    """Write the number of steps as other tools do, which changes nothing."""
    group.attrs["num_samples"] = random.choice((12.0, np.array([12]), np.uint8(12)))


_HDF5_CHANGES = (_scale_steps, _turn_columns, _turn_rows, _rewards_of, _empty, _count)
