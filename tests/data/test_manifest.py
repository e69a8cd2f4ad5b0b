import hashlib
import json

import pytest

from fmq.base.errors import UserError
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


def fail(function, *arguments):
    """The one line that a person gets to see."""
    with pytest.raises(UserError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


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


def test_a_missing_file_is_named(folder):
    (folder / FILE).unlink()
    assert f"{FILE}: missing" in fail(check_dataset, folder, NAME)


def test_a_cut_off_file_is_named_with_both_sizes(folder):
    (folder / FILE).write_bytes(b"cont")
    assert f"{FILE}: 4 bytes, but 7" in fail(check_dataset, folder, NAME)


def test_a_changed_file_of_the_same_size_is_found(folder):
    (folder / FILE).write_bytes(b"Content")
    assert "SHA-256" in fail(check_dataset, folder, NAME)


def test_the_manifest_of_another_data_set_is_refused(folder):
    message = fail(check_dataset, folder, "scene-play-v0")
    assert NAME in message
    assert "scene-play-v0" in message


def test_no_manifest(tmp_path):
    assert "missing" in fail(read_manifest, tmp_path)
    assert "missing" in fail(read_manifest, tmp_path / "nowhere")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        json.dumps({"name": NAME, "source": "", "files": {}}),
        json.dumps({"name": NAME, "source": "", "files": {FILE: {"bytes": 1}}}),
        json.dumps({"name": NAME, "source": "", "files": {"../f": {"bytes": 1, "sha256": ""}}}),
    ],
)
def test_a_broken_manifest_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    assert "manifest.json: no" in fail(read_manifest, tmp_path)
