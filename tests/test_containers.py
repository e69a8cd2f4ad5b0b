"""The recipes of containers, as far as they can be checked without building an image."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.forking import forked
from helpers.workflows import ROOT
from packaging.specifiers import SpecifierSet

from fmq.tools.doctor.packages import declared

RECIPES = ("Dockerfile", "apptainer.def")


def text(recipe: str) -> str:
    """A recipe, a line per instruction, without comments."""
    found = (ROOT / recipe).read_text(encoding="utf-8").replace("\\\n", " ")
    return re.sub(r"(?m)^\s*#.*\n", "", found)


def instruction(name: str) -> str:
    """What follows the last instruction of a name in the Dockerfile."""
    return re.findall(rf"(?m)^{name} (.*)$", text("Dockerfile"))[-1]


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_image_s_python_is_one_that_is_allowed(recipe: str) -> None:
    (version,) = re.findall(r"(?mi)^from:? python:([\d.]+)", text(recipe))
    assert SpecifierSet(declared(ROOT)[0]).contains(f"{version}.0")


@pytest.mark.parametrize("recipe", RECIPES)
def test_packages_are_installed_by_the_makefile_with_torch_of_the_argument(recipe: str) -> None:
    """Else versions would be told in two places."""
    (command,) = re.findall(r"make --directory /fmq (.*)", text(recipe))
    target, index = command.split(maxsplit=1)
    assert re.search(rf"(?m)^{target}:", (ROOT / "Makefile").read_text())
    device = re.sub(r"\$DEVICE|\{\{ DEVICE \}\}", "cpu", index)
    assert f"make study {device}\n" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "pip install" not in text(recipe)
    assert re.search(r"(?m)^(ARG|   ) DEVICE=cpu$", text(recipe))


def test_both_images_have_the_same_programs() -> None:
    installed = [re.findall(r"--no-install-recommends (\S+ \S+ \S+)", text(one)) for one in RECIPES]
    assert installed[0] == installed[1] != []


def test_the_image_leaves_out_what_git_ignores_and_nothing_else() -> None:
    """A tracked file that is missing in the image would make its commit look changed."""

    def patterns(name: str) -> set[str]:
        lines = (ROOT / name).read_text().split()
        return {line.removeprefix("**/").removesuffix("/") for line in lines}

    assert patterns(".dockerignore") == patterns(".gitignore")


@pytest.mark.parametrize("recipe", RECIPES)
def test_without_arguments_the_smoke_study_is_made(recipe: str, tmp_path: Path) -> None:
    """The image's own command, with this checkout in the place of the image's."""
    if recipe == "Dockerfile":
        words = json.loads(instruction("ENTRYPOINT")) + json.loads(instruction("CMD"))
    else:
        (given,) = re.findall(r"set -- (.*)", text(recipe))
        (command,) = re.findall(r'exec (.*) "\$@"', text(recipe))
        words = shlex.split(command) + shlex.split(given)
    program, *words = words
    command = [str(Path(sys.executable).parent / program), *words, "--dry-run"]
    done = subprocess.run(
        command, cwd=tmp_path, env=forked(ROOT / "src"), capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert f"--configfile {ROOT}/config/smoke.yaml" in done.stderr
    assert re.search(r"finetune +\d", done.stdout)
