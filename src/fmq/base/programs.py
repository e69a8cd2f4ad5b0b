"""Run programs: Python code in a subprocess, and the commands of this environment."""

import getpass
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from fmq.base.errors import UserError

# The reason is printed explicitly and the process exits at once: otherwise the output of a
# half-built simulator that is being torn down would come last.
_RUNNER = """
import os, sys
try:
    exec(sys.argv[1])
except BaseException as error:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    print("\\n" + reason[:160], flush=True)
    os._exit(1)
os._exit(0)
"""
TOO_SLOW = "no answer in time"


def name_user() -> None:
    """Let a user whom the system does not know be called by the number of the user id.

    Libraries ask for a name, and fail in a container that was started with a bare user id.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):  # the one before Python 3.13, the other since
        os.environ["LOGNAME"] = str(os.getuid())


def own_command_first(name: str) -> None:
    """Put the folder of this interpreter's command `name` before all others on PATH.

    A program that is started by its path, from an environment that is not activated, then starts
    the commands of its own environment, and not those of another one on PATH.

    Raises:
        UserError: the environment of this interpreter has no such command.
    """
    user = sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user"))
    places = [str(Path(sys.executable).parent), sysconfig.get_path("scripts"), user]
    own = next((place for place in places if shutil.which(name, path=place)), None)
    if own is None:
        raise UserError(
            f"{sys.executable}: its environment has no command {name}; install the package there, "
            "with `pip install --editable .` in the checkout, or start snakemake from another one"
        )
    os.environ["PATH"] = os.pathsep.join(filter(None, (own, os.environ.get("PATH"))))


def run_python(code: str, timeout: float, **variables: str) -> str | None:
    """Run code in a subprocess; return None on success, else the reason of the failure.

    The subprocess protects the caller from graphics libraries that kill their process or never
    return.

    Args:
        timeout: seconds after which the subprocess is killed and `TOO_SLOW` is returned.
        variables: environment variables to set in the subprocess.
    """
    command = [sys.executable, "-c", _RUNNER, code]
    try:
        process = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | variables,
            timeout=timeout,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        return TOO_SLOW
    if process.returncode < 0:
        return f"the process was ended by signal {-process.returncode}"
    if process.returncode > 0:
        return process.stdout.strip().rpartition("\n")[2] or "no reason was given"
    return None
