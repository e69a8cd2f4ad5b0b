"""A policy is loaded and acts where only torch, numpy and safetensors are installed."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.policies import small_policy

from fmq.export.loading import load_exported

CODE = """
import json, sys
from importlib.abc import MetaPathFinder

ALLOWED = {*sys.stdlib_module_names, "fmq", "torch", "numpy", "safetensors"}
BROUGHT = {"typing_extensions", "sympy", "mpmath", "jinja2", "markupsafe", "networkx", "fsspec"}
ALLOWED |= BROUGHT | {"filelock", "setuptools", "torchgen", "functorch"}  # by torch itself


class NothingElse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in ALLOWED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, NothingElse())
from fmq import load_policy
for sampler in json.loads(sys.argv[2]):
    policy = load_policy(sys.argv[1], sampler, seed=4)
    observations = [[1.0] * len(policy.normalizer.mean)]
    import numpy
    print(json.dumps(policy.act(numpy.array(observations, dtype="f4")).tolist()))
try:
    load_policy("somebody/policy")
except Exception as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("light") / "policy"
    small_policy(folder)
    return folder


def test_three_packages_are_enough_to_load_and_act(policy: Path, tmp_path: Path) -> None:
    samplers = ["one_step", "euler", "best_of_n", "best_of_n_euler", "qgbs"]
    command = [sys.executable, "-c", CODE, str(policy), json.dumps(samplers)]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    *chunks, (kind, told) = map(json.loads, ended.stdout.splitlines())
    for sampler, chunk in zip(samplers, chunks, strict=True):
        here = load_exported(policy, sampler, seed=4).act(np.ones((1, 2), dtype=np.float32))
        np.testing.assert_allclose(chunk, here, rtol=0, atol=1e-6)
    assert kind == "UserError"
    assert "pip install 'huggingface_hub>=1'" in told
