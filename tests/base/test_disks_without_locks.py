"""A disk whose lock service is down, by a library that refuses flock below a folder."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

SOURCE = """
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <stdio.h>
#include <sys/syscall.h>

/* Replace the C library's: no lock for files whose path begins with $UNLOCKABLE. */
int flock(int descriptor, int operation) {
    char place[64], path[4096] = "";
    const char *folder = getenv("UNLOCKABLE");
    snprintf(place, sizeof place, "/proc/self/fd/%d", descriptor);
    if (readlink(place, path, sizeof path - 1) > 0 && !strncmp(path, folder, strlen(folder))) {
        errno = atoi(getenv("REFUSAL"));
        return -1;
    }
    return syscall(SYS_flock, descriptor, operation);
}
"""
READ = """
import sys
from pathlib import Path
from fmq.base.hdf5 import open_file, read_array
with open_file(Path(sys.argv[1])) as file:
    print(read_array(file, "numbers").tolist())
"""
LOCK = """
import sys
from pathlib import Path
from fmq.base.errors import UserError
from fmq.base.locks import own
try:
    with own(Path(sys.argv[1]), "run"):
        print("locked")
except UserError as error:
    print(error)
"""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler"
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    (folder / "unlockable.c").write_text(SOURCE)
    target = folder / "unlockable.so"
    command = ["cc", "-shared", "-fPIC", "-o", str(target), str(folder / "unlockable.c")]
    subprocess.run(command, check=True)
    return target


def run(library: Path, refusal: int, program: str, path: Path) -> str:
    told = {"LD_PRELOAD": str(library), "UNLOCKABLE": str(path.parent), "REFUSAL": str(refusal)}
    command = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(
        command, env=os.environ | told, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("refusal", [errno.ENOLCK, errno.ENOSYS])
def test_a_file_that_is_only_read_needs_no_lock(
    library: Path, tmp_path: Path, refusal: int
) -> None:
    with h5py.File(tmp_path / "data.hdf5", "w") as file:
        file["numbers"] = [1, 2, 3]
    assert run(library, refusal, READ, tmp_path / "data.hdf5") == "[1, 2, 3]\n"


def test_a_folder_that_cannot_be_locked_says_what_to_do(library: Path, tmp_path: Path) -> None:
    (line,) = run(library, errno.ENOLCK, LOCK, tmp_path / "results").splitlines()
    assert str(tmp_path / "results") in line
    assert "snakemake --directory" in line
