"""Sphinx configuration of these pages: `make docs` builds them, without network access."""

import os
import re
import sys
from logging import getLogger
from pathlib import Path

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from jupyter_client.manager import KernelManager
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from generate_reference import commands_reference, settings_reference  # noqa: E402

project = html_title = "fmq"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath"]
myst_fence_as_directive = ["math"]  # as on GitHub
myst_heading_anchors = 3
nb_execution_mode = "force"  # at every build: nothing is cached, and notebooks have no outputs
nb_execution_timeout = 1800  # seconds per cell; the longest takes 20 of a free core
nb_execution_show_tb = True
nb_output_stderr = "remove-warn"  # a warning in a cell fails the build, as all warnings do
KernelManager.transport_encryption.default_value = (
    "auto"  # the kernel warns of connections in clear
)
getLogger("traitlets").setLevel("WARNING")  # no line for the start of a notebook
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = html_show_copyright = False
default_role = "code"  # docstrings write code in single backticks
autodoc_typehints = "none"  # the docstrings give the shapes
autodoc_member_order = "bysource"
napoleon_use_ivar = True
napoleon_attr_annotations = False

GENERATED = {"settings": settings_reference, "commands": commands_reference}
"""Pages that end with a part generated from the code."""
TITLES = {"main": "# The default study's table\n\n"}
"""Titles of pages that the workflow wrote."""


def complete_page(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the title before a page, and the generated part after it."""
    source[0] = TITLES.get(page, "") + source[0]
    if page in GENERATED:
        source[0] += "\n" + GENERATED[page]()


def link_repository(app: Sphinx, page: nodes.document) -> None:
    """Turn links to files outside docs/ into downloads, and links to folders into their text."""
    for link in list(page.findall(addnodes.pending_xref)):
        path = (HERE / link["reftarget"].partition("#")[0]).resolve()
        if link.get("refdomain") == "doc":  # myst has removed the suffix
            path = path.with_name(f"{path.name}.md")
        if link["reftype"] != "myst" or path.is_relative_to(HERE) or not path.exists():
            continue
        if path.is_file():
            place = os.path.relpath(path, HERE)
            file = addnodes.download_reference("", "", *link.children, reftarget=place)
            link.replace_self(file)
        else:
            link.replace_self(link.children)


def escape_docstring(app: Sphinx, what: str, name: str, *rest: object) -> None:
    """Escape bars and underscores, since formulas in docstrings are plain text."""
    lines: list[str] = rest[-1]  # type: ignore[assignment]
    lines[:] = [re.sub(r"[|]|(?<=\w)_(?!\w)", r"\\\g<0>", line) for line in lines]


def visit_math(writer: nodes.NodeVisitor, node: nodes.Element) -> None:
    """Write a formula as MathML, which browsers render without scripts or network access."""
    try:
        is_block = isinstance(node, nodes.math_block)
        writer.body.append(str(tex2mathml(node.astext(), as_block=is_block)))
    except MathError as error:
        logging.getLogger(__name__).warning("%s: %s", node.astext(), error, location=node)
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Connect the functions above to Sphinx."""
    app.connect("source-read", complete_page)
    app.connect("doctree-read", link_repository, priority=400)  # before files are collected
    app.connect("autodoc-process-docstring", escape_docstring, priority=400)  # before napoleon
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
