"""Import what `fmq` and `snakemake` need, and run such commands in forks: python server.py FD PATH.

It takes connections on the socket FD, whose address is PATH, until its standard input ends.
"""

import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

# No package that reads the environment while it is imported, as mujoco does, and none of fmq.
PACKAGES = (
    *("torch", "scipy.stats", "pandas", "h5py", "pydantic", "yaml", "typer", "rich.console"),
    *("requests", "tenacity", "filelock", "platformdirs", "gymnasium", "glfw", "numba", "imageio"),
    *("seaborn", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf"),
    *("rliable.library", "snakemake.cli", "snakemake.report.html_reporter", "smart_open", "yte"),
)
LONGEST = 2**18  # bytes of a command with its environment


def next_command(listening: socket.socket) -> socket.socket | None:
    """Return, in a fork, the connection of a command; None in the server, when it is to end."""
    while listening in select.select([listening, sys.stdin], [], [])[0]:
        connection, _ = listening.accept()
        if os.fork() == 0:
            return connection
        connection.close()
        with suppress(ChildProcessError):  # none, or none left
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    return None


def become(connection: socket.socket) -> list[str]:
    """Return, in a second fork, the command whose files and environment it has taken on."""
    message, descriptors, *_ = socket.recv_fds(connection, LONGEST, 3)
    process = os.fork()
    if process:
        answer(connection, process)
        os._exit(0)
    connection.close()
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    command, folder, environment = json.loads(message)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:1] = environment["PYTHONPATH"].split(os.pathsep)
    return list(command)


def answer(connection: socket.socket, process: int) -> None:
    """Answer with a process's exit code; end it if whoever gave the command has been killed."""
    waiting = [connection, os.pidfd_open(process)]
    if connection in select.select(waiting, [], [])[0]:
        os.kill(process, signal.SIGTERM)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with suppress(BrokenPipeError):
        connection.send(b"%d" % (code if code >= 0 else 128 - code))


def main() -> None:
    listening = socket.socket(fileno=int(sys.argv[1]))
    for name in PACKAGES:
        with suppress(ImportError):
            import_module(name)
    assert "fmq" not in sys.modules
    gc.freeze()
    connection = next_command(listening)
    listening.close()
    if connection is None:
        shutil.rmtree(Path(sys.argv[2]).parent)
        return
    sys.argv = become(connection)
    package = {"fmq": "fmq.cli", "snakemake": "snakemake.cli"}[sys.argv[0]]
    sys.exit(import_module(package).main())


if __name__ == "__main__":
    main()
