"""Places on shared GPUs: one process each, spread over the cards, freed however it ends."""

import importlib.util
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

from fmq.acting import device, gpus
from fmq.acting.device import claim_place
from fmq.acting.gpus import Card, Machine
from fmq.base.errors import UserError
from fmq.config.reading import load_study, study_from_dict
from fmq.config.study import WIDE, Study
from fmq.pipeline import resources
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


CAPABLE = {"kernels": ("sm_75", "sm_90", "compute_120"), "cuda": "13.0", "driver": "580.65"}
CARDS = (Card("old", 1, (6, 1), "a"), Card("H200", 1, (9, 0), "b"), Card("next", 1, (15, 0), "c"))
SEEN = Machine("2.13.0", cards=CARDS, **CAPABLE)
BLIND = SEEN._replace(cards=())


def claim(
    monkeypatch: pytest.MonkeyPatch, wanted: str, here: Machine
) -> tuple[torch.device, list[torch.device]]:
    """Claim a device on a machine that is made up; return it, and those that were made current."""
    taken: list[torch.device] = []
    monkeypatch.setattr(gpus, "look", lambda: here)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(device, "claim_place", lambda folder, cards, _: (len(cards) - 1, None))
    device._say.cache_clear()
    return device.claim_device(with_device(wanted)).device, taken


def with_device(wanted: str, width: int = WIDE) -> Study:
    networks = STUDY.networks.model_copy(update={"hidden_width": width})
    return STUDY.model_copy(update={"device": wanted, "networks": networks})


