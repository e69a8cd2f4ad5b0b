"""`fmq policy`: fetch a policy that others published, as official data sets are fetched."""

from pathlib import Path

from fmq.base.errors import UserError
from fmq.config.sources import find_release, remote_policy
from fmq.config.study import Study
from fmq.data.manifest import write_manifest
from fmq.data.official import fetch_file
from fmq.export.jax_mapping import check_layout
from fmq.export.jax_pickle import read_tree
from fmq.pipeline.policies import policy_folder


def fetch_policy(study: Study, source: str, task: str, seed: int, results: Path) -> None:
    """Link to or download a published policy; the manifest in its folder is written last.

    The file is accepted if it holds the networks of an agent and nothing that would be executed.
    Whether they fit the study's settings is checked when its run is made.

    Args:
        study: says where copies of published files are (`data_dir`).
        source: the name of the policies in `fmq/config/sources.yaml`.
        task: the name of the policy's task.
        seed: the policy's seed.
        results: the results folder.

    Raises:
        UserError: there is no such policy, it can be neither found nor downloaded, or its content
            or checksum is wrong.
    """
    file, folder = remote_policy(source, task, seed), policy_folder(source, task, seed, results)
    entry = fetch_file(file, folder, study.copies, _check)
    version = find_release(source).version
    write_manifest(
        folder,
        {
            "name": f"{source}, {task}, seed {seed}",
            "source": f"published policies, {source} {version}",
            "settings": {"source": source, "version": version, "path": file.path},
            "files": {file.name: entry},
        },
    )


def _check(path: Path) -> None:
    tree = read_tree(path)
    try:
        check_layout(tree)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
