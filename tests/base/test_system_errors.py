"""What the system or a library refuses is one line with a remedy at every entry point."""

import errno
import os
import socket
import ssl
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from functools import partial

import pytest
import requests
import torch
import typer
from PIL import UnidentifiedImageError

from fmq import cli
from fmq.base.errors import UserError
from fmq.base.system_errors import TRACEBACK, explained, in_one_line

NUMBERED = [OSError(number, os.strerror(number), "results/a file") for number in errno.errorcode]
LIBRARIES = [
    OSError("Unable to synchronously open file (file signature not found)"),  # h5py
    OSError(errno.EXDEV, "Invalid cross-device link", b"a\xff", None, "b\nc"),
    OSError(errno.EBADF, "Bad file descriptor", 7),
    UnidentifiedImageError("cannot identify image file"),
    requests.ConnectionError("Max retries exceeded with url"),
    requests.Timeout(),
    ssl.SSLError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"),
    socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    TimeoutError(),
    UnicodeEncodeError("latin-1", "τ", 0, 1, "ordinal not in range(256)"),
    UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    UnicodeError("label too long"),
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    torch.AcceleratorError("CUDA error: no kernel image is available for execution"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"),
    RuntimeError("[enforce fail at inline_container.cc:862] . unexpected pos 64 vs 0"),
    RuntimeError("unable to open shared memory object </torch_1> in read-write mode"),
    RuntimeError("Found no NVIDIA driver on your system."),
    RuntimeError("cannot cache function 'f': no locator available for file 'f.py'"),  # numba
    RuntimeError("Could not determine home directory."),
    RuntimeError("can't start new thread"),
    BrokenProcessPool("A process in the process pool was terminated abruptly"),
    AssertionError("Torch not compiled with CUDA enabled"),
    ImportError("Cannot initialize a EGL device display."),
    ImportError("libGL.so.1: cannot open shared object file: No such file or directory"),
    ModuleNotFoundError("No module named 'rliable'", name="rliable"),
]
FAULTS = [
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (64x3 and 4x16)"),
    RecursionError("maximum recursion depth exceeded"),
    NotImplementedError(),
    KeyError("MUJOCO_GL"),
    AssertionError(),
    ValueError("a fault of the program"),
]
PROGRAM = typer.main.get_command(cli.app)


def raise_it(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("error", [*NUMBERED, *LIBRARIES], ids=repr)
def test_what_is_refused_is_one_line(error, capsys) -> None:
    with pytest.raises(SystemExit) as end, in_one_line():
        raise_it(error)
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()
    known = explained(error)
    assert known.found in line
    assert known.remedy
    if isinstance(error, OSError) and error.filename == "results/a file":
        assert line.startswith("fmq: results/a file: ")


def test_a_number_decides_on_the_remedy() -> None:
    """Else a full disk would be told as a right that is missing."""
    names = ("ENOSPC", "EACCES", "ENOENT", "EMFILE", "ENOMEM", "ENOLCK", "ECONNREFUSED", "EIO")
    remedies = {explained(OSError(getattr(errno, name), name)).remedy for name in names}
    assert len(remedies) == len(names)


@pytest.mark.parametrize("error", FAULTS, ids=repr)
def test_faults_of_the_program_keep_their_traceback(error) -> None:
    assert explained(error) is None
    with pytest.raises(type(error)), in_one_line():
        raise_it(error)


def test_who_asks_for_a_traceback_gets_it(monkeypatch) -> None:
    monkeypatch.setenv(TRACEBACK, "1")
    with pytest.raises(UserError), in_one_line():
        raise_it(UserError("wrong"))


@pytest.mark.parametrize("name", PROGRAM.commands)
def test_every_command_passes_the_guard(name, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["fmq", name])
    monkeypatch.setattr(cli, "app", PROGRAM)
    monkeypatch.setattr(PROGRAM.commands[name], "params", [])
    for error in (*NUMBERED, *LIBRARIES):
        monkeypatch.setattr(PROGRAM.commands[name], "callback", partial(raise_it, error))
        with pytest.raises(SystemExit) as end:
            cli.main()
        told = capsys.readouterr().err
        if getattr(error, "errno", None) == errno.EPIPE:  # the reader has gone: nothing is told
            assert (end.value.code, told) == (1, "")
        else:
            assert end.value.code == 2
            assert told.startswith("fmq: ")
            assert told.count("\n") == 1


@pytest.mark.parametrize("where", ["read_config", "begin"])
def test_the_snakefile_passes_the_guard(where, root, tmp_path) -> None:
    """Both what it does when it is read, and what it does before the first job."""
    program = (
        "import sys\n"
        "from fmq.pipeline import rules\n"
        "def refuse(*_): raise OSError(5, 'Input/output error', 'a file')\n"
        f"rules.{where} = refuse\n"
        "from snakemake.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    arguments = ["--snakefile", root / "Snakefile", "--directory", tmp_path, "--cores", "1"]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        cwd=root,
    )
    assert done.returncode != 0
    told = [line for line in done.stderr.splitlines() if line.startswith("fmq: a file: ")]
    assert len(told) == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results/datasets").exists()
