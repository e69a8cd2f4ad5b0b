"""A setting of training that torch cannot fulfil for an update: one line that names it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fmq.errors import UserError
from fmq.messages import one_line


@contextmanager
def told_of(setting: str, what: str, *kinds: type[Exception]) -> Iterator[None]:
    """Around what torch does for a setting: `UserError` for errors of the given kinds.

    Args:
        setting: its name in `training`; false is what always works.
        what: cannot be done, e.g. "torch cannot compile this update".
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except kinds as error:
        reason = one_line(str(error).strip().split("\n")[0], 300)
        raise UserError(
            f"training.{setting}: {what} ({reason}); set training.{setting} to false"
        ) from error