@pytest.mark.parametrize(
    ("wanted", "here", "told"),
    [
        ("cuda:1", SEEN._replace(cards=CARDS[1:2]), "there is no cuda:1, only cuda:0; name"),
        ("cuda:99", SEEN, "only cuda:0 or cuda:1 or cuda:2"),
        ("cuda:0", SEEN, "no kernels for old (compute capability 6.1); name cuda:1 or cuda:2"),
        ("cuda", SEEN._replace(cards=CARDS[:1]), "no kernels for old"),
        ("cuda", BLIND._replace(hidden=True), "CUDA_VISIBLE_DEVICES hides every GPU"),
        ("cuda", BLIND._replace(driver="470.82"), "470.82 is too old"),
        ("cuda:0", BLIND._replace(cuda=None), "is a build for CPUs; install a CUDA build"),
        ("cuda", BLIND._replace(driver=None), "there is no NVIDIA GPU here"),
        ("cuda", BLIND, "torch sees no GPU, although"),
    ],
)
def test_a_gpu_that_cannot_be_had_is_refused_or_told(
    wanted: str,
    here: Machine,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`auto` takes the CPU instead and says why, if no other GPU can be had."""
    with pytest.raises(UserError) as error:
        claim(monkeypatch, wanted, here)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    found, taken = claim(monkeypatch, "auto", here)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert (found.type, bool(taken)) == (("cuda", True) if gpus.usable(here) else ("cpu", False))
    assert (told.partition(";")[0] in said) == (found.type == "cpu")


@pytest.mark.parametrize(
    ("wanted", "number"), [("auto", 2), ("cuda", 2), ("cuda:1", 1), ("cuda:2", 2)]
)
def test_the_gpu_that_is_taken_is_made_current_by_its_number(
    wanted: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first card of the three has no kernels; the last runs those that are made for it."""
    expected = torch.device("cuda", number)
    assert claim(monkeypatch, wanted, SEEN) == (expected, [expected])


def test_a_study_on_the_cpu_looks_for_no_gpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert claim(monkeypatch, "cpu", SEEN) == (torch.device("cpu"), [])
    assert capsys.readouterr().err == ""


def test_the_device_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    claim(monkeypatch, "auto", SEEN)
    device.claim_device(with_device("auto"))
    assert capsys.readouterr().err.count("cuda:2 here, next") == 1


@pytest.mark.parametrize("version", ["580.65.06", None])
def test_small_networks_stay_on_the_cpu_unless_asked(
    version: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpus, "driver", lambda: version)
    monkeypatch.setattr(gpus, "look", lambda: pytest.fail("GPUs were looked for"))
    device._say.cache_clear()
    assert device.claim_device(with_device("auto", WIDE - 1)).device.type == "cpu"
    assert capsys.readouterr().err.count("\n") == (version is not None)


@pytest.mark.parametrize(
    ("overlays", "changes", "count"),
    [
        ([], {}, 0),
        ([], {"device": "cuda"}, 1),
        (["manipulation", "overnight"], {}, 0),
        (["paper"], {}, 1),
        (["paper", "authors"], {}, 1),
        (["paper"], {"device": "cpu"}, 0),
        (["paper", "smoke-paper"], {}, 0),
    ],
)
def test_studies_of_the_default_s_size_ask_for_no_gpu(
    overlays: list[str], changes: dict[str, str], count: int, root: Path
) -> None:
    files = [root / "config" / f"{name}.yaml" for name in overlays]
    study = load_study(root / "config.yaml", *files).model_copy(update=changes)
    assert resources.gpus(study) == count


@pytest.mark.parametrize("wanted", ["cuda:-1", "mps", "cuda:", "gpu"])
def test_no_other_device_is_a_setting(wanted: str) -> None:
    with pytest.raises(UserError, match="device"):
        study_from_dict(STUDY.model_dump() | {"device": wanted}, "test")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19", "535.104.05"),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release",
            "580.65.06",
        ),
        ("something else", None),
        (None, None),
    ],
)
def test_the_driver_is_known_by_what_the_kernel_says(
    text: str | None, version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "version"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr(gpus, "DRIVER_FILE", file)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = gpus.look()
    assert (found.version, found.driver) == (torch.__version__, version)


def test_the_driver_s_program_is_asked_where_the_kernel_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 571.96\necho 571.96\n")
    program.chmod(0o755)
    monkeypatch.setattr(gpus, "DRIVER_FILE", tmp_path / "none")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert gpus.look().driver == "571.96"


@pytest.mark.parametrize("wanted", ["cuda", "cuda:0"])
def test_the_benchmark_names_the_gpu_by_its_number(
    wanted: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch refuses to make a device current that has no number."""
    path = root / "benchmarks" / "speed.py"
    spec = importlib.util.spec_from_file_location("speed", path)
    speed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(speed)
    taken: list[object] = []
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(torch.cuda, "synchronize", taken.append)
    monkeypatch.setattr(speed, "make_case", lambda *_: lambda: None)
    speed.main(["--device", wanted, "--cases", "fmq", "--seconds", "0"])
    assert len(taken) > 1
    assert set(taken) == {torch.device("cuda", 0)}


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
    """Let there be one GPU; the places on it are counted in a folder of the test's own."""
    monkeypatch.setattr(gpus, "look", lambda: SEEN._replace(cards=CARDS[1:2]))
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv(device.SLURM_SHARE, raising=False)


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(("wanted", "kind"), [("auto", "cpu"), ("cuda", "cuda"), ("cpu", "cpu")])
def test_an_evaluation_takes_a_gpu_only_if_the_settings_name_one(wanted: str, kind: str) -> None:
    study = with_device(wanted)
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
    assert recording_gpus(study)(SimpleNamespace(method="fmq")) == (kind == "cuda")


@pytest.mark.usefixtures("gpu")
def test_jobs_with_a_share_from_slurm_do_not_wait_for_one_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device.time, "sleep", lambda _: pytest.fail("it waited"))
    monkeypatch.setenv(device.SLURM_SHARE, "1")
    claims = [device.claim_device(with_device("auto")) for _ in range(2)]
    assert [claim.device for claim in claims] == [torch.device("cuda", 0)] * 2
