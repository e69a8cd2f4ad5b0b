"""Links, paths and names that the pages mention lead somewhere."""

import pkgutil
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from helpers.documents import PAGES, ROOT, anchors, code_spans, links

from fmq.config.sections import FMQSettings

FOLDERS = "src|config|docs|benchmarks|tests|workflow|slurm|profiles"
PAGE_NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def dangling(page: Path) -> list[str]:
    """Links of a page to files or headings that are not there."""
    lost = []
    for target in links(page):
        if re.match(r"[a-z]+:", target):
            continue  # of another site
        place, _, anchor = unquote(target).partition("#")
        file = page.parent / place if place else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            lost.append(target)
    return lost


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    assert dangling(page) == []


def test_a_link_to_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A `b`, c\n\n## Twice\n\n## Twice\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Here\n\n[a](other.md#a-b-c) [b](other.md#twice-1) [c](#here) <https://d.org>\n\n"
        "[e](none.md) [f](other.md#twice-2) [g](#there) ![h](none.png)\n"
    )
    assert dangling(page) == ["none.md", "other.md#twice-2", "#there", "none.png"]


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_paths_in_code_exist(page: Path) -> None:
    """`src/fmq/method/flow.py`, also as `flow.py::function` or with a closing slash."""
    spans = [span for span in code_spans(page) if re.fullmatch(rf"({FOLDERS})/[\w./-]*", span)]
    roots = (ROOT, ROOT / "src" / "fmq")
    assert [span for span in spans if not any((root / span).exists() for root in roots)] == []


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_names_of_the_package_exist(page: Path) -> None:
    """`fmq.method.flow.esd_loss` and the like."""
    names = [match[0] for span in code_spans(page) if (match := re.match(r"fmq(\.\w+)+", span))]
    assert [name for name in names if not is_name(name)] == []


def is_name(name: str) -> bool:
    """Whether it is of a module, of something in one, or of a setting in the section `fmq`."""
    if name.removeprefix("fmq.") in FMQSettings.model_fields:
        return True
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_a_name_that_is_none_is_found() -> None:
    assert is_name("fmq.method.flow")
    assert is_name("fmq.eta")
    assert is_name("fmq.training.learner.Learner.drift")
    assert not is_name("fmq.method.flow.esd_lost")
    assert not is_name("fmq.flows")
