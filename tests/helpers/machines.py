"""Machines unlike the one that the project was written on, as far as one machine can play them.

Another user is user id 12345, which no machine knows. It may read everything, as in a checkout that
is shared, and write only what belongs to it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from helpers.workflows import ROOT, Project

STRANGER = 12345
CGROUPS = Path("/sys/fs/cgroup")


@dataclass
class Machine:
    """How programs are started there.

    Attributes:
        folder: the folder that they run in, which belongs to their user.
        checkout: the top of the project.
        prefix: program and arguments before the command.
        variables: environment variables beside PATH; no others are handed on.
    """

    folder: Path
    checkout: Path = ROOT
    prefix: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command of this environment with the checkout's code."""
        programs = Path(sys.executable).parent
        variables = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "PYTHONPATH": f"{self.checkout / 'src'}:{_packages()}",
            "OMP_NUM_THREADS": "1",
            **self.variables,
        }
        return subprocess.run(
            [*self.prefix, str(programs / command[0]), *command[1:]],
            cwd=self.folder,
            env=variables,
            capture_output=True,
        )


def _packages() -> str:
    """Where packages lie that are not in the environment's own folder."""
    return os.pathsep.join(path for path in sys.path if path.endswith("-packages"))


def no_home(folder: Path) -> Iterator[Machine]:
    yield Machine(folder, prefix=_as_stranger(folder))


def read_only_home(folder: Path) -> Iterator[Machine]:
    prefix = _as_stranger(folder)
    home = folder.parent / f"{folder.name}-home"
    home.mkdir(mode=0o555)
    yield Machine(folder, prefix=prefix, variables={"HOME": str(home)})


def others_checkout(folder: Path) -> Iterator[Machine]:
    yield Machine(folder, prefix=_as_stranger(folder), variables={"HOME": str(folder)})


def latin_1_and_umlauts(folder: Path) -> Iterator[Machine]:
    inner = folder / "Größe und Maß"
    checkout = Project(inner / "eine Kopie").folder
    yield Machine(inner, checkout, variables=_latin_1(folder) | {"HOME": str(inner)})


def half_a_core(folder: Path) -> Iterator[Machine]:
    with _quota(0.5) as group:
        enter = f'echo $$ > {group}/cgroup.procs && exec "$@"'
        prefix = ["sh", "-c", enter, "sh"]
        yield Machine(folder, prefix=prefix, variables={"HOME": str(folder)})


MACHINES = {
    "no-home": no_home,
    "read-only-home": read_only_home,
    "others-checkout": others_checkout,
    "half-a-core": half_a_core,
    "latin-1-and-umlauts": latin_1_and_umlauts,
}


def _latin_1(folder: Path) -> dict[str, str]:
    """Variables of a locale that is made in `folder`; none where it cannot be made."""
    if shutil.which("localedef") is None:
        return {}
    made = folder / "locales"
    made.mkdir()
    command = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", made / "en_US.ISO-8859-1"]
    subprocess.run(command, capture_output=True)  # warnings have exit code 1
    variables = {"LOCPATH": str(made), "LC_ALL": "en_US.ISO-8859-1"}
    tell = "import locale; print(locale.getencoding())"
    told = Machine(folder, variables=variables).run("python", "-c", tell).stdout
    return variables if told == b"ISO-8859-1\n" else {}


def _as_stranger(folder: Path) -> list[str]:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can play another user, with setpriv")
    os.chown(folder, STRANGER, STRANGER)
    other = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups"]
    read = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    for prefix in ([*other, *read], other):  # a container may not give the right to read all
        if Machine(folder, prefix=prefix).run("python", "-c", "import fmq").returncode == 0:
            return prefix
    pytest.skip("another user cannot read this environment")


@contextmanager
def _quota(cores: float) -> Iterator[Path]:
    """A group of processes that may use so much of a core's time; of either version of cgroups."""
    old = CGROUPS / "cpu"
    group = (old if old.is_dir() else CGROUPS) / f"fmq-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("no groups of processes can be made here")
    try:
        try:
            if old.is_dir():
                (group / "cpu.cfs_quota_us").write_text(f"{int(cores * 100_000)}")
            else:
                (group / "cpu.max").write_text(f"{int(cores * 100_000)} 100000")
        except OSError:
            pytest.skip("no quota can be set here")
        yield group
    finally:
        group.rmdir()
