import hashlib
import json

import pytest
from helpers.refusals import refusal

from fmq.base.files import file_sha256
from fmq.data.manifest import check_dataset, find_datasets, read_manifest, write_manifest

NAME = "pointmaze-medium-navigate-v0"
FILE = f"{NAME}.npz"


@pytest.fixture
def folder(tmp_path):
    """A folder with a data set of one file and its manifest."""
    (tmp_path / FILE).write_bytes(b"content")
    entry = {"bytes": 7, "sha256": file_sha256(tmp_path / FILE)}
    write_manifest(tmp_path, {"name": NAME, "source": "test", "files": {FILE: entry}})
    return tmp_path


def test_sha256(tmp_path):
    (tmp_path / "file").write_bytes(b"a" * 100_000)
    assert file_sha256(tmp_path / "file") == hashlib.sha256(b"a" * 100_000).hexdigest()


def test_an_intact_data_set_passes_and_its_manifest_is_returned(folder):
    assert check_dataset(folder, NAME) == read_manifest(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", FILE]


def test_the_complete_folders_of_a_data_set_are_found_in_the_results(tmp_path):
    for folder, name in (("cube-1", "cube"), ("cube-2", "cube"), ("cube-double-1", "cube-double")):
        files = {"file": {"bytes": 1, "sha256": folder[-1] * 64}}
        manifest = {"name": name, "source": "test", "files": files}
        write_manifest(tmp_path / "datasets" / folder, manifest)
    (tmp_path / "datasets" / "cube-3").mkdir()
    (tmp_path / "datasets" / "cube-4").mkdir()
    (tmp_path / "datasets" / "cube-4" / "manifest.json").write_text("{")
    found = {path.name: digests for path, digests in find_datasets("cube", tmp_path)}
    assert found == {"cube-1": {"file": "1" * 64}, "cube-2": {"file": "2" * 64}}


def test_a_manifest_that_is_no_json_value_leaves_the_old_one(folder):
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(TypeError):
        write_manifest(folder, {"name": object()})
    assert (folder / "manifest.json").read_bytes() == before
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, f"{FILE}: missing"),
        (b"cont", f"{FILE}: 4 bytes, but 7"),
        (b"Content", f"{FILE}: its SHA-256 is not"),
    ],
)
def test_a_file_that_is_not_the_manifest_s_is_named(folder, content, reason):
    (folder / FILE).unlink()
    if content is not None:
        (folder / FILE).write_bytes(content)
    assert reason in refusal(check_dataset, folder, NAME)


def test_the_manifest_of_another_data_set_is_refused(folder):
    told = refusal(check_dataset, folder, "scene-play-v0")
    assert f"describes '{NAME}', expected 'scene-play-v0'" in told


def test_no_manifest(tmp_path):
    assert "missing" in refusal(read_manifest, tmp_path)
    assert "missing" in refusal(read_manifest, tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"name": "a", "name": "b"}'])
def test_what_is_no_plain_json_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    assert "manifest.json: not JSON" in refusal(read_manifest, tmp_path)


ENTRY = {"bytes": 1, "sha256": "0" * 64}
WHOLE = {"name": "a", "source": "b", "files": {"f": ENTRY}}


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        *(WHOLE | {"files": {"f": ENTRY | {"bytes": size}}} for size in (True, 1.5, -1)),
        *(WHOLE | {"files": {"f": ENTRY | {"sha256": text}}} for text in ("", "0x")),
        *(WHOLE | {"files": {name: ENTRY}} for name in ("..", "../f", "a" * 300)),
        *(WHOLE | {"files": files} for files in ({}, {"f": {"bytes": 1}})),
        *(WHOLE | {"name": name} for name in ("", "a\nb")),
        WHOLE | {"source": None},
    ],
)
def test_other_values_are_no_manifest(tmp_path, value):
    (tmp_path / "manifest.json").write_text(json.dumps(WHOLE))
    assert read_manifest(tmp_path) == WHOLE
    (tmp_path / "manifest.json").write_text(json.dumps(value))
    assert "not a data-set manifest" in refusal(read_manifest, tmp_path)
