"""Commands that start at once: forks of a process which has imported their packages.

Importing torch, pandas and Snakemake takes a command two to four seconds, and the tests of
workflows give some hundred commands, counting jobs. With the variables of `forked`, Python hands
`fmq` and `snakemake` over to a server as it starts (`client/sitecustomize.py`). The server
(`server.py`) has imported packages of others only, so that a fork runs the code, the settings and
the environment of whoever gave the command. Commands start by themselves, and take signals, in
tests/faults, tests/slurm and tests/test_foreign_machines.py.
"""

import atexit
import os
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent


@cache
def _server() -> str:
    """Start the server, which ends with this process; return its address."""
    address = Path(tempfile.mkdtemp(prefix="fmq-")) / "server"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(address))
        listening.listen(64)  # commands wait for the packages
        number = listening.fileno()
        command = [sys.executable, str(HERE / "server.py"), str(number), str(address)]
        plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        process = subprocess.Popen(command, env=plain, stdin=subprocess.PIPE, pass_fds=[number])
    atexit.register(process.communicate)  # the end of its input is its end
    return str(address)


def forked(sources: Path) -> dict[str, str]:
    """Return the environment of commands that run a copy's code in forks of the server.

    Args:
        sources: the folder that holds `fmq`.
    """
    path = os.pathsep.join((str(sources), str(HERE / "client")))
    return os.environ | {"PYTHONPATH": path, "FMQ_TEST_SERVER": _server()}
