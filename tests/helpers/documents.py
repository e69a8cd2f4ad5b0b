"""The project's Markdown pages and notebooks, read as GitHub reads them."""

import json
import re
import shlex
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
_TOP = ("README.md", "CHANGELOG.md", "config/README.md", "results/README.md")
PAGES = [
    *(ROOT / name for name in _TOP),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs").glob("*.ipynb")),
]
_READER = MarkdownIt("commonmark").enable("table")
_CONTROL = (">", "2>", "|", "&&")


class Block(NamedTuple):
    """A fenced block: its language, empty if none is named, and its first line's number."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def file(self) -> str:
        """What its first line calls it: ``# NAME`` or ``# added to NAME``, empty if neither."""
        first = self.text.partition("\n")[0]
        found = re.match(r"# (?:added to )?([\w./-]+\.\w+)(?::|$)", first)
        return found[1] if found else ""

    @property
    def continues(self) -> bool:
        """Whether it is the end of a block before."""
        return self.text.startswith("# added to ")

    def write(self, folder: Path) -> None:
        """Make the file, or add to it."""
        with (folder / self.file).open("a" if self.continues else "w") as file:
            file.write(self.text)


class Command(NamedTuple):
    """A command line of a block without a language, without what follows a `>` or a `|`."""

    page: Path
    line: int
    words: list[str]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}: {shlex.join(self.words)}"


def _tokens(page: Path) -> list[Token]:
    return _READER.parse(_markdown(page))


def _markdown(page: Path) -> str:
    """A page's text; the code of a notebook is in fenced blocks."""
    text = page.read_text(encoding="utf-8")
    if page.suffix != ".ipynb":
        return text
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(text)["cells"]]
    fenced = {"code": "```python\n{}\n```", "markdown": "{}"}
    return "\n\n".join(fenced[kind].format(source) for kind, source in cells)


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    return [
        Block(page, token.map[0] + 2, token.info.strip(), token.content)
        for token in _tokens(page)
        if token.type == "fence" and token.map
    ]


def commands(page: Path) -> list[Command]:
    """The command lines of a page; a block without a language has nothing else."""
    found = []
    for block in blocks(page):
        if block.language:
            continue
        text = re.sub(r"\\\n", "  ", block.text)
        for number, line in enumerate(text.splitlines(), block.line):
            words = shlex.split(line, comments=True)
            end = min((words.index(sign) for sign in _CONTROL if sign in words), default=None)
            if words:
                found.append(Command(page, number, words[:end]))
    return found


def code_spans(page: Path) -> list[str]:
    """Text in single backticks."""
    inlines = [token for token in _tokens(page) if token.type == "inline"]
    return [
        child.content
        for token in inlines
        for child in token.children or []
        if child.type == "code_inline"
    ]


def links(page: Path) -> list[str]:
    """Targets of links and images."""
    found = []
    for token in _tokens(page):
        for child in token.children or []:
            target = child.attrGet("href") or child.attrGet("src")
            if target:
                found.append(str(target))
    return found


def introduced(page: Path) -> dict[str, Block]:
    """Files that a page shows, by the name in their first line, ``# NAME``.

    A block that begins with ``# added to NAME`` is the end of the one before.
    """
    named: dict[str, Block] = {}
    for block in blocks(page):
        if block.file:
            before = named[block.file].text if block.continues else ""
            named[block.file] = block._replace(text=before + block.text)
    return named


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    tokens = _tokens(page)
    seen: Counter[str] = Counter()
    found = set()
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        text = "".join(child.content for child in inline.children or [])
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found
