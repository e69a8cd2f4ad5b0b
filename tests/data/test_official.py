"""Official data sets: local copies first, recorded checksums, a manifest that says whence."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from helpers.demonstrations import write_random
from helpers.refusals import refusal
from helpers.serving import serving

from fmq.config import sources
from fmq.config.datasets import ScriptedData
from fmq.config.sources import find_source, remote_files
from fmq.data.generate import generate_dataset
from fmq.data.manifest import check_dataset
from fmq.data.official import fetch_dataset

NAME = "pointmaze-medium-navigate-v0"


def write_npz(path: Path, rows: int = 12, seed: int = 0) -> bytes:
    """A small file of OGBench's layout; returns its bytes."""
    generator = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        observations=generator.normal(size=(rows, 2)).astype(np.float32),
        actions=generator.uniform(-1, 1, (rows, 2)).astype(np.float32),
        qpos=generator.normal(size=(rows, 2)).astype(np.float32),
        terminals=np.arange(rows) % 6 == 5,
    )
    return path.read_bytes()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Path]:
    """A folder behind a real server, and the table of sources pointed at it."""
    folder = tmp_path / "served"
    with serving(folder) as address:
        table = yaml.safe_load(sources.TABLE.read_text())
        for host in table["hosts"].values():
            host["addresses"] = [address]
            host["copies"] = [f"{tmp_path}/usual/"]
        table["datasets"][NAME]["rows"] = 12
        table["datasets"]["lift-mh-low_dim"]["demonstrations"] = 3
        (tmp_path / "sources.yaml").write_text(yaml.safe_dump(table))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sources, "TABLE", tmp_path / "sources.yaml")
            sources._table.cache_clear()
            yield folder
        sources._table.cache_clear()


def publish(folder: Path, **changes: int) -> bytes:
    write_npz(folder / f"{NAME}-val.npz", seed=1)
    return write_npz(folder / f"{NAME}.npz", **changes)


def test_a_download_is_checked_recorded_and_described(served: Path, tmp_path: Path) -> None:
    content = publish(served)
    folder = tmp_path / "data"
    fetch_dataset(NAME, folder, None)
    manifest = check_dataset(folder, NAME)
    assert (folder / f"{NAME}.npz").read_bytes() == content
    digest = hashlib.sha256(content).hexdigest()
    assert (folder / f"{NAME}.npz.sha256").read_text() == f"{digest}  {NAME}.npz\n"
    assert manifest["source"] == "the official data set, ogbench v0"
    assert manifest["files"][f"{NAME}.npz"]["from"].startswith("http://127.0.0.1")


def test_what_is_already_in_the_folder_needs_no_network(served: Path, tmp_path: Path) -> None:
    publish(served)
    fetch_dataset(NAME, tmp_path / "data", None)
    for file in served.iterdir():
        file.unlink()
    (tmp_path / "data" / "manifest.json").unlink()
    fetch_dataset(NAME, tmp_path / "data", None)
    check_dataset(tmp_path / "data", NAME)


def test_other_bytes_than_the_first_download_s_are_refused(served: Path, tmp_path: Path) -> None:
    publish(served)
    folder = tmp_path / "data"
    fetch_dataset(NAME, folder, None)
    for name in (f"{NAME}.npz", "manifest.json"):
        (folder / name).unlink()
    publish(served, seed=5)
    assert "SHA-256 is " in refusal(fetch_dataset, NAME, folder, None)
    assert not (folder / f"{NAME}.npz").exists()
    assert not (folder / "manifest.json").exists()


@pytest.mark.parametrize("place", ["given", "usual"])
def test_a_local_copy_is_linked_to(served: Path, tmp_path: Path, place: str) -> None:
    content = publish(tmp_path / place)
    folder = tmp_path / "data"
    fetch_dataset(NAME, folder, tmp_path / "given")
    assert (folder / f"{NAME}.npz").is_symlink()
    assert (folder / f"{NAME}.npz").read_bytes() == content
    entry = json.loads((folder / "manifest.json").read_text())["files"][f"{NAME}.npz"]
    assert entry["from"] == str(tmp_path / place / f"{NAME}.npz")


