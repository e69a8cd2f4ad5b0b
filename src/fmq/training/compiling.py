"""Updates as compiled programs: built once per machine, loaded by every process.

A CPU's program is a package of torch's ahead-of-time compiler (AOTInductor). It lies in the user's
cache under a name that is a hash of all that went into it, and is loaded in some hundredths of a
second, without importing the compiler. On a GPU the same graph goes through torch.compile.
"""

import atexit
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from subprocess import DEVNULL
from typing import Any, TypeVar

import torch
from filelock import FileLock
from platformdirs import user_cache_path
from torch import Tensor

import fmq
from fmq.errors import UserError
from fmq.training.refusing import told_of

CACHE = "FMQ_CACHE_DIR"
"""Environment variable that names another folder for compiled updates than the user's cache."""

Result = TypeVar("Result")


@cache
def _compiler(name: str) -> str:
    """Return the first line of a compiler's version; empty if it cannot compile for OpenMP."""
    attempt = [name, "-x", "c++", "-fopenmp", "-fsyntax-only", "-"]
    try:
        subprocess.run(
            attempt, input=b"#include <cmath>\n#include <omp.h>\n", check=True, stderr=DEVNULL
        )
        version = subprocess.run([name, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return version.stdout.partition("\n")[0] or name


def compiler() -> str:
    """Return what C++ compiler torch would call, g++ or what CXX names; empty if none works."""
    return _compiler(os.environ.get("CXX", "g++"))


def compiled(
    function: Callable[..., Result], inputs: Sequence[Tensor], identity: object
) -> Callable[..., Result]:
    """Return `function` of tensors as a compiled program; its results are dictionaries and tuples.

    Args:
        inputs: of the shapes, types and device of all calls.
        identity: plain values that tell it from every other function of such inputs.

    Raises:
        UserError: there is no C++ compiler, or torch cannot compile it.
    """
    if inputs[0].device.type != "cpu":
        graph = torch.compile(recorded(function, inputs, "compile"), fullgraph=True)
        return _telling(graph)
    if not compiler():
        raise UserError(
            f"training.compile: no C++ compiler {os.environ.get('CXX', 'g++')!r} that works here; "
            "install one, name it in the environment variable CXX, or set training.compile to never"
        )
    package = _package_path(inputs, identity)
    with _locked(package):
        if package.exists():
            with suppress(RuntimeError):  # damaged: it is built anew
                return _load(package)
        _build(function, inputs, package)
        return _load(package)


def recorded(
    function: Callable[..., Result], inputs: Sequence[Tensor], setting: str
) -> Callable[..., Result]:
    """Return the operations of `function` as a graph of plain ones, gradients included.

    Raises:
        UserError: it asks for a number, or does what a graph cannot; `setting` is named.
    """
    from torch.fx.experimental.proxy_tensor import make_fx  # as slow as torch itself

    with told_of(setting, RuntimeError, AttributeError):
        graph: Callable[..., Result] = make_fx(function)(*inputs)
    return graph


def _telling(graph: Callable[..., Result]) -> Callable[..., Result]:
    def call(*inputs: Tensor) -> Result:
        dynamo = torch._dynamo.exc.TorchDynamoException
        with told_of("compile", dynamo):
            return graph(*inputs)

    return call


def _build(function: Callable[..., Any], inputs: Sequence[Tensor], package: Path) -> None:
    """Compile `function` into a file that is there whole or not at all.

    The compiler's own cache of graphs takes what another kind of CPU has built for its own: unless
    the environment names a folder for it, it gets one for each kind.
    """
    kind = hashlib.sha256(json.dumps(processor()).encode()).hexdigest()[:12]
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(package.parent / f"inductor-{kind}"))
    graph = recorded(function, inputs, "compile")
    with (
        warnings.catch_warnings(action="ignore", category=FutureWarning),  # torch's, of itself
        tempfile.TemporaryDirectory(dir=package.parent) as folder,
        told_of("compile", Exception),
        torch.no_grad(),
    ):
        program = torch.export.export(graph, tuple(inputs))  # type: ignore[arg-type]
        temporary = torch._inductor.aoti_compile_and_package(
            program, package_path=str(Path(folder) / package.name)
        )
        Path(temporary).replace(package)


def _load(package: Path) -> Callable[..., Any]:
    from torch.utils._pytree import tree_unflatten, treespec_loads

    # The public loader imports the compiler first, two seconds of every process.
    loader = torch._C._aoti.AOTIModelPackageLoader(str(package), "model", True, 1, -1)
    structure = treespec_loads(loader.get_call_spec()[1])

    def call(*inputs: Tensor) -> Any:
        return tree_unflatten(loader.run(list(inputs)), structure)

    return call


@contextmanager
def _locked(package: Path) -> Iterator[None]:
    """Let one process at a time look for a package and build it; the others wait, and load it."""
    lock = FileLock(package.with_suffix(".lock"))
    try:
        lock.acquire()
    except (OSError, NotImplementedError):  # a disk without locks: each builds its own, whole
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _package_path(inputs: Sequence[Tensor], identity: object) -> Path:
    shapes = [(list(one.shape), list(one.stride()), str(one.dtype)) for one in inputs]
    machine = [torch.__version__, torch.__config__.show(), processor(), compiler()]
    parts = [identity, shapes, torch.get_num_threads(), machine, _sources()]
    text = json.dumps(parts, sort_keys=True, default=str)
    return _folder() / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.pt2"


@cache
def _folder() -> Path:
    """Return the folder of compiled updates; where none can be written, one of this process."""
    try:
        chosen = os.environ.get(CACHE)
        folder = Path(chosen).expanduser() if chosen else user_cache_path("fmq") / "updates"
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        told = f"fmq: compiled updates cannot be kept ({error}), every run builds its own"
        print(f"{told}; name a folder for them in {CACHE}", file=sys.stderr)
        folder = Path(tempfile.mkdtemp(prefix="fmq-updates-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def processor() -> dict[str, str]:
    """Return what kind of CPU this is: its name, its instructions, and those that torch uses."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    pairs = (line.partition(":") for line in reversed(lines))
    fields = {key.strip(): value.strip() for key, _, value in pairs}
    return {
        "name": fields.get("model name", platform.processor()),
        "instructions": hashlib.sha256(fields.get("flags", "").encode()).hexdigest()[:12],
        "vectors": torch.backends.cpu.get_cpu_capability(),
    }


@cache
def _sources() -> str:
    """Return a hash of this package's code: whatever changes in it, updates are compiled anew."""
    digest = hashlib.sha256()
    for path in sorted(Path(fmq.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
