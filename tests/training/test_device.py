"""Places on shared GPUs: one process each, spread over the cards, freed however it ends."""

import select
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from helpers.learners import STUDY
from helpers.studies import changed

from fmq.acting import device
from fmq.acting.device import claim_place
from fmq.pipeline.resources import evaluation_gpus, recording_gpus
from fmq.pipeline.runs import make_run

HOLD = """
import sys
from pathlib import Path
from fmq.acting.device import claim_place
number, lock = claim_place(Path(sys.argv[1]), ["a", "b"], int(sys.argv[2]))
print(number, flush=True)
sys.stdin.read()
"""


class Holder:
    """A process that claims a place and keeps it until it is ended."""

    def __init__(self, folder: Path, places: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder), str(places)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def has_answered(self, seconds: float) -> bool:
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def card(self) -> int:
        assert self.has_answered(300), "no place was given"
        return int(self.process.stdout.readline())

    def end(self, kill: bool) -> None:
        if kill:
            self.process.kill()
        self.process.communicate()


@pytest.mark.parametrize("kill", [pytest.param(False, marks=pytest.mark.slow), True])
def test_each_process_has_a_card_and_the_next_waits_for_one(tmp_path: Path, kill: bool) -> None:
    first, second = Holder(tmp_path, 1), Holder(tmp_path, 1)
    cards = [first.card(), second.card()]
    assert sorted(cards) == [0, 1]
    third = Holder(tmp_path, 1)
    assert not third.has_answered(4), "a third process got a card of the two that are taken"
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


@pytest.mark.parametrize(("wanted", "precision"), [(True, "tf32"), (False, "ieee")])
def test_products_of_a_gpu_are_as_the_settings_say(wanted: bool, precision: str) -> None:
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    training = STUDY.training.model_copy(update={"tf32": wanted})
    try:
        device.claim_device(STUDY.model_copy(update={"device": "cpu", "training": training}))
        assert products.fp32_precision == precision
    finally:
        products.fp32_precision = before


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let torch tell of one GPU; the places on it are counted in a folder of the test's own."""
    card = SimpleNamespace(uuid="a-card")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: card)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv(device.SLURM_SHARE, raising=False)


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(("wanted", "kind"), [("auto", "cpu"), ("cuda", "cuda"), ("cpu", "cpu")])
def test_an_evaluation_takes_a_gpu_only_if_the_settings_name_one(wanted: str, kind: str) -> None:
    study = STUDY.model_copy(update={"device": wanted})
    claim = device.claim_for_evaluation(study)
    assert claim.device.type == kind
    assert (claim.lock is not None) is (evaluation_gpus(study) == 1)
    del claim  # and its place
    assert device.claim_device(study).device.type == ("cpu" if wanted == "cpu" else "cuda")


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(("beside", "kind"), [(False, "cuda"), (True, "cpu")])
def test_a_last_evaluation_is_repeated_where_it_was_made(beside: bool, kind: str) -> None:
    study = changed(STUDY, {"device": "cuda", "evaluation": {"beside": beside}})
    run = make_run(study, study.tasks[0], study.seeds[0], "finetune-fmq")
    assert device.claim_of_last_evaluation(run).device.type == kind
    assert recording_gpus(study) == (kind == "cuda")


@pytest.mark.usefixtures("gpu")
def test_jobs_with_a_share_from_slurm_do_not_wait_for_one_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device.time, "sleep", lambda _: pytest.fail("it waited"))
    monkeypatch.setenv(device.SLURM_SHARE, "1")
    claims = [device.claim_device(STUDY.model_copy(update={"device": "auto"})) for _ in range(2)]
    assert [claim.device for claim in claims] == [torch.device("cuda", 0)] * 2
