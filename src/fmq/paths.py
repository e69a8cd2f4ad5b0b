"""Where things are under the results folder."""

from pathlib import Path


def settings_file(results: Path) -> Path:
    """Checked settings of the study that fills this folder."""
    return results / "settings.json"


def dataset_folder(results: Path, dataset: str) -> Path:
    """A data set and its manifest."""
    return results / "datasets" / dataset


def seed_folder(results: Path, task: str, seed: int | str) -> Path:
    """Every run and evaluation of one task and seed; of ``{seed}``, a pattern."""
    return results / "runs" / task / f"seed{seed}"


def manifest_file(results: Path, dataset: str) -> Path:
    """Where a data set comes from."""
    return dataset_folder(results, dataset) / "manifest.json"


def run_folder(results: Path, task: str, seed: int | str, run: str) -> Path:
    """One training run: `pretrain-BUDGET`, `distill-KIND` or `finetune-METHOD`."""
    return seed_folder(results, task, seed) / run


def scratch_folder(results: Path, task: str, seed: int, run: str) -> Path:
    """The lock of a run, and its progress until it is done."""
    return results / "scratch" / task / f"seed{seed}" / run


def rollout_file(results: Path, task: str, seed: int, method: str) -> Path:
    """Recorded episodes of the last evaluation of a method's run."""
    return seed_folder(results, task, seed) / f"rollouts-{method}.npz"


def rollout_folder(results: Path, task: str) -> Path:
    """What is shown of a task's episodes."""
    return results / "rollouts" / task


def theory_folder(results: Path, task: str, seed: int) -> Path:
    """What `fmq theory` measured on the networks of one task and seed."""
    return seed_folder(results, task, seed) / "theory"
