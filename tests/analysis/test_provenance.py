"""Provenance, and what the analysis may import."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.analysing import make_study

from fmq.analysis.inputs.provenance import (
    collect_provenance,
    commit_words,
    data_sentence,
    provenance_lines,
)
from fmq.base.errors import UserError
from fmq.config.study import Study


def test_it_names_study_data_and_versions(study: Study, manifest: Path) -> None:
    provenance = collect_provenance(study, [manifest])
    assert provenance == json.loads(json.dumps(provenance))
    assert provenance == collect_provenance(study, [manifest])
    assert provenance["study"]["name"] == study.name
    assert provenance["datasets"][0]["sha256"] == {"pointmaze-medium-navigate-v0.npz": "0" * 64}
    assert {"fmq", "torch", "rliable"} <= provenance["versions"].keys()
    assert "not the official data set" in data_sentence(provenance)
    assert not any("\n" in line for line in provenance_lines(provenance))


def test_a_caption_names_the_commit_or_says_why_it_does_not() -> None:
    assert "0123456789ab with uncommitted" in commit_words({"sha1": "0123456789abcdef", "dirty": 1})
    assert "git is asleep" in commit_words({"unknown": "git is asleep"})
    assert "not recorded" in commit_words(None)  # as older versions wrote it


def test_the_hash_follows_the_settings(study: Study) -> None:
    def digest(some: Study) -> str:
        return collect_provenance(some, [])["study"]["sha256"]

    assert digest(study) == digest(make_study())
    assert digest(study) != digest(make_study(seed=1))


def test_data_sets_of_one_source_are_named_together() -> None:
    datasets = [{"name": name, "source": "made up.", "sha256": {}} for name in ("a", "b")]
    assert data_sentence({"datasets": datasets}) == "Data: a, b: made up."


def test_a_missing_manifest_is_named(study: Study, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"manifest\.json"):
        collect_provenance(study, [tmp_path / "manifest.json"])


def test_analysis_never_imports_torch() -> None:
    code = (
        "import sys, pkgutil, importlib, fmq.analysis\n"
        "for one in pkgutil.walk_packages(fmq.analysis.__path__, 'fmq.analysis.'):\n"
        "    importlib.import_module(one.name)\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
