"""Where a process computes."""

import torch

from fmq.errors import UserError
from fmq.settings import Study


def choose_device(study: Study) -> torch.device:
    """The device that the settings name; also sets this process's CPU threads.

    Raises:
        UserError: a GPU is asked for and there is none.
    """
    torch.set_num_threads(study.threads)
    available = torch.cuda.is_available()
    if study.device == "auto":
        return torch.device("cuda" if available else "cpu")
    if study.device.startswith("cuda") and not available:
        raise UserError(f"device {study.device!r}: no GPU is visible here; use auto or cpu")
    return torch.device(study.device)
