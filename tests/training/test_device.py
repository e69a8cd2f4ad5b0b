"""Places on shared GPUs: one process each, spread over the cards, freed by whatever end."""

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from fmq.training import device
from fmq.training.device import claim_place


def hold(folder: Path, places: int, pipe: Connection) -> None:
    """Claim a place in a process of its own, tell which, and keep it until told to end."""
    number, lock = claim_place(folder, ["a", "b"], places)
    pipe.send(number)
    pipe.recv()
    lock.release()


class Holder:
    """A process that holds a place."""

    def __init__(self, folder: Path, places: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=hold, args=(folder, places, other))
        self.process.start()

    def card(self) -> int:
        assert self.pipe.poll(30), "no place was given"
        return self.pipe.recv()

    def end(self, kill: bool) -> None:
        if kill:
            os.kill(self.process.pid or 0, signal.SIGKILL)
        else:
            self.pipe.send(None)
        self.process.join(30)


@pytest.mark.parametrize("kill", [False, True])
def test_each_process_has_a_card_and_the_next_waits_for_one(tmp_path: Path, kill: bool) -> None:
    first, second = Holder(tmp_path, 1), Holder(tmp_path, 1)
    cards = [first.card(), second.card()]
    assert sorted(cards) == [0, 1]
    third = Holder(tmp_path, 1)
    assert not third.pipe.poll(3), "a third process got a card of the two that are taken"
    second.end(kill)
    assert third.card() == cards[1]
    first.end(False)
    third.end(False)


def test_cards_are_filled_evenly(tmp_path: Path) -> None:
    claims = [claim_place(tmp_path, ["a", "b", "c"], 2) for _ in range(6)]
    assert [number for number, _ in claims] == [0, 1, 2, 0, 1, 2]


def test_waiting_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, lock = claim_place(tmp_path, ["a"], 1)
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            lock.release()

    monkeypatch.setattr(device.time, "sleep", nap)
    assert claim_place(tmp_path, ["a"], 1)[0] == 0
    assert capsys.readouterr().err.count("waiting for a place") == 1
