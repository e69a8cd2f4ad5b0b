"""A few hundred damaged files for every reader: a short run of `benchmarks/fuzz.py`."""

import json

import pytest

INPUTS = {"config": 60, "overlay": 60, "settings": 60, "hdf5": 80, "checkpoint": 80}
"""How many the slower readers are fed; the others 300."""
READERS = (
    *("config", "overlay", "settings", "npz", "hdf5", "evaluation", "scores", "statistics"),
    *("manifest", "digest", "checkpoint"),
)


def test_every_reader_is_in_the_short_run(program):
    assert set(READERS) == set(program.TARGETS)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.slow
def test_damaged_files_are_refused_or_rightly_read(program, reader, tmp_path):
    report = program.fuzz(reader, INPUTS.get(reader, 300), seed=0, keep=tmp_path / "faults")
    assert report["faults"] == 0, json.dumps(report, indent=2)
    assert report["refused"] > report["inputs"] / 2


@pytest.mark.parametrize("reader", READERS)
def test_a_valid_file_is_accepted(program, reader, tmp_path):
    """Or else the judges would have nothing to judge."""
    (tmp_path / "work").mkdir()
    target = program.TARGETS[reader](tmp_path / "work")
    for content in target.seeds:
        outcome = program.read(target, 0, content, True, tmp_path / "work")
        assert outcome.kind == "accepted", outcome.reason
