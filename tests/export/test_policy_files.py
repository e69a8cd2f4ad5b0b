"""Published policies, from a server on this machine to the table beside the reported figures."""

import hashlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
import yaml
from helpers.analysing import analyse
from helpers.authors import SMALL, SOURCE, point, publish, published, spoil
from helpers.refusals import refusal
from helpers.serving import serving
from helpers.studies import changed

from fmq.acting.evaluation import evaluate_checkpoints
from fmq.config import sources
from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.data.manifest import read_manifest
from fmq.data.provide import provide_dataset
from fmq.export.imported_runs import import_run
from fmq.export.policy_files import fetch_policy
from fmq.pipeline.graph import study_runs
from fmq.pipeline.paths import manifest_file
from fmq.pipeline.policies import policy_path
from fmq.pipeline.runs import make_run
from fmq.tools.doctor.data_files import imported_findings
from fmq.tools.doctor.machine import bytes_to_come
from fmq.tools.status.examine import examine

TASKS = [
    "cube-double-play-singletask-task3-v0",
    "antmaze-giant-navigate-singletask-task5-v0",
]
CUBE, ANT = TASKS
NAMES = ("FMQ, authors'", "FMQ, authors'+QGBS")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Four policies behind a real server, and the table of sources pointed at it."""
    publish(tmp_path / "served", TASKS, (0, 1))
    with serving(tmp_path / "served") as address:
        point(tmp_path / "sources.yaml", f"{address}gone/", address)  # a dead one and a mirror
        monkeypatch.setattr(sources, "TABLE", tmp_path / "sources.yaml")
        sources._table.cache_clear()
        yield tmp_path / "served"
    sources._table.cache_clear()


@pytest.fixture
def study(root: Path, tmp_path: Path) -> Study:
    """The authors' study with two tasks, two seeds, small networks and short episodes."""
    limits = {task: {"episode_limit": 10} for task in TASKS}
    small = {"tasks": TASKS, "seeds": [0, 1], "task_settings": limits} | yaml.safe_load(SMALL)
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(small))
    files = [root / name for name in ("config.yaml", "config/paper.yaml", "config/authors.yaml")]
    return load_study(*files, tmp_path / "small.yaml")


def path_of(study: Study, task: str, seed: int, results: Path) -> Path:
    return policy_path(study.imported["authors"], task, seed, results)


def test_two_tasks_and_two_seeds_stand_beside_the_reported(
    served: Path, study: Study, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    for name in study.dataset_names():
        provide_dataset(study, name, results, processes=1)
    for task, seed in product(TASKS, (0, 1)):
        fetch_policy(study, SOURCE, task, seed, results)
        run = make_run(study, task, seed, "finetune-authors")
        import_run(run, results)
        for sampler in ("best_of_n", "qgbs"):
            evaluate_checkpoints([run], sampler, results)
    assert {state.state for state in examine(study, results)} == {"done"}
    manifests = [manifest_file(study, name, results) for name in study.dataset_names()]
    tables = analyse(study, results, tmp_path / "study", manifests) / "tables"
    found = pd.read_csv(tables / "reported.csv")
    assert list(zip(found["task"], found["label"], strict=True)) == [*product(TASKS, NAMES)]
    assert list(found["reported"]) == [100, 100, 92, 92]
    assert list(found["value"] - found["reported"]) == list(found["difference"])
    assert list(found["meet"]) == [0, 0, 0, 0]  # random networks solve nothing
    text = (tables / "reported.md").read_text().replace("\xa0", " ")
    assert "They do in 0 of 4 rows." in text
    text = text.replace("\\", "")
    assert "| cube-double task3 | FMQ, authors' | 0.0 [0.0, 0.0] | 100.0 [100.0, 100.0] |" in text
    assert "| antmaze-giant task5 | FMQ, authors' | 0.0 [0.0, 0.0] | 92.0 [87.0, 97.0] |" in text
    main = (tables / "main.md").read_text().replace("\xa0", " ")
    assert "no data, only the simulator" in main
    assert "*reported, FMQ paper* | *100 ± 0* | *100 ± 0*" in main


def test_the_first_file_is_recorded_and_enforced(
    served: Path, study: Study, tmp_path: Path
) -> None:
    fetch_policy(study, SOURCE, CUBE, 0, tmp_path)
    path = path_of(study, CUBE, 0, tmp_path)
    digest = hashlib.sha256(published(served, CUBE, 0).read_bytes()).hexdigest()
    assert path.name == "cdp3-params_online_sd000.pkl"
    assert path.with_name(f"{path.name}.sha256").read_text() == f"{digest}  {path.name}\n"
    (entry,) = read_manifest(path.parent)["files"].values()
    assert (entry["sha256"], entry["from"].endswith("/cdp3/params_online_sd000.pkl")) == (
        digest,
        True,
    )
    assert "/gone/" not in entry["from"]
    path.unlink()
    published(served, CUBE, 0).write_bytes(published(served, CUBE, 1).read_bytes())
    assert "SHA-256 is " in refusal(fetch_policy, study, SOURCE, CUBE, 0, tmp_path)
    path.write_bytes(published(served, CUBE, 1).read_bytes())
    run = make_run(study, CUBE, 0, "finetune-authors")
    assert "changed since it was accepted; delete" in refusal(import_run, run, tmp_path)


def test_a_local_copy_goes_first(served: Path, study: Study, tmp_path: Path) -> None:
    publish(tmp_path / "copies", [ANT], [1])
    given = study.model_copy(update={"data_dir": str(tmp_path / "copies")})
    fetch_policy(given, SOURCE, ANT, 1, tmp_path)
    path = path_of(given, ANT, 1, tmp_path)
    assert path.resolve() == published(tmp_path / "copies", ANT, 1)


def test_damaged_files_are_refused_on_one_line(served: Path, study: Study, tmp_path: Path) -> None:
    damaged = [(CUBE, 0), (ANT, 0), (ANT, 1)]
    spoil(served, damaged)
    told = [refusal(fetch_policy, study, SOURCE, *place, tmp_path) for place in damaged]
    for line, reason in zip(told, ("damaged", "no critics", "404"), strict=True):
        assert reason in line
        assert "\n" not in line
    assert not any(path_of(study, *place, tmp_path).exists() for place in damaged)
    fetch_policy(study, SOURCE, CUBE, 1, tmp_path)
    (finding,) = imported_findings(study, tmp_path)
    assert finding.mark == "FAIL"
    assert "1 of 4 files, e.g. ag5/params_online_sd001.pkl: neither on this" in finding.found
    assert bytes_to_come(study, tmp_path) == 3 * 50_000_000
    published(served, ANT, 1).write_bytes(b"served")
    (finding,) = imported_findings(study, tmp_path)
    assert (finding.mark, finding.found[:34]) == ("ok", "3 of 4 files will be downloaded fr")


def test_the_run_is_named_by_source_version_and_path(served: Path, study: Study) -> None:
    for stacked, files in ((True, len(TASKS)), (False, len(TASKS) * 2)):  # by task, by file
        changes = {"training": {"stack_seeds": stacked}}
        runs = study_runs(changed(study, changes))
        assert len({run.identity for run in runs if run.kind == "authors"}) == files
    before = make_run(study, CUBE, 0, "finetune-authors").identity
    table = yaml.safe_load(sources.TABLE.read_text())
    table["policies"][SOURCE]["version"] = "v2"
    sources.TABLE.write_text(yaml.safe_dump(table))
    sources._table.cache_clear()
    assert make_run(study, CUBE, 0, "finetune-authors").identity != before
