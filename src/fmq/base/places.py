"""Where the workflow lies: at the top of a checkout, or in the folder of an installed package."""

from pathlib import Path

CHECKOUT = Path(__file__).parents[3]
"""Top folder of the repository, if the package runs from it."""

PACKAGED = Path(__file__).parents[1] / "study"
"""What a wheel holds of that folder, put there by ``setup.py``; a checkout has no such folder."""

OWN = PACKAGED if PACKAGED.is_dir() else CHECKOUT
"""Folder of the Snakefile and `config.yaml` that belong to this package."""


def workflow_folder() -> Path:
    """Return the folder of the workflow that commands work on.

    Returns:
        ``Path()`` if the current folder is a checkout, or a copy of one; else the package's own.
    """
    here = Path("Snakefile").exists() and Path("config.yaml").exists()
    return Path() if here else OWN
