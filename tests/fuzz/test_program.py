"""`benchmarks/fuzz.py` itself: every kind of fault is seen, and what caused it is kept."""

import os
import pickle
import time
from functools import partial
from pathlib import Path

import pytest

from fmq.base.errors import UserError


def raise_it(error, path):
    raise error


def hang(path):
    time.sleep(60)


def fill_memory(path):
    return bytearray(os.urandom(1)) * (2**27 + 2**25)


def leave_a_file(path):
    path.with_name("left").write_text("")
    raise UserError("refused, but")


def execute(path):
    return pickle.loads(path.read_bytes())


@pytest.fixture
def feed(program, monkeypatch, tmp_path):
    """One input for a made-up reader; returns the report."""

    def feed(read, content=b"content", judge=lambda path, found, whole: None):
        target = program.Target("input", [content], (lambda random, content: content,), read, judge)
        monkeypatch.setitem(program.TARGETS, "made up", lambda folder: target)
        monkeypatch.setattr(program, "make_input", lambda target, random: (content, False))
        monkeypatch.setattr(program, "SECONDS", 2 if read is hang else 60)
        monkeypatch.setattr(program, "MEMORY", 2**27)
        return program.fuzz("made up", 1, seed=0, keep=tmp_path / "kept")

    return feed


def test_what_is_read_or_refused_in_one_line_is_no_fault(feed):
    assert feed(Path.read_bytes)["accepted"] == 1
    assert feed(partial(raise_it, UserError("it is wrong")))["refused"] == 1


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (partial(raise_it, ValueError("bad")), "ValueError at test_program.py"),
        (partial(raise_it, UserError("one\ntwo")), "a message that is no line"),
        (partial(raise_it, UserError("")), "a message that is no line"),
        (partial(raise_it, UserError("x" * 9999)), "a message of over 2000 characters"),
        (hang, "took over 2 s"),
        (lambda path: os._exit(7), "the process died, exit code 7"),
        (fill_memory, "took over 128 MB more"),
        (leave_a_file, "left behind: ['left']"),
    ],
)
def test_every_kind_of_fault_is_seen(feed, read, reason, tmp_path):
    report = feed(read)
    assert report["faults"] == 1
    assert report["first_of_each_fault"]["0"].startswith(reason)
    assert (tmp_path / "kept/made up-0-0").read_bytes() == b"content"
    assert (tmp_path / "kept/made up-0-0.txt").read_text().startswith(reason)


def test_what_is_executed_is_seen(feed, program):
    from fuzzing.trap import Trap

    report = feed(execute, pickle.dumps(Trap()))
    assert report["first_of_each_fault"] == {"0": "left behind: ['executed']"}


def test_a_wrong_value_is_seen(feed):
    report = feed(Path.read_bytes, judge=lambda path, found, whole: "too red")
    assert report["first_of_each_fault"] == {"0": "accepted: too red"}


@pytest.mark.parametrize("reader", ["config", "npz", "hdf5", "scores", "manifest", "checkpoint"])
def test_the_same_seed_makes_the_same_inputs(program, reader, tmp_path):
    def inputs(seed):
        (tmp_path / "work").mkdir(exist_ok=True)
        target = program.TARGETS[reader](tmp_path / "work")
        randoms = [program.input_random(reader, seed, index) for index in range(10)]
        return [program.make_input(target, random) for random in randoms]

    assert inputs(3) == inputs(3)
    assert inputs(3) != inputs(4)
