"""The starter project: everything in it can be read, and nothing that was there is touched."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from cnnjobs.cli.main import run
from cnnjobs.config.profile import PROFILE_KEYS, JobProfile, read_profile
from cnnjobs.setup.courses import COURSES
from cnnjobs.setup.starter import slurm_profiles, write_starter
from cnnjobs.slurm.cluster import ClusterOffer, Limits, Membership, NodeGroup, Partition
from cnnjobs.sweep.file import read_sweep

ROOT = Path(__file__).parents[2]
FILES = {"sweeps/quickstart.yaml", "jobs/local.yaml", "README.md", ".gitignore"}
LIMITS = Limits("23.11.4", "hive", 1001, 10000, accounting=True, enforced=True)
GPU_NODES = (NodeGroup(2, True, 64, 512_000, 4, "a100"), NodeGroup(1, True, 32, 128_000, 8), NodeGroup(9, True, 4, 0))
CPU = Partition("cpu", True, True, None, None, (NodeGroup(9, True, 128, 256_000),))
GPU = Partition("gpu", False, True, 120, 60, GPU_NODES)


def _offer(*partitions: Partition, membership: Membership | None = None) -> ClusterOffer:
    return ClusterOffer("ada", LIMITS, partitions, membership)


def _read(texts: dict[str, str] | object, name: str, folder: Path) -> JobProfile:
    assert isinstance(texts, dict)
    path = folder / f"{name}.yaml"
    path.write_text(texts[name])
    return read_profile(path, {})


@pytest.fixture
def init(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path], int]:
    """`cnnjobs init DIR` where no Slurm is installed."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))

    def call(folder: Path) -> int:
        monkeypatch.setattr(sys, "argv", ["cnnjobs", "init", str(folder)])
        try:
            run()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    return call


