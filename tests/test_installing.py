"""What is installed for what, and with which Python; nothing is installed here."""

import contextlib
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from fmq import __version__
from fmq.tools.doctor.packages import declared, pinned_versions

# A Python of another version as far as `python -c` can tell; what else it is asked to do, it notes
# and fails in.
INTERPRETER = """\
#!/bin/sh
[ "$1" = -c ] && exec {real} -c "import sys; sys.version_info = {version}; $2"
echo "$0 $*" >> {log}
exit 3
"""
BROKEN = "#!/bin/sh\necho 'command not found' >&2\nexit 127\n"


@pytest.fixture
def make(root, tmp_path):
    """Call make where nothing is installed, with no Python but these: versions, or None: broken."""

    def call(pythons: dict[str, tuple[int, ...] | None], *arguments: str):
        programs, log = tmp_path / "bin", tmp_path / "log"
        programs.mkdir()
        for name, version in pythons.items():
            text = INTERPRETER.format(real=sys.executable, version=version, log=log)
            (programs / name).write_text(BROKEN if version is None else text)
            (programs / name).chmod(0o755)
        for name in ("make", "sh"):
            (programs / name).symlink_to(shutil.which(name) or name)
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(root / name, tmp_path)
        result = subprocess.run(
            [programs / "make", *arguments],
            cwd=tmp_path,
            env={"PATH": str(programs)},
            capture_output=True,
            text=True,
        )
        return result, log.read_text().splitlines() if log.exists() else []

    return call


@pytest.mark.parametrize(
    ("pythons", "taken"),
    [
        ({"python3.12": (3, 12, 1), "python3.11": (3, 11, 7), "python3": (3, 11, 7)}, "python3.12"),
        ({"python3.12": None, "python3.11": (3, 11, 7), "python3": (3, 13, 0)}, "python3.11"),
        ({"python3.11": None, "python3": (3, 13, 0), "python": (3, 12, 0)}, "python"),
    ],
)
def test_the_newest_python_that_fits_and_runs_is_taken(make, pythons, taken):
    _, calls = make(pythons, "study")
    assert [call.rpartition("/")[2] for call in calls] == [f"{taken} -m venv .venv"]


def test_the_python_that_is_named_is_taken(make):
    pythons = {"python3.12": (3, 12, 1), "mine": (3, 11, 7)}
    _, calls = make(pythons, "study", "PYTHON=mine")
    assert [call.rpartition("/")[2] for call in calls] == ["mine -m venv .venv"]


@pytest.mark.parametrize("arguments", [(), ("PYTHON=python3.13",), ("PYTHON=nowhere",)])
def test_without_a_python_that_fits_one_line_says_so(make, arguments):
    pythons = {"python3.13": (3, 13, 0), "python3": (3, 13, 0), "python3.12": None}
    result, calls = make(pythons, "test", *arguments)
    told, by_make = result.stderr.splitlines()
    assert "PYTHON=" in told
    assert by_make.startswith("make: ***")
    assert (result.returncode, calls) == (2, [])


@pytest.mark.parametrize("minor", range(9, 16))
def test_the_makefile_and_the_package_allow_the_same_pythons(make, root, minor):
    _, calls = make({"python3": (3, minor, 0)}, "install")
    assert bool(calls) == SpecifierSet(declared(root)[0]).contains(f"3.{minor}.0")


def test_the_version_is_the_same_wherever_it_is_told(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    cited = yaml.safe_load((root / "CITATION.cff").read_text())
    assert project["version"] == cited["version"] == __version__
    assert project["license"] == cited["license"]


def base_requirements(root):
    return [line for line in declared(root)[1] if "extra ==" not in line]


def installed_with(lines):
    """Names of all that the requirements bring along, as far as it is installed here."""
    found, waiting = set(), [(Requirement(line), "") for line in lines]
    while waiting:
        requirement, extra = waiting.pop()
        marker, name = requirement.marker, canonicalize_name(requirement.name)
        if marker is not None and not marker.evaluate({"extra": extra}):
            continue
        for part in ("", *requirement.extras):
            if (name, part) not in found:
                found.add((name, part))
                with contextlib.suppress(PackageNotFoundError):
                    waiting += [(Requirement(line), part) for line in requires(name) or []]
    return {name for name, _ in found}


def test_the_default_study_needs_nothing_of_robomimic_s(root):
    brought = installed_with(base_requirements(root))
    assert {"torch", "numpy", "dm-control", "snakemake"} <= brought
    assert brought.isdisjoint(
        {"robosuite", "mink", "numba", "opencv-python", "pynput", "evdev", "robomimic"}
    )


def test_every_version_that_is_installed_is_one_that_is_allowed(root):
    """Else the Makefile's constraints and the package's ranges would contradict each other."""
    pins = pinned_versions(root)
    for requirement in map(Requirement, declared(root)[1]):
        name = canonicalize_name(requirement.name)
        # W&B is installed by nothing here; `dev` only names other extras.
        if name not in ("fmq", "wandb"):
            assert requirement.specifier.contains(pins[name]), requirement
