"""Stand in for a data set of a study that trains nothing: only its simulators are needed."""

from pathlib import Path

from fmq.base.files import atomic_path, file_sha256
from fmq.config.datasets import simulator_of, suite_of, training_file
from fmq.data.demonstrations import write_env_args
from fmq.data.manifest import write_manifest


def write_no_data(name: str, folder: Path) -> None:
    """Write the manifest of a data set of which there is nothing to learn from.

    RoboMimic's simulators are made from a data file, so that one without demonstrations is
    written for them.

    Raises:
        UserError: robosuite is needed, but not installed.
    """
    files = {}
    if suite_of(name) == "robomimic":
        path = folder / training_file(name)
        with atomic_path(path) as temporary:
            write_env_args(temporary, simulator_of(name))
        files[path.name] = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    write_manifest(
        folder,
        {
            "name": name,
            "source": "no data, only the simulator",
            "settings": {"source": "none"},
            "files": files,
        },
    )
