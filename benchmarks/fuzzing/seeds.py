"""Make small valid files of the formats that `fuzz.py` damages."""

import io
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml

from fmq.config.reading import study_from_dict
from fmq.config.study import Study
from fmq.config.tasks import LOW_DIM

ROOT = Path(__file__).parents[2]
TASK = "pointmaze-medium-navigate-singletask-task1-v0"


@cache
def small_study() -> Study:
    """Return the default study with one small task, for all files that belong to a study."""
    values = yaml.safe_load((ROOT / "config.yaml").read_text())
    values |= {"tasks": [TASK], "seeds": [0, 1], "methods": ["fmq", "qc"], "samplers": []}
    values["networks"] |= {"hidden_width": 8}
    values["evaluation"] |= {"episodes": 3, "environments": 1}
    return study_from_dict(values, "fuzz")


def npz_file(episodes: int, rows: int, optional: bool) -> bytes:
    """Return a point-maze data set; with `optional`, uncompressed and with rewards and masks."""
    generator = np.random.default_rng(rows)
    count = episodes * rows
    arrays: dict[str, Any] = {
        "observations": generator.uniform(0, 10, (count, 2)).astype(np.float32),
        "actions": generator.uniform(-1, 1, (count, 2)).astype(np.float32),
        "terminals": np.arange(count) % rows == rows - 1,
        "qpos": generator.uniform(0, 10, (count, 2)),
    }
    if optional:
        success = (generator.random(count) < 0.2).astype(np.float32)
        arrays |= {"qvel": np.zeros((count, 2)), "rewards": success - 1, "masks": 1 - success}
    buffer = io.BytesIO()
    (np.savez if optional else np.savez_compressed)(buffer, **arrays)
    return buffer.getvalue()


def per_transition(content: bytes) -> bytes:
    """Return an npz file of one row per state as one of a row per transition."""
    with np.load(io.BytesIO(content)) as archive:
        arrays = dict(archive)
    rows = np.flatnonzero(arrays["terminals"] == 0)
    regular = {name: array[rows] for name, array in arrays.items()}
    regular["next_observations"] = arrays["observations"][rows + 1]
    regular["terminals"] = arrays["terminals"][rows + 1]
    buffer = io.BytesIO()
    np.savez(buffer, **regular)
    return buffer.getvalue()


def hdf5_file(lengths: tuple[int, ...], libver: str) -> bytes:
    """Return demonstrations of Lift, every second one solved, in HDF5's layout `libver`."""
    generator = np.random.default_rng(len(lengths))
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=libver) as file:
        data = file.create_group("data")
        for number, steps in enumerate(lengths):
            group = data.create_group(f"demo_{number}")
            rewards = np.zeros(steps)
            rewards[-1] = number % 2
            arrays = {"actions": generator.uniform(-1, 1, (steps, 7)), "rewards": rewards}
            arrays |= {"dones": rewards.astype(int), "states": generator.normal(size=(steps, 32))}
            for key, width in zip(LOW_DIM, (3, 4, 2, 10), strict=True):
                states = generator.normal(size=(steps + 1, width))
                arrays |= {f"obs/{key}": states[:-1], f"next_obs/{key}": states[1:]}
            for name, array in arrays.items():
                group.create_dataset(name, data=array, track_times=False)
            group.attrs["num_samples"] = steps
            group.attrs["model_file"] = "<mujoco/>"
        data.attrs["total"] = sum(lengths)
        arguments = {"env_name": "Lift", "env_version": "1.5.2", "type": 1, "env_kwargs": {}}
        data.attrs["env_args"] = json.dumps(arguments, indent=4)
        file.create_dataset("mask/train", data=np.array(["demo_0"], "S"), track_times=False)
    return buffer.getvalue()


def csv_file(columns: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> bytes:
    """Return a table of plain cells."""
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    return ("\n".join(lines) + "\n").encode()
