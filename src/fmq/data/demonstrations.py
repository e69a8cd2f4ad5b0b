"""Record episodes of RoboMimic tasks and write them in the format of its data sets."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fmq.config.datasets import GeneratedData, ScriptedData
from fmq.data.random_actions import random_script
from fmq.data.tabletop_expert import Script, noisy_script
from fmq.envs.robosuite import (
    ROBOSUITE_TYPE,
    Observation,
    import_robosuite,
    kept_env_kwargs,
    named_observation,
    reset_simulator,
)


@dataclass(frozen=True)
class Demonstration:
    """One episode of n steps.

    Attributes:
        arrays: arrays by their names in the file: ``actions`` (n, A), ``rewards`` (n,) in
            {0, 1}, ``dones`` (n,), 1 where the reward is 1, ``states`` (n, S), the simulator's
            states before each action, and ``obs/KEY``, ``next_obs/KEY`` (n, width).
        model_file: the simulator's model as XML; objects differ between episodes.
    """

    arrays: dict[str, np.ndarray]
    model_file: str

    @property
    def steps(self) -> int:
        """Return the number of actions."""
        return len(self.arrays["actions"])

    @property
    def success(self) -> bool:
        """Return whether the last action solved the task and so ended the episode."""
        return bool(self.arrays["dones"][-1])


def make_env_args(environment: str) -> dict[str, Any]:
    """Return the simulator settings for a data file, as `fmq/envs/env_args.json` keeps them.

    Args:
        environment: the robosuite environment name.
    """
    return {
        "env_name": environment,
        "env_version": import_robosuite().__version__,
        "type": ROBOSUITE_TYPE,
        "env_kwargs": kept_env_kwargs(),
    }


def write_env_args(path: Path, environment: str) -> None:
    """Write a data file without demonstrations, from which simulators can be made.

    Args:
        path: the HDF5 file to write.
        environment: the robosuite environment name.
    """
    with h5py.File(path, "w", libver="v110") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps(make_env_args(environment), indent=4)


def demonstrate(
    simulator: Any, settings: GeneratedData, seed: np.random.SeedSequence
) -> Demonstration:
    """Record one episode, up to its first success or `settings.episode_length` actions.

    Scripted episodes are of mixed quality, like RoboMimic's "mh" (multi-human) sets: each episode
    draws the standard deviation of its noise uniformly from [0, 2 * action_noise].

    Args:
        simulator: from `fmq.envs.robosuite.make_simulator`.
        settings: scripted or random actions, their noise and the episode length.
        seed: the same seed gives the same episode, whatever the simulator ran before.
    """
    start, actions = (int(word) for word in seed.generate_state(2, np.uint64))
    generator = np.random.default_rng(actions)
    observation = reset_simulator(simulator, start)
    model_file = _portable_model(simulator)
    if isinstance(settings, ScriptedData):
        noise = generator.uniform(0, 2 * settings.action_noise)
        script = noisy_script(simulator, observation, noise, generator)
    else:
        script = random_script(simulator.action_dim, generator)
    return Demonstration(
        _record(simulator, observation, script, settings.episode_length), model_file
    )


def _portable_model(simulator: Any) -> str:
    """Return the model as XML with paths relative to the robosuite package.

    On loading, robosuite looks for its own name in a path and inserts its install location.
    """
    package = Path(import_robosuite().__file__).parent
    return simulator.sim.model.get_xml().replace(f"{package}/", f"{package.name}/")


def _record(
    simulator: Any, observation: Observation, script: Script, limit: int
) -> dict[str, np.ndarray]:
    """Follow the script from the current state and return `Demonstration.arrays`."""
    record: dict[str, list[Any]] = {}
    action = next(script)
    for _ in range(limit):
        # Rounded to float32, as a policy's action would be, so the file is reproducible bit by bit.
        action = action.astype(np.float32).astype(np.float64)
        state = simulator.sim.get_state().flatten()
        raw, reward, _, _ = simulator.step(action)
        following = named_observation(raw)
        row = {"actions": action, "rewards": float(reward), "dones": int(reward >= 1)}
        row |= {"states": state}
        row |= {f"obs/{key}": value for key, value in observation.items()}
        row |= {f"next_obs/{key}": value for key, value in following.items()}
        for name, value in row.items():
            record.setdefault(name, []).append(value)
        if row["dones"]:
            break
        observation = following
        action = script.send(observation)
    return {name: np.stack(values) for name, values in record.items()}


def write_demonstrations(
    path: Path,
    environment: str,
    demonstrations: Iterable[Demonstration],
    training: int,
) -> dict[str, int]:
    """Write a data file in RoboMimic's layout; equal demonstrations give identical bytes.

    Args:
        path: the HDF5 file to write.
        environment: the robosuite environment name.
        demonstrations: written as ``data/demo_0``, ``data/demo_1`` and so on, in this order.
        training: the first `training` are listed in ``mask/train``, the others in ``mask/valid``.

    Returns:
        Counts: ``rows`` (total steps), ``demonstrations`` and ``successes``.
    """
    names: list[str] = []
    rows = successes = 0
    with h5py.File(path, "w", libver="v110") as file:
        data = file.create_group("data")
        for demonstration in demonstrations:
            names.append(f"demo_{len(names)}")
            _write_demonstration(data.create_group(names[-1]), demonstration)
            rows += demonstration.steps
            successes += demonstration.success
        data.attrs["total"] = rows
        data.attrs["env_args"] = json.dumps(make_env_args(environment), indent=4)
        for split, members in (("train", names[:training]), ("valid", names[training:])):
            _write_array(file, f"mask/{split}", np.array(members, dtype="S"))
    return {"rows": rows, "demonstrations": len(names), "successes": successes}


def _write_demonstration(group: h5py.Group, demonstration: Demonstration) -> None:
    for name, array in demonstration.arrays.items():
        _write_array(group, name, array)
    group.attrs["num_samples"] = demonstration.steps
    group.attrs["model_file"] = demonstration.model_file


def _write_array(group: h5py.Group, name: str, array: np.ndarray) -> None:
    # Otherwise HDF5 stores the time of writing, and files differ.
    group.create_dataset(name, data=array, track_times=False)
