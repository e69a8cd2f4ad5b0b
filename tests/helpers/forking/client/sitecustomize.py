"""Hand `fmq` and `snakemake` to the server of `helpers.forking`, as Python starts."""

import os
import sys


def command() -> list[str]:
    """The words of a command that the server knows, beginning with its name; else none."""
    words = sys.orig_argv[2:] if sys.orig_argv[1:2] == ["-m"] else sys.orig_argv[1:]
    name = words[0].rpartition("/")[2] if words else ""
    return [name, *words[1:]] if name in ("fmq", "snakemake") else []


def hand_over(words: list[str], address: str) -> int:
    """Let the server run a command on this process's files; return its exit code."""
    import json
    import socket
    from pathlib import Path

    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(address)
        message = json.dumps([words, str(Path.cwd()), dict(os.environ)]).encode()
        socket.send_fds(connection, [message], [0, 1, 2])
        return int(connection.recv(16) or 1)  # nothing, if the server has ended


if "FMQ_TEST_SERVER" in os.environ and command():
    os._exit(hand_over(command(), os.environ["FMQ_TEST_SERVER"]))
