"""Format foreign text and values for messages: on one line, printable and short."""

import sys
from reprlib import Repr
from typing import Any

LONGEST = 1000
PREFIX = "fmq: "
"""How a line on standard error begins: the reason why a command failed, or one of those below."""
NOTICE = f"{PREFIX}note: "
STOPPED = "stopped as asked"

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


def notice(text: str) -> None:
    """Tell the user something that does not stop the command, in a line on standard error."""
    print(f"{NOTICE}{text}", file=sys.stderr, flush=True)


def one_line(text: str, longest: int = LONGEST) -> str:
    """Return `text` with unprintable characters escaped, and its middle cut out if it is long."""
    if len(text) > longest:
        text = f"{text[: longest // 2]} … {text[-longest // 3 :]}"
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def shown(value: Any) -> str:
    """Return a shortened `repr` of a value, which may be of any size and depth."""
    try:
        return one_line(_SHORT.repr(value))
    except ValueError:  # Python refuses to print integers of more than 4,300 digits
        return "a huge number"