def test_a_copy_that_is_the_file_itself_is_no_link_to_itself(
    served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = publish(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    fetch_dataset(NAME, Path("data"), tmp_path / "data")
    assert not (tmp_path / "data" / f"{NAME}.npz").is_symlink()
    assert (tmp_path / "data" / f"{NAME}.npz").read_bytes() == content


def cut_off(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:-40])


def widen(copy: Path) -> None:
    with np.load(copy) as arrays:
        wider = dict(arrays)
    wider["observations"] = np.pad(wider["observations"], ((0, 0), (0, 1)))
    np.savez(copy, **wider)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(cut_off, "damaged"), (widen, "3 numbers per row, but pointmaze-medium-v0 has 2")],
)
def test_a_copy_that_is_no_good_is_passed_over_aloud(
    served: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    reason: str,
) -> None:
    content = publish(served)
    copy = tmp_path / "given" / f"{NAME}.npz"
    write_npz(copy)
    spoil(copy)
    fetch_dataset(NAME, tmp_path / "data", tmp_path / "given")
    assert (tmp_path / "data" / f"{NAME}.npz").read_bytes() == content
    told = capsys.readouterr().err
    assert f"passed over: {copy}" in told
    assert reason in told


@pytest.mark.parametrize("rows", [6, 18])
def test_another_number_of_rows_is_refused(served: Path, tmp_path: Path, rows: int) -> None:
    publish(served, rows=rows)
    told = refusal(fetch_dataset, NAME, tmp_path / "data", None)
    assert f"{rows} rows, but the official file has 12" in told
    assert not list((tmp_path / "data").glob("*.npz"))


def test_without_any_source_one_line_names_the_addresses(served: Path, tmp_path: Path) -> None:
    told = refusal(fetch_dataset, NAME, tmp_path / "data", None)
    assert all(word in told for word in ("127.0.0.1", "404", "data_dir"))


def test_without_a_home_no_copy_is_looked_for_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(file.copies for file in remote_files("cube-single-play-v0"))
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda user: {}[user])
    assert not any(file.copies for file in remote_files("cube-single-play-v0"))


def test_every_entry_of_the_table_has_addresses_of_its_files() -> None:
    """The table as committed: a primary address and a mirror over TLS, a format, a version."""
    for name in yaml.safe_load(sources.TABLE.read_text())["datasets"]:
        assert find_source(name).version
        for file in remote_files(name):
            assert len(file.addresses) >= 2
            assert all(address.startswith("https://") for address in file.addresses)
            assert all(address.endswith((".npz", ".hdf5")) for address in file.addresses)


def test_an_unknown_data_set_is_refused() -> None:
    assert "no official source is known for 'nothing-v0'" in refusal(find_source, "nothing-v0")


@pytest.mark.usefixtures("robosuite", "served")
@pytest.mark.slow
def test_a_robomimic_file_is_held_against_the_simulator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A copy whose `object` vector has the order of robosuite 1.4.1 is as long, and passed over."""
    name = "lift-mh-low_dim"
    copy = tmp_path / "given" / "lift" / "mh" / "low_dim_v15.hdf5"
    copy.parent.mkdir(parents=True)
    write_random(copy, "Lift", episodes=3, steps=4)
    fetch_dataset(name, tmp_path / "data", tmp_path / "given")
    assert (tmp_path / "data" / f"{name}.hdf5").resolve() == copy
    with h5py.File(copy, "r+") as file:
        for demonstration in file["data"].values():
            for part in ("obs", "next_obs"):
                values = demonstration[f"{part}/object"]
                values[...] = np.roll(values[()], 3, axis=1)
    refusal(fetch_dataset, name, tmp_path / "again", tmp_path / "given")
    assert "order of `object`" in capsys.readouterr().err


def test_a_generated_file_never_passes_for_the_official_one(served: Path, tmp_path: Path) -> None:
    content = publish(served)
    folder = tmp_path / "data"
    scripted = ScriptedData(
        source="scripted",
        episodes=2,
        validation_episodes=1,
        episode_length=5,
        action_noise=0.2,
        seed=0,
    )
    generate_dataset(NAME, scripted, folder, processes=1)
    fetch_dataset(NAME, folder, None)
    assert (folder / f"{NAME}.npz").read_bytes() == content
    generate_dataset(NAME, scripted, folder, processes=1)
    assert not list(folder.glob("*.sha256"))
