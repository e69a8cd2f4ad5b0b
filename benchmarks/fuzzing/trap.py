"""An object in data that shows whether it was executed."""

import os
from typing import Any

MARK = "executed"
"""A file of this name in the working folder shows that something in the data was executed."""


class Trap:
    """An object that leaves a mark when it is unpickled by anything that trusts it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {MARK}",)
