"""What is made of versions, cards, disks and addresses, without looking at this machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from fmq.acting.gpus import Card, Machine
from fmq.base.programs import TOO_SLOW, run_python
from fmq.config.sources import RemoteFile
from fmq.tools.doctor.data_files import judge_missing
from fmq.tools.doctor.findings import as_text
from fmq.tools.doctor.machine import judge_disk, judge_gpu, judge_processor
from fmq.tools.doctor.packages import declared, judge_package, judge_python, pinned_versions
from fmq.tools.doctor.simulators import judge_simulator, no_rendering

FILE = RemoteFile(
    "can-mh-low_dim.hdf5",
    "can/mh/low_dim_v15.hdf5",
    tuple(f"https://{host}.example/v1.5/can/mh/low_dim_v15.hdf5" for host in ("first", "mirror")),
    (),
    None,
)

versions = st.from_regex(r"[0-4]\.[0-9]{1,2}\.[0-9](rc1|\+cpu)?", fullmatch=True)
devices = st.sampled_from(["auto", "cpu", "cuda", "cuda:0", "cuda:1", "cuda:12"])
capabilities = st.tuples(st.integers(5, 13), st.integers(0, 9))
cards = st.lists(st.builds(Card, st.just("H200"), st.integers(1, 2**38), capabilities), max_size=3)
machines = st.builds(
    Machine,
    versions,
    cuda=st.none() | st.sampled_from(["12.6", "13.0", "7.2.53211"]),
    kernels=st.just(()) | st.just(("sm_75", "sm_90", "compute_120")),
    cards=cards.map(tuple),
    driver=st.none() | st.sampled_from(["535.104.05", "580.65.06"]),
    hidden=st.booleans(),
)
faults = st.sampled_from([None, TOO_SLOW, "ImportError: no EGL"])
findings = st.one_of(
    st.builds(judge_python, versions, st.just(">=3.11,<3.13")),
    st.builds(
        judge_package,
        st.sampled_from(["numpy>=1.26,<2", "mink==0.0.5", "pandas-stubs"]).map(Requirement),
        st.none() | versions,
        st.none() | versions,
    ),
    st.builds(judge_gpu, devices, machines, st.booleans()).flatmap(st.sampled_from),
    st.builds(judge_disk, st.integers(0, 2**40), st.integers(0, 2**40)),
    st.builds(
        judge_processor,
        st.integers(1, 256),
        st.none() | st.floats(0.01, 512),
        st.integers(2**28, 2**40),
    ),
    st.builds(judge_simulator, st.just("cube-v0"), faults, st.none() | st.just("egl")),
    st.builds(no_rendering, st.dictionaries(st.sampled_from(["egl", "osmesa"]), st.text())),
    st.builds(
        judge_missing,
        st.just(FILE),
        st.fixed_dictionaries({a: st.none() | st.just("no connection") for a in FILE.addresses}),
        st.none() | st.just("/data"),
    ),
)


@given(findings)
def test_whatever_is_not_ok_has_a_remedy(finding):
    assert (finding.mark == "ok") == (finding.remedy == "")
    assert finding.found
    assert as_text(finding).startswith(finding.mark)


@pytest.mark.parametrize(
    ("version", "mark"),
    [("3.10.14", "FAIL"), ("3.11.0", "ok"), ("3.12.9", "ok"), ("3.13.0", "FAIL")],
)
def test_python(version, mark):
    assert judge_python(version, ">=3.11,<3.13").mark == mark


@pytest.mark.parametrize(
    ("requirement", "version", "tested", "mark", "remedy"),
    [
        ("numpy>=1.26,<2", "1.26.4", "1.26.4", "ok", ""),
        ("numpy>=1.26,<2", "1.26.3", "1.26.4", "note", "pip install 'numpy==1.26.4'"),
        ("numpy>=1.26,<2", "1.26.3", None, "ok", ""),
        ("numpy>=1.26,<2", "2.1.0", "1.26.4", "FAIL", "pip install 'numpy==1.26.4'"),
        ("numpy<2,>=1.26", None, None, "FAIL", "pip install 'numpy<2,>=1.26'"),
        ("pandas>=2.2,<3", "3.0.0", None, "FAIL", "rliable fails"),
        ("pandas>=2.2,<3", "2.1.0", "2.3.3", "FAIL", "pip install 'pandas==2.3.3'"),
        ("mujoco>=3.3,<3.4", "3.11.0", None, "FAIL", "robosuite breaks"),
        ("torch==2.13.0", "2.13.0+cpu", "2.13.0", "ok", ""),
        ("torch==2.13.0", "2.14.0+cu130", "2.13.0", "FAIL", "pip install 'torch==2.13.0'"),
        ("h5py>=3.11", "3.16.0rc1", None, "ok", ""),
        ("h5py", None, None, "FAIL", "pip install 'h5py'"),
    ],
)
def test_package(requirement, version, tested, mark, remedy):
    finding = judge_package(Requirement(requirement), version, tested)
    assert finding.mark == mark
    assert remedy in finding.remedy


def test_the_reason_belongs_to_versions_that_are_too_new():
    finding = judge_package(Requirement("pandas>=2.2,<3"), "2.1.0", None)
    assert "rliable" not in finding.remedy


def test_pins_are_read_by_the_name_pip_compares(tmp_path):
    (tmp_path / "constraints.txt").write_text("# pins\nPyYAML==6.0.3  # why\ndm_control == 1.0\n\n")
    assert pinned_versions(tmp_path) == {"pyyaml": "6.0.3", "dm-control": "1.0"}


def test_without_a_checkout_the_installed_metadata_counts(tmp_path, root):
    assert pinned_versions(tmp_path) == {}
    for place in (tmp_path, root):
        python, lines = declared(place)
        requirements = {one.name: one for one in map(Requirement, lines)}
        assert SpecifierSet(python).contains("3.12")
        assert requirements["torch"].marker is None
        assert str(requirements["robosuite"].marker) == 'extra == "robomimic"'


CARD = Card("NVIDIA H200", 140 * 2**30)
CPU_BUILD = Machine("2.13.0+cpu")
CUDA_BUILD = Machine("2.13.0", cuda="13.0", driver="580.65.06")
ON_A_GPU = CUDA_BUILD._replace(cards=(CARD,), kernels=("sm_80", "sm_90"))


@pytest.mark.parametrize(
    ("device", "here", "subject", "mark", "remedy"),
    [
        ("cpu", CPU_BUILD._replace(driver="580.65"), None, "ok", ""),
        ("cpu", ON_A_GPU, None, "ok", ""),
        ("auto", CPU_BUILD, "GPU", "note", "`fmq plan`"),
        ("auto", CPU_BUILD._replace(driver="580.65"), "torch", "note", "install a CUDA build"),
        ("auto", CUDA_BUILD, "GPU", "note", "nvidia-smi"),
        ("auto", CUDA_BUILD._replace(driver="535.104"), "GPU driver", "note", "update the driver"),
        ("auto", CUDA_BUILD._replace(hidden=True), "GPU", "note", "unset it"),
        ("auto", ON_A_GPU, None, "ok", ""),
        ("auto", ON_A_GPU._replace(kernels=("sm_80",)), "GPU", "note", "cu126"),
        ("cuda", CPU_BUILD._replace(driver="580.65"), "torch", "FAIL", "install a CUDA build"),
        ("cuda", ON_A_GPU, None, "ok", ""),
        ("cuda:1", ON_A_GPU, "GPU", "FAIL", "name one of these"),
        ("cuda:1", ON_A_GPU._replace(cards=(CARD, CARD)), None, "ok", ""),
    ],
)
def test_gpu(device, here, subject, mark, remedy):
    findings = judge_gpu(device, here, wanted=device != "cpu")
    assert [finding.subject for finding in findings] == ["torch", "GPU driver", "GPU"]
    bad = [finding for finding in findings if finding.mark != "ok"]
    assert [(one.subject, one.mark) for one in bad] == ([(subject, mark)] if subject else [])
    assert all(remedy in one.remedy for one in bad)
    assert ("NVIDIA H200 with 140.0 GiB" in findings[-1].found) == bool(here.cards)


@pytest.mark.parametrize(
    ("faults", "mark"),
    [
        ((None, None), "ok"),
        (("status 404 Not Found", None), "note"),
        ((None, "no connection"), "note"),
        (("no connection", "no answer in time"), "FAIL"),
    ],
)
def test_a_file_needs_one_address_that_answers(faults, mark):
    finding = judge_missing(FILE, dict(zip(FILE.addresses, faults, strict=True)), None)
    assert finding.mark == mark
    for address, fault in zip(("first", "mirror"), faults, strict=True):
        assert fault is None or f"https://{address}.example/v1.5/ {fault}" in finding.found


def test_a_simulator_that_fails_names_the_graphics_setting():
    assert judge_simulator("cube-v0", "ImportError: EGL", "osmesa").mark == "FAIL"
    assert "unset MUJOCO_GL" in judge_simulator("cube-v0", "ImportError", "osmesa").remedy
    assert "MUJOCO_GL" not in judge_simulator("cube-v0", "ImportError", None).remedy
    assert judge_simulator("cube-v0", TOO_SLOW, None).mark == "note"


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("print('noise')", None),
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("import os; os.kill(os.getpid(), 9)", "the process was ended by signal 9"),
        ("import os; os._exit(3)", "no reason was given"),
        ("import os; assert os.environ['MUJOCO_GL'] == 'x'", None),
    ],
)
def test_code_in_a_process_of_its_own(code, fault):
    assert run_python(code, 30, MUJOCO_GL="x") == fault


def test_a_process_that_hangs_is_ended():
    assert run_python("import time; time.sleep(60)", 0.5) == TOO_SLOW
