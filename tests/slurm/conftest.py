"""A real Slurm of one node, started for these tests and stopped after them."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

CONFIGURATION = Path("/etc/slurm")  # `srun` inside a job looks nowhere else
DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch")

SLURM = """\
ClusterName=fmq
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=cred_expire=10
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=0
ReturnToService=2
MinJobAge=300
InactiveLimit=0
KillWait=3
Waittime=0
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
GresTypes=gpu,shard
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory={memory} Gres=gpu:fake:2,shard:8 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=1-00:00:00 State=UP
"""
GRES = """\
NodeName={host} Name=gpu Type=fake File=/dev/tty[0-1]
NodeName={host} Name=shard Count=8
"""  # devices that every Linux has, and four shares of each
CGROUP = "CgroupAutomount=no\n"
FILES = {"slurm.conf": SLURM, "gres.conf": GRES, "cgroup.conf": CGROUP}


def _missing() -> str | None:
    """Why no Slurm can be started here."""
    if os.geteuid():
        return "starting Slurm takes root"
    absent = [name for name in DAEMONS if shutil.which(name) is None]
    if absent:
        packages = "slurmctld slurmd slurm-client munge"
        return f"no {', '.join(absent)} here: apt-get install --no-install-recommends {packages}"
    taken = [CONFIGURATION / name for name in FILES if (CONFIGURATION / name).exists()]
    return f"{taken[0]} belongs to another Slurm" if taken else None


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _wait_until_idle() -> None:
    deadline = time.monotonic() + 30
    while (
        "idle"
        not in subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True).stdout
    ):
        if time.monotonic() > deadline:
            pytest.fail("the Slurm node did not come up in 30 s")
        time.sleep(0.3)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cluster's folder, with its logs."""
    reason = _missing()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("slurm")
    folder.chmod(0o755)
    host = socket.gethostname().partition(".")[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    CONFIGURATION.mkdir(exist_ok=True)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    Path("/run/munge").mkdir(exist_ok=True)  # of its socket, which clients look for there
    munge = folder / "munge"
    munge.mkdir(mode=0o700)
    (munge / "key").write_bytes(os.urandom(128))
    (munge / "key").chmod(0o400)
    try:
        for name, text in FILES.items():
            (folder / name).write_text(text.format(host=host, folder=folder, memory=memory))
            (CONFIGURATION / name).unlink(missing_ok=True)  # a link that leads nowhere any more
            (CONFIGURATION / name).symlink_to(folder / name)
        options = [f"--{kind}-file={munge / kind}" for kind in ("pid", "log", "seed")]
        _run("munged", "--force", f"--key-file={munge / 'key'}", *options)
        _run("slurmctld", "-c")
        _run("slurmd")
        _wait_until_idle()
        yield folder
    finally:
        subprocess.run(["scancel", "--me"], capture_output=True)
        for pid_file in ("slurmd.pid", "slurmctld.pid", "munge/pid"):
            if (folder / pid_file).exists():
                os.kill(int((folder / pid_file).read_text()), 15)
        for name in FILES:
            (CONFIGURATION / name).unlink(missing_ok=True)
