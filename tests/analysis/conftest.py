"""A made-up study: evaluations drawn at random, to test the analysis and nothing else."""

import json
from pathlib import Path

import pytest
from helpers.analysing import analyse, make_study, write_runs

from fmq.config.study import Study


@pytest.fixture(autouse=True)
def _undrawn(request: pytest.FixtureRequest) -> None:
    """Leave figures to the tests that are marked for them: one at least of each."""
    if request.node.get_closest_marker("drawn") is None:
        request.getfixturevalue("undrawn")


@pytest.fixture(scope="session")
def study() -> Study:
    return make_study()


@pytest.fixture(scope="session")
def results(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder of made-up runs; read it, never change it."""
    folder = tmp_path_factory.mktemp("results")
    write_runs(study, folder)
    return folder


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dataset") / "manifest.json"
    path.write_text(
        json.dumps(
            {
                "name": "pointmaze-medium-navigate-v0",
                "source": "made up for a test_case, not the official data set",
                "files": {"pointmaze-medium-navigate-v0.npz": {"sha256": "0" * 64, "bytes": 1}},
            }
        )
    )
    return path


@pytest.fixture(scope="session")
def analysed(
    study: Study, results: Path, manifest: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with the study's scores, statistics and tables; read it, never change it."""
    return analyse(study, results, tmp_path_factory.mktemp("analysed"), [manifest])