def test_a_starter_project_without_slurm(
    init: Callable[[Path], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "a" / "my project"
    assert init(folder) == 0
    told = capsys.readouterr()
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == FILES
    assert told.out.count("wrote ") == len(FILES)
    assert "`sbatch` is not installed here" in told.err
    assert told.out.splitlines()[-1] == f"next: cd '{folder}' && cnnjobs sweep sweeps/quickstart.yaml --dry-run"
    assert len(read_sweep(folder / "sweeps/quickstart.yaml").runs) == 9
    assert read_profile(folder / "jobs/local.yaml", {}).name == "local"


def test_nothing_is_overwritten(
    init: Callable[[Path], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/local.yaml").write_text("max_parallel: 1\n")
    (tmp_path / "README.md").write_text("mine")
    assert init(tmp_path) == 0
    out = capsys.readouterr().out
    assert f"kept  {tmp_path / 'README.md'} (it was there)" in out
    assert f"wrote {tmp_path / '.gitignore'}" in out
    assert (tmp_path / "README.md").read_text() == "mine"
    assert (tmp_path / "jobs/local.yaml").read_text() == "max_parallel: 1\n"
    assert init(tmp_path) == 0
    assert "wrote " not in capsys.readouterr().out


@pytest.mark.parametrize("where", ["file", "file/below", "full"])
def test_a_folder_that_cannot_be_one(
    init: Callable[[Path], int], tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    (tmp_path / "file").touch()
    # A folder in the way of a file is not a file that is kept.
    (tmp_path / "full" / "README.md").mkdir(parents=True)
    assert init(tmp_path / where) == 2
    assert f"error: {tmp_path / where}" in capsys.readouterr().err


def test_the_packaged_profile_is_the_one_of_the_repository() -> None:
    assert (ROOT / "cnnjobs/bundled/local.yaml").read_text() == (ROOT / "jobs/local.yaml").read_text()


def test_profiles_share_out_the_smallest_node_that_serves(tmp_path: Path) -> None:
    texts = slurm_profiles(_offer(CPU, GPU))
    assert list(texts) == ["slurm-gpu", "slurm-cpu"]
    gpu, cpu = (_read(texts, name, tmp_path) for name in texts)
    assert (gpu.partition, gpu.gpus_per_run, gpu.cpus_per_run, gpu.timeout_min) == ("gpu", 1, 4, 120)
    assert gpu.mem_gb == 14.0  # nine tenths of 128,000 MB for 8 GPUs
    assert (cpu.partition, cpu.gpus_per_run, cpu.cpus_per_run, cpu.timeout_min) == ("cpu", 0, 4, 240)
    assert cpu.mem_gb == 7.0  # nine tenths of 256,000 MB for 32 runs of 4 cores
    assert "at most 2 h here" in texts["slurm-gpu"]


def test_the_default_partition_with_gpus_needs_one_profile(tmp_path: Path) -> None:
    texts = slurm_profiles(_offer(replace(GPU, is_default=True), replace(GPU, name="big", groups=GPU_NODES * 2)))
    assert list(texts) == ["slurm-gpu"]
    assert _read(texts, "slurm-gpu", tmp_path).partition == "gpu"


@pytest.mark.parametrize(
    "closed",
    [
        replace(GPU, is_up=False),
        replace(GPU, groups=(replace(GPU_NODES[0], is_up=False),)),
        replace(GPU, accounts=("vision",)),
    ],
    ids=["partition-down", "nodes-down", "other-accounts"],
)
def test_a_partition_that_takes_no_job_gets_no_profile(closed: Partition) -> None:
    assert list(slurm_profiles(_offer(CPU, closed, membership=Membership("bio", ("bio",), None)))) == ["slurm-cpu"]


@pytest.mark.parametrize(
    ("accounts", "account"),
    [(None, None), (("bio", "chem"), None), (("chem",), "chem")],
    ids=["all", "default", "other"],
)
def test_the_account_that_a_partition_takes(
    tmp_path: Path, accounts: tuple[str, ...] | None, account: str | None
) -> None:
    offer = _offer(replace(GPU, accounts=accounts), membership=Membership("bio", ("bio", "chem"), None))
    assert _read(slurm_profiles(offer), "slurm-gpu", tmp_path).account == account


@pytest.mark.parametrize("name", ["gpu", "123", "no", "1e3", "a b", 'x"y', "gpu-a100_40.g", "12:00:00", "null"])
def test_any_name_of_a_partition_is_read_back(tmp_path: Path, name: str) -> None:
    partition = replace(CPU, name=name, groups=(NodeGroup(1, True, 1, 0),))
    profile = _read(slurm_profiles(_offer(partition)), "slurm-cpu", tmp_path)
    assert (profile.partition, profile.cpus_per_run, profile.mem_gb) == (name, 1, None)


def test_every_key_that_a_profile_offers_in_a_comment_is_one(tmp_path: Path) -> None:
    text = slurm_profiles(_offer(GPU))["slurm-gpu"]
    opened = "\n".join(
        line.removeprefix("#").removeprefix(" ") if line.startswith(("# ", "#   ")) else line
        for line in text.split("# For every run:\n")[1].splitlines()
    )
    path = tmp_path / "open.yaml"
    path.write_text(opened)
    profile = read_profile(path, {})
    assert (profile.setup, profile.extra) == (("module load cuda",), {"mail-type": "FAIL"})
    assert set(YAML(typ="safe").load(opened)) <= set(PROFILE_KEYS)


def test_the_readme_names_the_profile(tmp_path: Path) -> None:
    starter = write_starter(tmp_path, _offer(CPU, GPU))
    assert starter.slurm_profiles == ("slurm-gpu", "slurm-cpu")
    assert "cnnjobs sweep sweeps/quickstart.yaml --profile slurm-gpu\n" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("name", COURSES)
def test_a_course_brings_its_sweeps(name: str, tmp_path: Path) -> None:
    course = COURSES[name]
    write_starter(tmp_path, None, course)
    for sweep in course.sweeps:
        brought = tmp_path / "sweeps" / f"{sweep}.yaml"
        assert brought.read_bytes() == (ROOT / "sweeps" / f"{sweep}.yaml").read_bytes()
        assert read_sweep(brought).runs
    assert f"## {course.title}\n" in (tmp_path / "README.md").read_text()


def test_the_theory_of_the_course_is_answered_as_on_the_page(tmp_path: Path) -> None:
    write_starter(tmp_path, None, COURSES["tdt4265"])
    lines = re.findall(
        r"^    (cnnjobs (?:theory|show) .*?) +# (1[a-g])", (tmp_path / "README.md").read_text(), re.MULTILINE
    )
    assert [part for _, part in lines] == ["1a", "1b", "1c", "1d", "1e", "1f", "1g"]
    page = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    for command, part in lines:
        assert re.search(rf"^\| {part} .*`{re.escape(command)}`", page, re.MULTILINE), command


def test_no_such_course(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["cnnjobs", "init", str(tmp_path / "new"), "--course", "tdt4256"])
    with pytest.raises(SystemExit) as stop:
        run()
    assert stop.value.code == 2
    assert "no course is called so; did you mean `tdt4265`?" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_packages_hold_the_sweeps_of_all_courses() -> None:
    pytest.importorskip("setuptools")
    from setuptools import Distribution
    from setuptools.command.build_py import build_py

    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    command = build_py(Distribution({"packages": ["cnnjobs"], "package_data": patterns}))
    command.ensure_finalized()
    command.manifest_files = {}
    packed = {Path(file).name for file in command.find_data_files("cnnjobs", str(ROOT / "cnnjobs"))}
    assert {f"{name}.yaml" for course in COURSES.values() for name in course.sweeps} <= packed
