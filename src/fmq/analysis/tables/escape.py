"""Escape text for LaTeX and Markdown, so that special characters are shown literally.

Markdown is rendered to HTML, so HTML's special characters are escaped along with its own.
"""

import re

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "→": r"$\to$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}

_MARKDOWN = {"&": "&amp;", "<": "&lt;", ">": "&gt;"} | {sign: f"\\{sign}" for sign in "\\`*|[]~$"}
# An underscore within a word is no emphasis and needs no escape.
_EMPHASIS = re.compile(r"(?<![^\W_])_|_(?![^\W_])")


def plain(text: str) -> str:
    """Return `text` on a single line, without unprintable characters."""
    return "".join(sign for sign in " ".join(text.split()) if sign.isprintable())


def escape_latex(text: str) -> str:
    """Return `text` on a single line, with the special characters of LaTeX escaped."""
    return "".join(_LATEX.get(sign, sign) for sign in plain(text))


def escape_markdown(text: str) -> str:
    """Return `text` on a single line, with the special characters of Markdown and HTML escaped."""
    escaped = "".join(_MARKDOWN.get(sign, sign) for sign in plain(text))
    return _EMPHASIS.sub(r"\_", escaped)
