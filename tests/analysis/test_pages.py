"""Pages of the report: complete, and with nothing to be fetched."""

import re
from pathlib import Path

import pytest

from fmq.analysis.tables.pages import write_page, write_settings_page
from fmq.base.errors import UserError
from fmq.config.study import Study


def test_a_table_becomes_a_table(tmp_path: Path) -> None:
    source, target = tmp_path / "main.md", tmp_path / "main.html"
    source.write_text("A caption.\n\n| task | **FMQ** |\n| --- | ---: |\n| a\\_b | 1 & 2 |\n")
    write_page(source, target)
    text = target.read_text()
    assert "<th" in text
    assert "<strong>FMQ</strong>" in text
    assert "<td>a_b</td>" in text
    assert "1 &amp; 2</td>" in text
    assert "<title>main</title>" in text


def test_markup_in_a_name_stays_text(tmp_path: Path) -> None:
    source, target = tmp_path / "x.md", tmp_path / "x.html"
    source.write_text("<script>alert(1)</script>\n")
    write_page(source, target)
    assert "<script>" not in target.read_text()


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.md: no such file"):
        write_page(tmp_path / "none.md", tmp_path / "none.html")
    assert not (tmp_path / "none.html").exists()


def test_settings_are_all_there(study: Study, manifest: Path, tmp_path: Path) -> None:
    write_settings_page(study, [manifest], tmp_path / "settings.html")
    text = tmp_path.joinpath("settings.html").read_text()
    for key, value in (("fmq.eta", "1.0"), ("training.batch_size", "64"), ("seeds", "[0, 1, 2]")):
        assert re.search(rf"<td>{key}</td>\s*<td>{re.escape(value)}</td>", text), key
    assert "ablations.methods.fmq@lsd" in text
    assert "not the official data set" in text
    assert not re.search(r"(src|href)=", text)
