"""Explain errors that the system or a library raises: what was refused, and what to do about it.

The command line, the Snakefile and `fmq doctor` ask here. What is not explained here is a fault of
the program, whose traceback tells more than a line would.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from fmq.base.errors import UserError
from fmq.base.messages import PREFIX, one_line

TRACEBACK = "FMQ_TRACEBACK"
"""Environment variable; if it is set, the command line shows tracebacks instead of one line."""

_LONGEST = 300


class Explained(NamedTuple):
    """What was refused, and a remedy; the remedy is empty if the first names one."""

    found: str
    remedy: str

    def __str__(self) -> str:
        """Return both as one line."""
        return "; ".join(filter(None, self))


_ROOM = "free disk space, or choose a folder on another disk"
_RIGHT = "check the permissions there, or choose another folder"
_PATH = "check that the path exists and is what it should be, a file or a folder"
_OPEN = "allow more open files (`ulimit -n 4096`), or run fewer jobs at once"
_MEMORY = "run fewer jobs at once, or use a machine or a job with more memory"
_DISK = "check the disk or the network file system, or choose a folder on another one"
_LACKING = "the file system cannot do this; choose a folder on a local disk"
_NETWORK = "check the network and the proxy (HTTPS_PROXY)"
_GPU = "`fmq doctor` tells what is wrong; `device: cpu` works without a GPU"
_INSTALL = "`fmq doctor` tells what is not installed, and how to install it"
_GRAPHICS = "unset MUJOCO_GL, or name a library that works here; `fmq doctor` tells which do"
_ENCODING = "the file has to be UTF-8, and file names have to fit the locale (try LC_ALL=C.UTF-8)"

_BY_NUMBER = {
    _ROOM: "ENOSPC EDQUOT EFBIG",
    _RIGHT: "EACCES EPERM EROFS ETXTBSY",
    _PATH: "ENOENT ENOTDIR EISDIR EEXIST ENOTEMPTY ELOOP ENAMETOOLONG ENOEXEC",
    _OPEN: "EMFILE ENFILE",
    _MEMORY: "ENOMEM EAGAIN ENOBUFS",
    _LACKING: "ENOLCK ENOSYS ENOTSUP EOPNOTSUPP EXDEV EMLINK",
    _NETWORK: "ECONNREFUSED ECONNRESET ECONNABORTED ENETDOWN ENETUNREACH ENETRESET EHOSTDOWN "
    "EHOSTUNREACH ETIMEDOUT EADDRINUSE EADDRNOTAVAIL",
}
_REMEDIES = {
    getattr(errno, name): remedy
    for remedy, names in _BY_NUMBER.items()
    for name in names.split()
    if hasattr(errno, name)  # each system has its own
}

_BY_TEXT = (
    (("out of memory", "can't allocate memory", "Cannot allocate memory"), _MEMORY),
    (("can't start new thread", "terminated abruptly", "DataLoader worker"), _MEMORY),
    (("No space left", "failed writing file", "unexpected pos "), _ROOM),
    (("shared memory", "unable to mmap", "unable to open file"), _DISK),
    (("no locator available",), "name a folder that can be written in NUMBA_CACHE_DIR"),
    (("home directory",), "set HOME to a folder of yours"),
    (("OpenGL", "EGL", "OSMesa", "GLFW", "MUJOCO_GL"), _GRAPHICS),
    (("CUDA", "cuDNN", "CUBLAS", "NVIDIA", "NVML", "NCCL", "HIP error"), _GPU),
)
"""Parts of messages by which libraries tell what the machine refused, in the order of asking."""


_NETWORKING = ("requests", "urllib3", "urllib", "http", "ssl", "socket")
"""Packages whose errors are of the network, whatever their number."""


def explained(error: BaseException) -> Explained | None:
    """Explain an error of the user, the system or an installation; None for any other."""
    if isinstance(error, UserError):
        return Explained(str(error), "")
    kind = type(error).__module__.partition(".")[0]
    if isinstance(error, OSError):  # those of networks have numbers of their own, or none
        remedy = _NETWORK if kind in _NETWORKING else _REMEDIES.get(error.errno or 0, _DISK)
        return Explained(_refused(error), remedy)
    if isinstance(error, UnicodeError):
        return Explained(_named(error), _ENCODING)
    if isinstance(error, MemoryError):
        return Explained(_named(error), _MEMORY)
    if kind == "builtins" and not isinstance(error, RuntimeError | ImportError | AssertionError):
        return None
    text = str(error)
    for parts, remedy in _BY_TEXT:
        if any(part in text for part in parts):
            return Explained(_named(error), remedy)
    return Explained(_named(error), _INSTALL) if isinstance(error, ImportError) else None


@contextmanager
def in_one_line() -> Iterator[None]:
    """End the process with one line on standard error if the block raises what can be explained.

    Raises:
        SystemExit: with code 2, after an error that `explained` knows; others pass.
    """
    try:
        yield
    except Exception as error:
        known = explained(error)
        if known is None or os.environ.get(TRACEBACK):
            raise
        with suppress(OSError):  # the log may be on the disk that is full
            print(f"{PREFIX}{known}", file=sys.stderr, flush=True)
        raise SystemExit(2) from None


def _refused(error: OSError) -> str:
    """Return the files that an error names, and its reason."""
    names = [name for name in (error.filename, error.filename2) if name is not None]
    places = [
        one_line(os.fsdecode(name) if isinstance(name, bytes) else str(name)) for name in names
    ]
    reason = one_line(error.strerror, _LONGEST) if error.strerror else _named(error)
    return ": ".join(filter(None, (" -> ".join(places), reason)))


def _named(error: BaseException) -> str:
    """Return the message of an error, on one line, after the name of its kind."""
    text = " ".join(str(error).split())
    return one_line(": ".join(filter(None, (type(error).__name__, text))), _LONGEST)
