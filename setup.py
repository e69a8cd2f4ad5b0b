"""Put the workflow into wheels: `fmq/study/` there is what lies at the top of a checkout.

All else that setuptools has to know is in ``pyproject.toml``. Editable installations read the
checkout itself.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PLACES = ("Snakefile", "config.yaml", "constraints.txt", "config", "profiles", "slurm", "workflow")


def study_files() -> list[str]:
    """Return the files of the workflow, from the top of the checkout."""
    found = (file for place in map(Path, PLACES) for file in (place, *sorted(place.rglob("*"))))
    return [str(file) for file in found if file.is_file()]


class BuildWithStudy(build_py):
    """Build the package's modules, and copy the workflow beside them."""

    def run(self) -> None:
        if self.editable_mode:
            super().run()
            return
        shutil.rmtree(self.build_lib, ignore_errors=True)  # modules that have been deleted since
        super().run()
        for name in study_files():
            target = Path(self.build_lib, "fmq", "study", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(name, target)

    def get_source_files(self) -> list[str]:
        """Return what a source distribution has to hold."""
        return [*super().get_source_files(), *study_files()]


setup(cmdclass={"build_py": BuildWithStudy})
