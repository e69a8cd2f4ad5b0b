"""Every entry point on foreign machines gives the right result, or one line that says why not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.machines import MACHINES, Machine
from helpers.workflows import ROOT

DATA = "pointmaze-medium-navigate-v0"
CONFIG = ("config.yaml", "config/smoke.yaml")
TASK = "pointmaze-medium-navigate-singletask-task4-v0"
LABEL = "τ-Methode für Größe"
OVERLAY = f"""\
name: foreign
tasks: [{TASK}]
methods: [own]
samplers: []
own_methods:
  own: {{file: own.py, label: {LABEL}, offline: pretrain-full, sampler: best_of_n_euler,
        critic_target: mean, settings: {{temperature: 0.5}}}}
"""


def own_method() -> str:
    """The method of docs/add_method.md, with a comment in Greek."""
    page = (ROOT / "docs/add_method.md").read_text(encoding="utf-8")
    return page.split("```python\n")[1].partition("```")[0] + "# τ is the temperature\n"


@pytest.fixture
def machine(request, tmp_path):
    folder = tmp_path / "there"
    folder.mkdir()
    for there in MACHINES[request.param](folder):
        (there.folder / "own.py").write_text(own_method(), encoding="utf-8")
        (there.folder / "own.yaml").write_text(OVERLAY, encoding="utf-8")
        yield there


def call(machine: Machine, *command: str) -> str:
    """What a command writes that succeeds."""
    if command[0] == "snakemake":  # which asks for a home before it reads the Snakefile
        machine = replace(machine, variables={"HOME": str(machine.folder)} | machine.variables)
    errors = "strict" if command[0] == "fmq" else "replace"  # Snakemake writes as the locale has it
    done = machine.run(*command)
    told = done.stderr.decode(errors=errors)
    assert done.returncode == 0, told
    assert "Traceback" not in told
    return done.stdout.decode(errors=errors)


def refusal(machine: Machine, *command: str) -> str:
    """The one line of a command that fails."""
    done = machine.run(*command)
    assert done.returncode != 0
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("fmq: ")
    return line


def settings(machine: Machine) -> str:
    """The complete settings, as `fmq check` writes them into a file."""
    files = [*(str(machine.checkout / name) for name in CONFIG), "own.yaml"]
    (machine.folder / "all.json").write_bytes(call(machine, "fmq", "check", *files).encode())
    return "all.json"


def snakemake(machine: Machine) -> list[str]:
    """A command that makes the study in the machine's folder."""
    snakefile, smoke = (str(machine.checkout / name) for name in ("Snakefile", CONFIG[1]))
    files = ["--snakefile", snakefile, "--configfile", smoke, "own.yaml"]
    return ["snakemake", "--cores", "1", *files]


def test_what_is_written_into_files_is_utf_8(tmp_path: Path) -> None:
    """Whatever Python takes for the encoding of pipes."""
    machine = Machine(tmp_path, variables={"PYTHONIOENCODING": "latin-1", "HOME": str(tmp_path)})
    (tmp_path / "own.py").write_text(own_method(), encoding="utf-8")
    (tmp_path / "own.yaml").write_text(OVERLAY, encoding="utf-8")
    assert LABEL in (tmp_path / settings(machine)).read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES, indirect=True)
def test_commands_that_make_little(machine: Machine) -> None:
    one = settings(machine)
    assert json.loads(call(machine, "fmq", "check", one))["own_methods"]["own"]["label"] == LABEL
    call(machine, "fmq", "dataset", DATA, "--settings", one)
    assert TASK in call(machine, "fmq", "status", "--settings", one)
    assert "nothing to delete" in call(machine, "fmq", "gc", one)
    assert "finetune" in call(machine, *snakemake(machine), "--dry-run")
    absent = refusal(machine, "fmq", "export", TASK, "--seed", "0", "--run", "finetune-own",
                     "--to", "policy", "--settings", one)  # fmt: skip
    assert "checkpoint" in absent
    told = call(machine, "fmq", "doctor", *(str(machine.checkout / name) for name in CONFIG))
    assert "cannot be checked" not in told


# These two have between them whatever is foreign to a job of the others.
@pytest.mark.slow
@pytest.mark.parametrize("machine", ["latin-1-and-umlauts", "read-only-home"], indirect=True)
def test_a_whole_study(machine: Machine) -> None:
    call(machine, *snakemake(machine))
    results = machine.folder / "results"
    (run,) = results.glob("runs/*/seed0/finetune-own-*")
    assert (run / "method.py").read_text(encoding="utf-8") == own_method()
    assert LABEL in (results / "tables/main.md").read_text(encoding="utf-8")
    provenance = json.loads((run / "provenance.json").read_text(encoding="utf-8"))
    assert provenance["commit"].keys() in ({"sha1", "dirty"}, {"unknown"})
    arguments = ["--seed", "0", "--run", "finetune-own", "--to", "policy"]
    assert "finetune-own" in call(machine, "fmq", "export", TASK, *arguments)
    policy: Path = machine.folder / "policy"
    assert (policy / "method.py").read_text(encoding="utf-8") == own_method()
    assert "success" in call(machine, "fmq", "play", "policy", "--episodes", "1")
