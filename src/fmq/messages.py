"""Foreign text and values in messages: on one line, in plain sight, and short."""

from reprlib import Repr
from typing import Any

LONGEST = 1000

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


def one_line(text: str, longest: int = LONGEST) -> str:
    """`text` with line breaks and control characters escaped, and its middle left out if long."""
    if len(text) > longest:
        text = f"{text[: longest // 2]} … {text[-longest // 3 :]}"
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def shown(value: Any) -> str:
    """A value as Python writes it, shortened: what a file holds may be of any size and depth."""
    try:
        return one_line(_SHORT.repr(value))
    except ValueError:  # Python writes no integers of over 4,300 digits
        return "a huge number"
