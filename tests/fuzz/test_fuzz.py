"""A few hundred damaged files for every reader: a short run of `benchmarks/fuzz.py`."""

import json

import pytest

INPUTS = {"config": 60, "overlay": 60, "settings": 60, "hdf5": 80, "checkpoint": 80}
"""How many the slower readers are fed; the others 300."""
READERS = (
    *("config", "overlay", "settings", "npz", "hdf5", "evaluation", "scores", "statistics"),
    *("manifest", "digest", "checkpoint"),
)
MEANING = (
    ("npz meaning", 80),
    pytest.param("hdf5 meaning", 12, marks=pytest.mark.slow),
)
"""Readers of well-formed files with wrong content, most of which are told of and not refused."""


def test_every_reader_is_in_the_short_run(program):
    assert {*READERS, "npz meaning", "hdf5 meaning"} == set(program.TARGETS)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.slow
def test_damaged_files_are_refused_or_rightly_read(program, reader, tmp_path):
    report = program.fuzz(reader, INPUTS.get(reader, 300), seed=0, keep=tmp_path / "faults")
    assert report["faults"] == 0, json.dumps(report, indent=2)
    assert report["refused"] > report["inputs"] / 2


@pytest.mark.parametrize(("reader", "inputs"), MEANING)
def test_wrong_content_is_refused_or_told_of(program, request, reader, inputs, tmp_path):
    if reader == "hdf5 meaning":
        request.getfixturevalue("robosuite")
    report = program.fuzz(reader, inputs, seed=0, keep=tmp_path / "faults")
    assert report["faults"] == 0, json.dumps(report, indent=2)
    assert report["refused"] > report["inputs"] / 4


@pytest.mark.parametrize(
    "reader", ["npz meaning", pytest.param("hdf5 meaning", marks=pytest.mark.slow)]
)
def test_nothing_is_told_of_a_simulators_own_file(program, request, reader, tmp_path):
    """Or else the judge, which is content with a word, would have nothing to judge."""
    if reader == "hdf5 meaning":
        request.getfixturevalue("robosuite")
    (tmp_path / "work").mkdir()
    target = program.TARGETS[reader](tmp_path / "work")
    for content in target.seeds:
        (tmp_path / target.file).write_bytes(content)
        found = target.read(tmp_path / target.file)
        assert found.lines == []
        assert target.judge(tmp_path / target.file, found, False) is None


@pytest.mark.parametrize("reader", READERS)
def test_a_valid_file_is_accepted(program, reader, tmp_path):
    """Or else the judges would have nothing to judge."""
    (tmp_path / "work").mkdir()
    target = program.TARGETS[reader](tmp_path / "work")
    for content in target.seeds:
        outcome = program.read(target, 0, content, True, tmp_path / "work")
        assert outcome.kind == "accepted", outcome.reason
