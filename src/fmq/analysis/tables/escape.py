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
    "²": "$^2$",
    "−": "$-$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}

_SMALL = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau"
_GREEK = dict(zip("αβγδεζηθικλμνξπρστ", _SMALL.split(), strict=True))
_GREEK |= dict(zip("υφχψω", ("upsilon", "phi", "chi", "psi", "omega"), strict=True))
_CAPITAL = "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
_GREEK |= dict(zip("ΓΔΘΛΞΠΣΥΦΨΩ", _CAPITAL.split(), strict=True))
_LATEX |= {sign: rf"\ensuremath{{\{name}}}" for sign, name in _GREEK.items()}

_IN_FONTS = {chr(number) for number in (*range(0x80), 0xA0, *range(0xC0, 0x100))} - set("ÐðÞþ")
_IN_FONTS |= set("ČčĎďĚěŇňŘřŠšŤťŮůŽžĆćŁłŃńŚśŹźŻżŐőŰűŒœ–—‘’“”…")
"""What LaTeX sets by itself, in its oldest encoding: letters with accents, and quotation marks."""

_MARKDOWN = {"&": "&amp;", "<": "&lt;", ">": "&gt;"} | {sign: f"\\{sign}" for sign in "\\`*|[]~$"}
# An underscore within a word is no emphasis and needs no escape.
_EMPHASIS = re.compile(r"(?<![^\W_])_|_(?![^\W_])")


def plain(text: str) -> str:
    """Return `text` on a single line, without unprintable characters."""
    return "".join(sign for sign in " ".join(text.split()) if sign.isprintable())


def escape_latex(text: str) -> str:
    """Return `text` on a single line, with the special characters of LaTeX escaped.

    A letter that LaTeX's own fonts lack, at which it would stop, becomes its number, as in U+0416.
    """
    return "".join(
        sign if sign in _IN_FONTS and sign not in _LATEX else _LATEX.get(sign, f"U+{ord(sign):04X}")
        for sign in plain(text)
    )


def escape_markdown(text: str) -> str:
    """Return `text` on a single line, with the special characters of Markdown and HTML escaped."""
    escaped = "".join(_MARKDOWN.get(sign, sign) for sign in plain(text))
    return _EMPHASIS.sub(r"\_", escaped)
