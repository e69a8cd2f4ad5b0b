"""Run Python code in a subprocess, which may crash or hang without harm."""

import os
import subprocess
import sys

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
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        return TOO_SLOW
    if process.returncode < 0:
        return f"the process was ended by signal {-process.returncode}"
    if process.returncode > 0:
        return process.stdout.strip().rpartition("\n")[2] or "no reason was given"
    return None
