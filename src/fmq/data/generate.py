"""Generate a data set with scripted experts or random actions, in its publisher's file format.

OGBench's own loader can read the npz files, and RoboMimic's the HDF5 files. They are not copies of
the official files, and their manifest says so.
"""

import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fmq.base.errors import UserError
from fmq.base.files import file_sha256
from fmq.base.progress import Heartbeat, progress
from fmq.base.workers import parallel_map
from fmq.config.datasets import GeneratedData, ScriptedData, check_source, simulator_of, suite_of
from fmq.config.sources import record_path
from fmq.config.tasks import EPISODE_LIMITS
from fmq.data import manipulation_expert, maze_expert, random_actions
from fmq.data.demonstrations import (
    Demonstration,
    demonstrate,
    make_env_args,
    write_demonstrations,
)
from fmq.data.manifest import write_manifest
from fmq.data.unwrapped import is_maze, make_unwrapped
from fmq.envs.robosuite import make_simulator
from fmq.pipeline.paths import MANIFEST

ATTEMPTS = 100
"""Attempts at one episode before generation fails."""

SOURCES = {
    "scripted": "generated here, not the official data set",
    "random": "random actions, generated here, not the official data set",
}
"""The manifest's description of a data set's origin, by the settings' `source`."""

Arrays = dict[str, np.ndarray]
_Episode = tuple[Arrays, int]
_PARTIAL = ".partial-"


@dataclass(frozen=True)
class _Job:
    """One episode to generate; the split is 0 for training, 1 for validation."""

    name: str
    settings: GeneratedData
    split: int
    episode: int


def generate_dataset(name: str, settings: GeneratedData, folder: Path, processes: int) -> None:
    """Write the files of a data set and, last, ``folder/manifest.json``.

    OGBench data sets are ``NAME.npz`` and ``NAME-val.npz``, with episodes of equal length. A
    RoboMimic data set is one file ``NAME.hdf5`` whose episodes end at the first success; its
    validation episodes are listed in ``mask/valid``.

    The same settings give the same bytes on the same kind of machine, for any number of
    processes: every episode has its own seed, derived from ``settings.seed``, its split, its
    number and its attempt.

    Args:
        name: the publisher's name of the data set, e.g. ``pointmaze-medium-navigate-v0``.
        settings: scripted or random actions, the number and length of episodes, noise and seed.
        folder: created if missing; files of an earlier generation are replaced.
        processes: number of worker processes, at least 1.

    Raises:
        UserError: there is no scripted expert for `name`, the folder cannot be written to, or
            objects keep falling out of reach under these settings. No file is written then.
    """
    check_source(name, settings)
    write = _write_hdf5 if suite_of(name) == "robomimic" else _write_npz
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{_PARTIAL}*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        with TemporaryDirectory(dir=folder, prefix=_PARTIAL) as partial:
            files = write(name, settings, Path(partial), processes)
            (folder / MANIFEST).unlink(missing_ok=True)
            for file_name in files:
                # The new file is not the official one, so a recorded digest no longer applies.
                record_path(folder / file_name).unlink(missing_ok=True)
                (Path(partial) / file_name).replace(folder / file_name)
        write_manifest(folder, _manifest(name, settings, files))
    except OSError as error:
        raise UserError(
            f"{folder}: cannot write the data set: {error.strerror or error}"
        ) from error


def _write_npz(
    name: str, settings: GeneratedData, folder: Path, processes: int
) -> dict[str, dict[str, Any]]:
    """Generate and write both OGBench splits; return the manifest entry of each file."""
    splits = {f"{name}.npz": settings.episodes, f"{name}-val.npz": settings.validation_episodes}
    files = {}
    with (
        parallel_map(min(processes, max(splits.values()))) as run,
        progress(f"generate {name}", sum(splits.values()), "episodes") as heartbeat,
    ):
        for split, (file_name, episodes) in enumerate(splits.items()):
            results = run(_generate_episode, _jobs(name, settings, split, episodes))
            arrays, restarts = _join(results, episodes, settings.episode_length + 1, heartbeat)
            np.savez(folder / file_name, **arrays)
            files[file_name] = _file_entry(folder / file_name) | {
                "rows": len(arrays["terminals"]),
                "episodes": episodes,
                "restarted_episodes": restarts,
                "arrays": {
                    key: {"shape": list(array.shape), "dtype": str(array.dtype)}
                    for key, array in arrays.items()
                },
            }
    return files


