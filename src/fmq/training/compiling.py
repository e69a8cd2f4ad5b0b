"""Compile updates into programs that are built once per machine and loaded by every process.

On a CPU, the program is a package of torch's ahead-of-time compiler (AOTInductor). It is stored in
the user's cache under a hash of everything that went into it, and loads in a few hundredths of a
second without importing the compiler. On a GPU, the same graph goes through torch.compile.
"""

import atexit
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from subprocess import DEVNULL
from typing import Any, TypeVar

import torch
from filelock import FileLock
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten, treespec_loads

import fmq
from fmq.base.errors import UserError
from fmq.base.files import CACHE, atomic_path, cache_folder
from fmq.base.messages import notice
from fmq.networks import fused
from fmq.training.refusing import told_of

Result = TypeVar("Result")

PLAIN = "the environment's own path must have no spaces and no letters beyond ASCII"


def _is_plain(path: Path) -> bool:
    """Return whether a path has no spaces and no letters beyond ASCII.

    At those, torch would take the compiler's command line apart.
    """
    return re.fullmatch(r"[\w./+-]+", str(path), re.ASCII) is not None


@cache
def _compiler(name: str) -> str:
    """Return the first line of a compiler's version; empty if it cannot compile OpenMP code."""
    attempt = [name, "-x", "c++", "-fopenmp", "-fsyntax-only", "-"]
    try:
        subprocess.run(
            attempt, input=b"#include <cmath>\n#include <omp.h>\n", check=True, stderr=DEVNULL
        )
        version = subprocess.run([name, "--version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return version.stdout.decode("utf-8", "replace").partition("\n")[0] or name


def compiler() -> str:
    """Return the version of the C++ compiler that torch uses (CXX or g++); empty if it fails.

    It also fails if torch is installed in a folder whose path it cannot be given.
    """
    if not _is_plain(Path(torch.__file__)):
        return ""
    return _compiler(os.environ.get("CXX", "g++"))


def compiled(function: Callable[..., Result], identity: object) -> Callable[..., Result]:
    """Return `function` as a program that is compiled, or loaded, at the first call.

    The function takes tensors and (named) tuples of them, of the same shapes, types and device at
    every call, and returns tuples and dictionaries.

    Args:
        identity: plain values that distinguish it from every other function of such inputs.

    Raises:
        UserError: at the first call, there is no working C++ compiler, or torch cannot compile the
            function.
    """

    def build(function: Callable[..., Result], inputs: Sequence[Tensor]) -> Callable[..., Result]:
        _require_compiler()
        if inputs[0].device.type != "cpu":
            return _just_in_time(function, inputs)
        return _program(function, inputs, identity)

    return _built_at_first_call(function, build)


def recorded(function: Callable[..., Result], setting: str) -> Callable[..., Result]:
    """Return `function` as a graph of plain operations, which is traced at the first call.

    Inputs and results are as in `compiled`.

    Raises:
        UserError: at the first call, the function reads a tensor's value, or does something else
            that a graph cannot; the message names `setting`.
    """
    return _built_at_first_call(function, partial(_graph, setting=setting))


def _built_at_first_call(
    function: Callable[..., Result],
    build: Callable[[Callable[..., Result], Sequence[Tensor]], Callable[..., Result]],
) -> Callable[..., Result]:
    """Return what `build` makes, at the first call, of the function of the inputs' tensors."""
    built: Callable[..., Result] | None = None

    def call(*inputs: Any) -> Result:
        nonlocal built
        tensors, form = tree_flatten(inputs)
        if built is None:
            built = build(lambda *flat: function(*tree_unflatten(flat, form)), tensors)
        with torch.no_grad():
            return built(*tensors)

    return call


def _graph(
    function: Callable[..., Result], inputs: Sequence[Tensor], setting: str
) -> Callable[..., Result]:
    """Trace `function` into a graph of plain operations, gradients included."""
    from torch.fx.experimental.proxy_tensor import make_fx  # slow: takes as long as importing torch

    with told_of(setting, RuntimeError, AttributeError):
        graph: Callable[..., Result] = make_fx(function)(*inputs)
    return graph


def _program(
    function: Callable[..., Result], inputs: Sequence[Tensor], identity: object
) -> Callable[..., Result]:
    """Load the function's package from the cache, or build it there first."""
    package = _package_path(inputs, identity)
    with _locked(package):
        if package.exists():
            with suppress(RuntimeError):  # damaged: build it again
                return _load(package)
        _build(function, inputs, package)
        return _load(package)


def _require_compiler() -> None:
    """Raise `UserError` without a C++ compiler; for a GPU, it builds what launches the kernels."""
    if not compiler():
        raise UserError(
            f"training.compile: the C++ compiler {os.environ.get('CXX', 'g++')!r} does not work "
            "here; install one, name another in the environment variable CXX, or set "
            f"training.compile to never; {PLAIN}"
        )


def _just_in_time(
    function: Callable[..., Result], inputs: Sequence[Tensor]
) -> Callable[..., Result]:
    """Return the function's graph through torch.compile, which compiles it at its first call."""
    graph = torch.compile(_graph(function, inputs, "compile"), fullgraph=True)
    dynamo = torch._dynamo.exc.TorchDynamoException

    def call(*inputs: Tensor) -> Result:
        with told_of("compile", dynamo, OSError, subprocess.CalledProcessError):
            return graph(*inputs)

    return call


def _build(function: Callable[..., Any], inputs: Sequence[Tensor], package: Path) -> None:
    """Compile `function` into a package file, which is written whole or not at all.

    The compiler's own cache of graphs does not tell kinds of CPU apart, and reuses what another
    kind has built for itself. Each kind therefore gets its own cache folder, unless the environment
    names one.
    """
    kind = hashlib.sha256(json.dumps(processor()).encode()).hexdigest()[:12]
    workshop = _workshop(package.parent)
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(workshop / f"inductor-{kind}"))
    graph = _graph(function, inputs, "compile")
    with (
        warnings.catch_warnings(action="ignore", category=FutureWarning),  # torch's own
        tempfile.TemporaryDirectory(dir=workshop) as folder,
        told_of("compile", Exception),
        torch.no_grad(),
    ):
        program = torch.export.export(graph, tuple(inputs))  # type: ignore[arg-type]
        temporary = torch._inductor.aoti_compile_and_package(
            program, package_path=str(Path(folder) / package.name)
        )
        with atomic_path(package) as target:
            shutil.copyfile(temporary, target)


def _load(package: Path) -> Callable[..., Any]:
    # The public loader first imports the compiler, which takes every process two seconds.
    loader = torch._C._aoti.AOTIModelPackageLoader(str(package), "model", True, 1, -1)
    structure = treespec_loads(loader.get_call_spec()[1])

    def call(*inputs: Tensor) -> Any:
        return tree_unflatten(loader.run(list(inputs)), structure)

    return call


@contextmanager
def _locked(package: Path) -> Iterator[None]:
    """Let one process at a time look for a package and build it; the others wait and load it."""
    lock = FileLock(package.with_suffix(".lock"))
    try:
        lock.acquire()
    except (OSError, NotImplementedError):  # no locks on this disk: every process builds it
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _package_path(inputs: Sequence[Tensor], identity: object) -> Path:
    shapes = [(list(one.shape), list(one.stride()), str(one.dtype)) for one in inputs]
    products = [fused.ONEDNN_BFLOAT16, fused.ACTIVATION_IN_PRODUCT]  # chosen while tracing
    machine = [torch.__version__, torch.__config__.show(), processor(), compiler(), products]
    parts = [identity, shapes, torch.get_num_threads(), machine, _sources()]
    text = json.dumps(parts, sort_keys=True, default=str)
    return _folder() / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.pt2"


@cache
def _folder() -> Path:
    """Return the cache folder of compiled updates, or a temporary one if it is not writable."""
    try:
        folder = cache_folder("updates")
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        told = f"compiled updates cannot be kept ({error}), every run builds its own"
        notice(f"{told}; name a folder for them in {CACHE}")
        folder = Path(tempfile.mkdtemp(prefix="fmq-updates-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _workshop(folder: Path) -> Path:
    """Return the folder to compile in for a cache folder: that one, or a temporary one."""
    if _is_plain(folder):
        return folder
    folder = Path(tempfile.mkdtemp(prefix="fmq-updates-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def processor() -> dict[str, str]:
    """Return the kind of this CPU: its name, its instructions, and those that torch uses."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
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
    """Return a hash of this package's code, so that updates are recompiled when it changes."""
    digest = hashlib.sha256()
    for path in sorted(Path(fmq.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
