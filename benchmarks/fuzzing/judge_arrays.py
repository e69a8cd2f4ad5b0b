"""Judges of data sets and checkpoints, which describe what is wrong with accepted values."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

ENDS = ("terminals", "timeouts", "terminations", "truncations", "dones")
WIDTHS = {"robot0_eef_pos": 3, "robot0_eef_quat": 4, "robot0_gripper_qpos": 2, "object": 10}


def ogbench(
    path: Path, found: Any, whole: bool, seeds: list[bytes], environment: Any
) -> str | None:
    """Check that arrays are the file's, finite as float32, with rewards of the file or the goal."""
    raw = _arrays(path.read_bytes())
    if whole and not any(_equal_arrays(raw, _arrays(seed)) for seed in seeds):
        return "numbers differ from those that were written"
    if not np.abs(raw["actions"]).max() <= 1.001:
        return "actions outside [-1, 1]"
    if "next_observations" in raw:
        return _per_transition(raw, found)
    terminals = raw["terminals"] != 0
    if not np.isin(raw["terminals"], (0, 1)).all():
        return "terminals outside {0, 1}"
    rows = np.flatnonzero(~terminals)
    if "rewards" in raw:
        rewards, masks = raw["rewards"][rows], raw["masks"][rows]
        if not np.array_equal(rewards == 0, masks == 0) or (rewards > 0).any():
            return "rewards and masks that contradict each other"
    else:
        goal = environment.unwrapped.cur_goal_xy
        with np.errstate(all="ignore"):
            far = np.hypot(*(raw["qpos"][rows] - goal).T) > environment.unwrapped._goal_tol
        rewards, masks = -far.astype(float), far.astype(float)
    expected = {
        "observations": raw["observations"],
        "actions": raw["actions"][rows],
        "rewards": rewards,
        "masks": masks,
    }
    return _transitions(expected, found, rows)


def _per_transition(raw: dict[str, np.ndarray], found: Any) -> str | None:
    """Check the transitions of a file that has a row for each, with rewards of its own."""
    ends = np.any([raw[name] != 0 for name in ENDS if name in raw], axis=0)
    read = {
        "observations": found.observations[found.rows],
        "next_observations": found.observations[found.next_rows],
        "actions": found.actions,
        **({"rewards": found.rewards, "masks": found.masks} if "rewards" in raw else {}),
    }
    for name, array in read.items():
        if not np.array_equal(array, raw[name].astype(np.float32)):
            return f"{name}: not the file's numbers"
    if not np.array_equal(found.terminals, ends) or not ends[-1]:
        return "other episodes than the file's"
    return None


def _arrays(content: bytes) -> dict[str, np.ndarray]:
    known = ("observations", "actions", "qpos", "rewards", "masks", "qvel", *ENDS)
    known += ("next_observations",)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: f"{name}.npy" for name in known if f"{name}.npy" in archive.namelist()}
        return {name: np.load(io.BytesIO(archive.read(one))) for name, one in members.items()}


def _equal_arrays(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """Return whether the arrays of `one` equal those of `other`; it may lack optional ones."""
    return all(name in other and np.array_equal(array, other[name]) for name, array in one.items())


def _transitions(expected: dict[str, np.ndarray], found: Any, rows: np.ndarray) -> str | None:
    for name, array in expected.items():
        read = getattr(found, name)
        with np.errstate(over="ignore"):
            wanted = np.asarray(array, np.float32)
        if read.dtype != np.float32 or not np.array_equal(read, wanted):
            return f"{name}: not the file's numbers"
        if not np.isfinite(read).all():
            return f"{name}: not finite"
    if not np.isin(found.masks, (0, 1)).all():
        return "masks outside {0, 1}"
    if not len(rows) or found.terminals.dtype != bool or not found.terminals[-1]:
        return "no transition, or an episode without an end"
    if not (np.array_equal(found.rows, rows) and np.array_equal(found.next_rows, rows + 1)):
        return "rows that belong to other transitions"
    return None


def robomimic(path: Path, found: Any, whole: bool) -> str | None:
    """Check that demonstrations are this file's own, by number, up to their first success."""
    parts: dict[str, list[np.ndarray]] = {}
    rows: list[int] = []
    with h5py.File(path) as file:
        if json.loads(file["data"].attrs["env_args"])["env_name"] != "Lift":
            return "another task's file"
        for name in sorted(file["data"], key=lambda name: int(name.removeprefix("demo_"))):
            group = file["data"][name]
            if fault := _foreign(file["data"], name) or _foreign_parts(group):
                return f"{name}: {fault}"
            if group.attrs["num_samples"] == 0 and not np.size(group.get("actions", ())):
                continue
            if not np.abs(group["actions"][()]).max() <= 1.001:
                return f"{name}: actions outside [-1, 1]"
            rewards = group["rewards"][()].astype(np.float32)
            if not ((rewards >= 0) & (rewards <= 1)).all():
                return f"{name}: rewards outside [0, 1]"
            steps = int(np.argmax(rewards >= 1)) + 1 if (rewards >= 1).any() else len(rewards)
            if len(rewards) != group.attrs["num_samples"]:
                return f"{name}: not num_samples long"
            first = [group["obs"][key][:steps] for key in WIDTHS]
            last = [group["next_obs"][key][steps - 1 : steps] for key in WIDTHS]
            start = sum(map(len, parts.get("observations", [])))
            rows += range(start, start + steps)
            observations = [np.concatenate(first, 1), np.concatenate(last, 1)]
            parts.setdefault("observations", []).append(np.concatenate(observations))
            parts.setdefault("actions", []).append(group["actions"][:steps])
            parts.setdefault("rewards", []).append(np.float32(rewards[:steps]) - 1)
            parts.setdefault("masks", []).append(np.float32(np.float32(rewards[:steps]) < 1))
    with np.errstate(over="ignore"):
        joined = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    return _transitions(joined, found, np.array(rows))


def _foreign_parts(group: h5py.Group) -> str | None:
    faults = [_foreign(group, name) for name in ("obs", "next_obs", "actions", "rewards")]
    faults += [_foreign(group[part], key) for part in ("obs", "next_obs") for key in WIDTHS]
    return next((fault for fault in faults if fault), None)


def _foreign(parent: h5py.Group, name: str) -> str | None:
    """Describe why a member is not the file's own: a link, or numbers in another file."""
    if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
        return f"{name} is a link"
    one = parent[name]
    outside = isinstance(one, h5py.Dataset) and (one.is_virtual or one.external)
    return f"{name} is kept in another file" if outside else None


def checkpoint(path: Path, found: Any, whole: bool, seeds: list[bytes]) -> str | None:
    """Check for finite weights, and for those of a valid file if only bytes were damaged."""
    states = [{**found.velocity.state_dict(), **found.critic.state_dict()}]
    if not all(torch.isfinite(value).all() for value in states[0].values()):
        return "weights that are not finite"
    normalizer = found.normalizer
    if not (torch.isfinite(normalizer.mean).all() and (normalizer.deviation > 0).all()):
        return "statistics that are not finite or not positive"
    if normalizer.mean.shape != (2,) or normalizer.deviation.shape != (2,):
        return "statistics of another width"
    if not whole:
        return None
    for seed in seeds:
        learner = torch.load(io.BytesIO(seed), weights_only=True)["content"]
        expected = {**learner["actor"], **learner["critic"]}
        if all(torch.equal(value, expected[name]) for name, value in states[0].items()):
            return None
    return "weights differ from those that were written"
