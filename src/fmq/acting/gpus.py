"""Find the GPUs of this machine that torch can use, or the reason why it can use none."""

import os
import re
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import NamedTuple

DRIVER_FILE = Path("/proc/driver/nvidia/version")
DRIVERS = {11: 450, 12: 525, 13: 580}
"""Oldest major version of NVIDIA's driver that programs of a CUDA version run on."""
OLDER_BUILD = "a build for CUDA 12.6 (https://download.pytorch.org/whl/cu126)"


class Card(NamedTuple):
    """A GPU, with its memory in bytes, compute capability and unique identifier."""

    name: str
    bytes: int
    capability: tuple[int, int] = (9, 0)
    uuid: str = ""


class Machine(NamedTuple):
    """What torch and the operating system say about GPUs.

    Attributes:
        version: version of torch.
        cuda: CUDA version that torch was built for; None for a CPU build.
        kernels: architectures that torch has kernels for, such as ``sm_90`` or ``compute_120``.
        cards: GPUs that torch sees, in the order of their numbers.
        driver: version of NVIDIA's driver; None if there is none.
        hidden: whether CUDA_VISIBLE_DEVICES hides every GPU.
    """

    version: str
    cuda: str | None = None
    kernels: tuple[str, ...] = ()
    cards: tuple[Card, ...] = ()
    driver: str | None = None
    hidden: bool = False


class Obstacle(NamedTuple):
    """A reason why a GPU cannot be used.

    Attributes:
        part: what it is about: ``torch``, ``GPU driver`` or ``GPU``.
        reason: what is wrong.
        remedy: what to do about it to use the GPU.
    """

    part: str
    reason: str
    remedy: str


def look() -> Machine:
    """Return what this process can find out, without an error where there is nothing."""
    import torch

    with warnings.catch_warnings(action="ignore"):  # `obstacle` says it in one line
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    found = map(torch.cuda.get_device_properties, range(count))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return Machine(
        version=torch.__version__,
        cuda=torch.version.cuda or torch.version.hip,
        kernels=tuple(torch.cuda.get_arch_list()) if count else (),
        cards=tuple(
            Card(one.name, one.total_memory, (one.major, one.minor), str(one.uuid)) for one in found
        ),
        driver=driver(),
        hidden=visible is not None and visible.strip() in ("", "-1"),
    )


def usable(here: Machine) -> list[int]:
    """Return the numbers of the GPUs that torch has kernels for."""
    return [number for number, card in enumerate(here.cards) if _has_kernels(card, here)]


def obstacle(here: Machine, number: int | None = None) -> Obstacle | None:
    """Return why torch cannot use any GPU, or the GPU `number`; None if it can."""
    good = usable(here)
    if good and (number is None or number in good):
        return None
    if number is not None and here.cards and number >= len(here.cards):
        several = f"there is no cuda:{number}, only {_numbers(range(len(here.cards)))}"
        return Obstacle("GPU", several, "name one of these")
    if here.cards:
        card = here.cards[number or 0]
        capability = ".".join(map(str, card.capability))
        told = f"this torch has no kernels for {card.name} (compute capability {capability})"
        other = f"name {_numbers(good)}" if good else f"install {OLDER_BUILD} of the same torch"
        return Obstacle("GPU", told, other)
    if here.driver is None:
        return Obstacle("GPU", "there is no NVIDIA GPU here, or no driver", "install its driver")
    if here.cuda is None:
        told = f"there is an NVIDIA GPU, but torch {here.version} is a build for CPUs"
        return Obstacle("torch", told, "install a CUDA build of the same torch (README.md)")
    if here.hidden:
        return Obstacle("GPU", "CUDA_VISIBLE_DEVICES hides every GPU", "unset it")
    needed = DRIVERS.get(int(here.cuda.partition(".")[0]), 0)
    if int(here.driver.partition(".")[0]) < needed:
        told = (
            f"NVIDIA's driver {here.driver} is too old for this torch, "
            f"which is for CUDA {here.cuda} and needs {needed} or newer"
        )
        return Obstacle("GPU driver", told, f"update the driver, or install {OLDER_BUILD}")
    told = f"torch sees no GPU, although NVIDIA's driver {here.driver} is here"
    return Obstacle("GPU", told, "check that `nvidia-smi` shows one, in a container too")


def _has_kernels(card: Card, here: Machine) -> bool:
    """Return whether a card runs torch's kernels: those of its generation, or newer from PTX.

    ROCm names its architectures otherwise, and supports what it sees.
    """
    found = [re.fullmatch(r"(sm|compute)_(\d+)(\d)[a-z]?", name) for name in here.kernels]
    known = [(one[1], (int(one[2]), int(one[3]))) for one in found if one]
    major, _ = card.capability
    return not known or any(
        made <= card.capability and (kind == "compute" or made[0] == major) for kind, made in known
    )


def _numbers(numbers: range | list[int]) -> str:
    return " or ".join(f"cuda:{number}" for number in numbers)


def driver() -> str | None:
    """Return the version of NVIDIA's driver, from the kernel or its own program; None without."""
    try:
        text = DRIVER_FILE.read_text(encoding="utf-8")
    except OSError:
        text = _asked()
    found = re.search(r"\b\d{3,4}\.\d+(\.\d+)?\b", text)
    return found[0] if found else None


def _asked() -> str:
    program = shutil.which("nvidia-smi")  # Windows' Linux has it, but no such file
    if program is None:
        return ""
    command = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", timeout=20, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
