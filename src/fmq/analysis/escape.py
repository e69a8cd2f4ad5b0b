"""Any text as LaTeX and as Markdown: a sign that means something there is shown as it is.

Markdown becomes HTML, so that HTML's signs are escaped with its own.
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
# Inside of a word an underscore is nothing but itself.
_EMPHASIS = re.compile(r"(?<![^\W_])_|_(?![^\W_])")


def plain(text: str) -> str:
    """`text` on a single line, without signs that cannot be printed."""
    return "".join(sign for sign in " ".join(text.split()) if sign.isprintable())


def escape_latex(text: str) -> str:
    """`text` on a single line, with every sign that LaTeX would act on made harmless."""
    return "".join(_LATEX.get(sign, sign) for sign in plain(text))


def escape_markdown(text: str) -> str:
    """`text` on a single line, with every sign that Markdown or HTML would act on made harmless."""
    escaped = "".join(_MARKDOWN.get(sign, sign) for sign in plain(text))
    return _EMPHASIS.sub(r"\_", escaped)
