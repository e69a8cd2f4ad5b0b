"""Report that torch cannot fulfil a training setting, in one line that names the setting."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fmq.base.errors import UserError
from fmq.base.messages import one_line

REFUSALS = {
    "capture": ("this update cannot be recorded as a CUDA graph", "false"),
    "compile": ("torch cannot compile this update", "never"),
    "stack_seeds": ("this update cannot be made for several seeds at once", "false"),
}
"""What the message says for each setting of `training`, and the value that always works."""


@contextmanager
def told_of(setting: str, *kinds: type[Exception]) -> Iterator[None]:
    """Turn errors of the given kinds that torch raises for a setting into a `UserError`.

    Args:
        setting: a key of `REFUSALS`.
    """
    what, off = REFUSALS[setting]
    try:
        yield
    except (torch.OutOfMemoryError, UserError):
        raise
    except kinds as error:
        reason = one_line(str(error).strip().split("\n")[0], 300)
        raise UserError(
            f"training.{setting}: {what} ({reason}); set training.{setting} to {off}"
        ) from error
