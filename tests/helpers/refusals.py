"""What a person reads when something is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from fmq.base.errors import UserError


def refusal(function: Callable[..., object], *arguments: Any, **options: Any) -> str:
    """The line that a call ends with: printable, and not too long to be read."""
    with pytest.raises(UserError) as caught:
        function(*arguments, **options)
    line = str(caught.value)
    assert line.isprintable()
    assert len(line) < 1500
    return line
