"""Generate a data set with scripted experts, in the file format of OGBench's own.

`ogbench.make_env_and_datasets(..., dataset_path=...)` reads the files. They are no copies of the
official ones, and their manifest says so.
"""

import multiprocessing
import os
import platform
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fmq.data import manipulation_expert, maze_expert
from fmq.data.manifest import FILE_NAME, file_sha256, write_manifest
from fmq.errors import UserError
from fmq.progress import Heartbeat, progress
from fmq.settings import DatasetSettings
from fmq.tasks import generated_environment

_BLAS_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ATTEMPTS = 100
"""Starts of one episode before the settings are given up as hopeless."""

Arrays = dict[str, np.ndarray]
_Result = tuple[Arrays, int]


@dataclass(frozen=True)
class _Job:
    """One episode to generate: the split is 0 for training, 1 for validation."""

    name: str
    settings: DatasetSettings
    split: int
    episode: int


def generate_dataset(name: str, settings: DatasetSettings, folder: Path, processes: int) -> None:
    """Write ``folder/NAME.npz``, ``folder/NAME-val.npz`` and, last, ``folder/manifest.json``.

    The same settings give the same bytes on the same kind of machine, whatever the number of
    processes: every episode has a seed of its own, from ``settings.seed``, its split, its number
    and its attempt.

    Args:
        name: OGBench's name of the data set, e.g. ``pointmaze-medium-navigate-v0``.
        settings: episodes, their length, noise and seed.
        folder: made if missing; files of an earlier generation are replaced.
        processes: worker processes, 1 or more.

    Raises:
        UserError: no scripted expert for `name`, a folder that cannot be written to, or settings
            under which objects keep falling out of reach. No file is written then.
    """
    generated_environment(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=".partial-") as partial:
            files = _write_files(name, settings, Path(partial), processes)
            (folder / FILE_NAME).unlink(missing_ok=True)
            for file_name in files:
                (Path(partial) / file_name).replace(folder / file_name)
        write_manifest(folder, _manifest(name, settings, files))
    except OSError as error:
        raise UserError(
            f"{folder}: cannot write the data set: {error.strerror or error}"
        ) from error


def _write_files(
    name: str, settings: DatasetSettings, folder: Path, processes: int
) -> dict[str, dict[str, Any]]:
    """Generate and write both splits; returns the manifest's entry for each file."""
    splits = {f"{name}.npz": settings.episodes, f"{name}-val.npz": settings.validation_episodes}
    files = {}
    with (
        _parallel_map(min(processes, max(splits.values()))) as run,
        progress(f"generate {name}", sum(splits.values()), "episodes") as heartbeat,
    ):
        for split, (file_name, episodes) in enumerate(splits.items()):
            jobs = [_Job(name, settings, split, episode) for episode in range(episodes)]
            arrays, restarts = _join(run(jobs), episodes, settings.episode_length + 1, heartbeat)
            np.savez(folder / file_name, **arrays)
            files[file_name] = _entry(folder / file_name, arrays, episodes, restarts)
    return files


@contextmanager
def _parallel_map(processes: int) -> Iterator[Callable[[Iterable[_Job]], Iterator[_Result]]]:
    """A map over jobs that keeps their order, in processes of its own."""
    spawn = multiprocessing.get_context("spawn")
    try:
        with _one_blas_thread(), ProcessPoolExecutor(processes, mp_context=spawn) as executor:
            yield lambda jobs: executor.map(_generate_episode, jobs)
    except BrokenProcessPool:
        raise UserError(
            "a generator process was killed, often for want of memory; use fewer processes"
        ) from None


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """For processes started inside: linear algebra in one thread.

    The arm's inverse kinematics solves 6 x 6 systems. With more threads the last digits, and so
    the bytes, would depend on their number, and they would take twice the time.
    """
    before = {name: os.environ.get(name) for name in _BLAS_THREADS}
    os.environ.update(dict.fromkeys(_BLAS_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _generate_episode(job: _Job) -> _Result:
    """The episode's arrays, and how often it was started again because it went wrong."""
    simulator = _make_simulator(generated_environment(job.name))
    expert = maze_expert.navigate if _is_maze(job.name) else manipulation_expert.play
    rows, noise = job.settings.episode_length + 1, job.settings.action_noise
    for attempt in range(ATTEMPTS):
        key = (job.split, job.episode, attempt)
        seed = np.random.SeedSequence(job.settings.seed, spawn_key=key)
        arrays = expert(simulator, rows, noise, seed)
        if _is_maze(job.name) or manipulation_expert.is_healthy(simulator, arrays):
            return arrays, attempt
    raise UserError(
        f"datasets.{job.name}: objects left the arm's reach in {ATTEMPTS} attempts at one episode; "
        f"lower action_noise ({noise}; OGBench's is 0.1) or episode_length ({rows - 1})"
    )


def _is_maze(name: str) -> bool:
    return name.startswith("pointmaze")


@lru_cache(maxsize=1)
def _make_simulator(environment: str) -> Any:
    """Kept from one episode to the next: making one costs up to two seconds."""
    if environment.startswith("pointmaze"):
        return maze_expert.make_maze(environment)
    return manipulation_expert.make_manipulator(environment)


def _join(
    results: Iterable[_Result], episodes: int, rows: int, heartbeat: Heartbeat
) -> tuple[Arrays, int]:
    """All episodes, one after the other, with terminals on their last rows; and all restarts."""
    joined: Arrays = {}
    restarts = 0
    for episode, (arrays, attempts) in enumerate(results):
        for name, array in arrays.items():
            if name not in joined:
                joined[name] = np.empty((episodes * rows, *array.shape[1:]), array.dtype)
            joined[name][episode * rows : (episode + 1) * rows] = array
        restarts += attempts
        heartbeat.advance()
    joined["terminals"] = np.arange(episodes * rows) % rows == rows - 1
    return joined, restarts


def _entry(path: Path, arrays: Arrays, episodes: int, restarts: int) -> dict[str, Any]:
    """What the manifest says of a file."""
    return {
        "bytes": path.stat().st_size,
        "sha256": file_sha256(path),
        "rows": len(arrays["terminals"]),
        "episodes": episodes,
        "restarted_episodes": restarts,
        "arrays": {
            name: {"shape": list(array.shape), "dtype": str(array.dtype)}
            for name, array in arrays.items()
        },
    }


def _manifest(name: str, settings: DatasetSettings, files: dict[str, Any]) -> dict[str, Any]:
    """Nothing in it depends on the hour or the host: the same settings, the same manifest."""
    versions = {package: version(package) for package in ("fmq", "mujoco", "numpy", "ogbench")}
    return {
        "name": name,
        "source": "generated here, not the official data set",
        "settings": settings.model_dump(),
        "files": files,
        "versions": versions | {"python": platform.python_version()},
    }
