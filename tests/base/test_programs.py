"""The commands of this environment, whatever PATH says and whoever the user is."""

import getpass
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.workflows import ROOT

from fmq.base.errors import UserError
from fmq.base.programs import name_user, own_command_first

OWN = Path(sys.executable).parent


@pytest.mark.parametrize("path", [None, "/usr/bin:/bin"])
def test_the_own_command_comes_first(path, monkeypatch, tmp_path) -> None:
    other = tmp_path / "fmq"
    other.write_text("#!/bin/sh\nexit 3\n")
    other.chmod(0o755)
    if path is None:
        monkeypatch.delenv("PATH")
    else:
        monkeypatch.setenv("PATH", f"{tmp_path}:{path}")
    own_command_first("fmq")
    done = subprocess.run(["fmq", "schema"], stdout=subprocess.DEVNULL)
    assert done.returncode == 0
    assert os.environ["PATH"].split(":")[0] == str(OWN)


def test_a_command_that_only_others_have_is_refused(monkeypatch, tmp_path) -> None:
    (tmp_path / "no-command-of-ours").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError):
        own_command_first("no-command-of-ours")


def test_a_user_without_an_account_has_a_name(monkeypatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda user: {}[user])
    name_user()
    assert getpass.getuser() == str(os.getuid())


@pytest.mark.slow
def test_jobs_run_the_fmq_beside_snakemake(tmp_path) -> None:
    """An environment that is not activated, and another checkout's fmq on PATH."""
    other = tmp_path / "bin" / "fmq"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\nexit 3\n")
    other.chmod(0o755)
    arguments = ["--snakefile", ROOT / "Snakefile", "--configfile", ROOT / "config/smoke.yaml"]
    command = [OWN / "snakemake", "--cores", "1", *arguments, "--until", "dataset"]
    path = {"PATH": f"{other.parent}:/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | path, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
