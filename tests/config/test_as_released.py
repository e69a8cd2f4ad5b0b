"""The paper's study as its authors' code runs it: what it changes, and that all can be off."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.pipeline.runs import make_run

CAN, CUBE = "can-mh-low_dim", "cube-double-play-singletask-task3-v0"
OVERLAY = "config/as_released.yaml"
REQUIRED = {"sampling/qgbs_completion"}
"""Settings that are older and have no default."""


@pytest.fixture
def released(root: Path) -> Study:
    return load_study(root / "config.yaml", root / "config/paper.yaml", root / OVERLAY)


def settings(root: Path) -> Iterator[tuple[str, str, Any]]:
    """Section, key and value of what the overlay sets, without names of the study and variants."""
    for section, values in yaml.safe_load((root / OVERLAY).read_text()).items():
        if section not in ("name", "ablations"):
            yield from ((section, key, value) for key, value in values.items())


def test_everything_is_off_in_the_paper_s_study_and_by_default(
    root: Path, paper: Study, released: Study
) -> None:
    found = list(settings(root))
    assert len(found) == 7
    for section, key, value in found:
        mine, model = (getattr(study, section) for study in (paper, released))
        assert isinstance(mine, BaseModel)
        field = type(mine).model_fields[key]
        assert getattr(model, key) == value != getattr(mine, key)
        if f"{section}/{key}" not in REQUIRED:
            assert field.default == getattr(mine, key)


def test_it_reaches_the_runs(paper: Study, released: Study) -> None:
    cube, can = (make_run(released, task, 3, "finetune-fmq") for task in (CUBE, CAN))
    assert cube.bound.simulation.success_timing == "after"
    assert can.bound.simulation.demonstrations == "whole"
    assert cube.sampler_named("qgbs").numbers["qgbs_completion"] == "diagonal"
    assert {run.parent.seed for run in (cube, can) if run.parent} == {0}
    for run in (cube, can):
        before = make_run(paper, run.task.name, 3, "finetune-fmq")
        assert run.identity != before.identity
        assert run.bound.critic_target == before.bound.critic_target == "min"
    # A setting of the other suite is bound to no run.
    assert can.bound.simulation.success_timing == "before"
    assert cube.bound.simulation.demonstrations == "first_success"