def _write_hdf5(
    name: str, settings: GeneratedData, folder: Path, processes: int
) -> dict[str, dict[str, Any]]:
    """Generate and write a RoboMimic file; return its manifest entry."""
    training, validation = settings.episodes, settings.validation_episodes
    jobs = _jobs(name, settings, 0, training) + _jobs(name, settings, 1, validation)
    path = folder / f"{name}.hdf5"
    with (
        parallel_map(min(processes, len(jobs))) as run,
        progress(f"generate {name}", len(jobs), "episodes") as heartbeat,
    ):
        results = _counted(run(_generate_demonstration, jobs), heartbeat)
        counts = write_demonstrations(path, simulator_of(name), results, training)
    return {path.name: _file_entry(path) | counts}


def _jobs(name: str, settings: GeneratedData, split: int, episodes: int) -> list[_Job]:
    return [_Job(name, settings, split, episode) for episode in range(episodes)]


def _counted(results: Iterator[Any], heartbeat: Heartbeat) -> Iterator[Any]:
    for result in results:
        yield result
        heartbeat.advance()


def _generate_demonstration(job: _Job) -> Demonstration:
    """Generate an episode of a RoboMimic task."""
    simulator = _make_simulator(simulator_of(job.name))
    return demonstrate(simulator, job.settings, _seed(job))


def _generate_episode(job: _Job) -> _Episode:
    """Generate an OGBench episode; return its arrays and the number of failed attempts."""
    simulator = _make_simulator(simulator_of(job.name))
    rows, settings = job.settings.episode_length + 1, job.settings
    if not isinstance(settings, ScriptedData):
        return random_actions.wander(simulator, rows, _seed(job)), 0
    noise = settings.action_noise
    expert = maze_expert.navigate if is_maze(job.name) else manipulation_expert.play
    for attempt in range(ATTEMPTS):
        arrays = expert(simulator, rows, noise, _seed(job, attempt))
        if is_maze(job.name) or manipulation_expert.is_healthy(simulator, arrays):
            return arrays, attempt
    raise UserError(
        f"datasets.{job.name}: objects left the arm's reach in {ATTEMPTS} attempts at one episode; "
        f"lower action_noise ({noise}; OGBench's is 0.1) or episode_length ({rows - 1})"
    )


def _seed(job: _Job, attempt: int = 0) -> np.random.SeedSequence:
    key = (job.split, job.episode, attempt)
    return np.random.SeedSequence(job.settings.seed, spawn_key=key)


@lru_cache(maxsize=1)
def _make_simulator(environment: str) -> Any:
    """Return the simulator, cached between episodes because making one takes up to two seconds."""
    if environment in EPISODE_LIMITS:
        return make_simulator(make_env_args(environment))
    return make_unwrapped(environment)


def _join(
    results: Iterator[_Episode], episodes: int, rows: int, heartbeat: Heartbeat
) -> tuple[Arrays, int]:
    """Concatenate all episodes, set `terminals` on their last rows, and sum up the restarts."""
    joined: Arrays = {}
    restarts = 0
    for episode, (arrays, attempts) in enumerate(_counted(results, heartbeat)):
        for name, array in arrays.items():
            if name not in joined:
                joined[name] = np.empty((episodes * rows, *array.shape[1:]), array.dtype)
            joined[name][episode * rows : (episode + 1) * rows] = array
        restarts += attempts
    joined["terminals"] = np.arange(episodes * rows) % rows == rows - 1
    return joined, restarts


def _file_entry(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": file_sha256(path)}


def _manifest(name: str, settings: GeneratedData, files: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest; it holds no time or host, so equal settings give equal manifests."""
    suite = {"robomimic": ("h5py", "robosuite"), "ogbench": ("ogbench",)}[suite_of(name)]
    versions = {package: version(package) for package in ("fmq", "mujoco", "numpy", *suite)}
    return {
        "name": name,
        "source": SOURCES[settings.source],
        "settings": settings.model_dump(),
        "files": files,
        "versions": versions | {"python": platform.python_version()},
    }
