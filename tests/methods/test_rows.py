"""The rows of fmq's methods are read from their files as they would be executed."""

import inspect
from importlib import import_module
from pathlib import Path

import pytest

from fmq.config.method_files import read_code
from fmq.config.methods import METHODS, fitting_samplers, method_module
from fmq.config.reading import load_study
from fmq.config.section import find_setting

ROOT = Path(__file__).parents[2]
FILES = ROOT / "src" / "fmq" / "methods"
STUDY = load_study(ROOT / "config.yaml")


def test_every_file_with_a_row_is_a_method() -> None:
    files = {path.stem for path in FILES.glob("*.py") if read_code(path).row}
    assert files == {method_module(name) for name in METHODS}


@pytest.mark.parametrize("name", METHODS)
def test_a_row_is_what_the_file_says_when_executed(name: str) -> None:
    module = import_module(f"fmq.methods.{method_module(name)}")
    assert read_code(FILES / f"{method_module(name)}.py").row == module.METHOD


@pytest.mark.parametrize("name", METHODS)
def test_a_loss_gets_the_settings_that_it_takes(name: str) -> None:
    module, settings = import_module(f"fmq.methods.{method_module(name)}"), METHODS[name].settings
    assert set(inspect.signature(module.actor_loss).parameters) == set(settings)
    for place in settings.values():
        find_setting(STUDY, place)


def test_a_loss_of_one_name_is_one_loss() -> None:
    losses = {
        (row.actor_loss, import_module(f"fmq.methods.{method_module(name)}").actor_loss)
        for name, row in METHODS.items()
    }
    assert len(losses) == len(dict(losses))


def test_a_policy_has_samplers_for_the_jumps_that_it_has_learned() -> None:
    diagonal, jumps = ["euler", "best_of_n_euler"], ["one_step", "best_of_n"]
    assert set(fitting_samplers("pretrain-full")) == set(diagonal)
    assert set(fitting_samplers("pretrain-fql")) == {*diagonal, *jumps}
    assert set(fitting_samplers("distill")) == {*diagonal, *jumps, "qgbs"}
    assert fitting_samplers(None) == fitting_samplers("distill-psd") == fitting_samplers("distill")
