"""Findings of doctor from recorded answers of Slurm, and from this machine; tests/slurm asks real daemons."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from cnnjobs.cli.main import run
from cnnjobs.launch.plan.place import find_place
from cnnjobs.setup import machine
from cnnjobs.setup.doctor import look_at_cluster, look_at_data, look_at_place, look_at_profiles, look_at_weights
from cnnjobs.slurm.cluster import (
    ClusterOffer,
    Limits,
    Membership,
    NodeGroup,
    describe,
    minutes_in_words,
    parse_limits,
    parse_membership,
    parse_partitions,
)

DESCRIBED = """\
PartitionName=gpu AllowAccounts=vision,bio Default=NO DefaultTime=01:00:00 MaxTime=2-00:00:00 State=UP TRES=cpu=96
PartitionName=cpu AllowAccounts=ALL Default=YES DefaultTime=NONE MaxTime=UNLIMITED Nodes=c[1-9] State=UP
PartitionName=old AllowAccounts=ALL Default=NO DefaultTime=NONE MaxTime=00:30:00 Nodes=o1 State=DOWN
PartitionName=hidden AllowAccounts=ALL Default=NO MaxTime=UNLIMITED State=UP
"""
LISTED = """\
gpu|2|mixed|64|515000|gpu:a100:4(S:0-1),gpu:h100:2
gpu|1|idle*|32|257000|gpu:a100:4
cpu|7|allocated|128|1|(null)
cpu|1|drained|128|1|(null)
cpu|1|idle~|128+|1|(null)
old|1|down|4|8000|(null)
"""
LIMITS = Limits("23.11.4", "hive", 1001, 10000, accounting=True, enforced=True)
MEMBER = Membership("bio", ("bio", "chem"), 200)


@pytest.fixture
def offer() -> ClusterOffer:
    return ClusterOffer("ada", LIMITS, parse_partitions(DESCRIBED, LISTED), MEMBER)


def test_partitions_as_the_user_meets_them() -> None:
    cpu, gpu, old = parse_partitions(DESCRIBED, LISTED)
    assert [cpu.name, gpu.name, old.name] == ["cpu", "gpu", "old"]
    assert gpu.groups == (
        NodeGroup(2, True, 64, 515000, 6, "a100, h100"),
        NodeGroup(1, False, 32, 257000, 4, "a100"),
    )
    assert (gpu.num_nodes, gpu.num_up, gpu.num_gpus, gpu.max_minutes, gpu.default_minutes) == (3, 2, 16, 2880, 60)
    assert gpu.takes("bio")
    assert not gpu.takes("chem")
    # Nodes that sleep to save power take jobs; drained ones do not. A memory of 1 MB was never told to Slurm.
    assert (cpu.is_default, cpu.num_nodes, cpu.num_up, cpu.max_minutes, cpu.groups[0].memory_mb) == (
        True,
        9,
        8,
        None,
        0,
    )
    assert (old.is_up, old.max_minutes) == (False, 30)
    assert describe(gpu) == (
        "gpu: 2 of 3 nodes up, 64 cores, 502.9 GB, 6 GPUs (a100, h100) or 32 cores, 251.0 GB, 4 GPUs (a100) each; "
        "at most 2 days, 1 h unless timeout_min says more"
    )
    assert describe(cpu) == "cpu (default): 8 of 9 nodes up, 128 cores each; no time limit"


@pytest.mark.parametrize(("minutes", "words"), [(1440, "1 day"), (2880, "2 days"), (240, "4 h"), (90, "90 min")])
def test_minutes_in_words(minutes: int, words: str) -> None:
    assert minutes_in_words(minutes) == words


def test_limits_and_membership() -> None:
    text = (
        "Configuration data as of 2026-01-01\nAccountingStorageEnforce = associations,limits\n"
        "AccountingStorageType   = accounting_storage/slurmdbd\nClusterName             = hive\n"
        "MaxArraySize            = 11\nSLURM_VERSION           = 23.11.4\n"
    )
    assert parse_limits(text) == Limits("23.11.4", "hive", 11, 10000, accounting=True, enforced=True)
    assert not parse_limits("AccountingStorageType = accounting_storage/none\n").accounting
    rows = "bio|hive|bio|500\nbio|hive|chem|200\nbio|other|zoo|1\n"
    assert parse_membership(rows, "hive") == MEMBER
    assert parse_membership("", "hive") == Membership("", (), None)


def _texts(offer: ClusterOffer, level: str) -> list[str]:
    return [finding.text for finding in look_at_cluster(offer) if finding.level == level]


def test_a_good_cluster_has_no_problem(offer: ClusterOffer) -> None:
    assert not _texts(offer, "problem")
    assert "23.11.4, cluster hive" in _texts(offer, "ok")
    assert any("200 of them yours (MaxSubmitJobs)" in text for text in _texts(offer, "ok"))
    assert "on; default account bio; also chem (account: in a profile)" in _texts(offer, "ok")


def test_a_partition_that_is_closed_to_the_user(offer: ClusterOffer) -> None:
    member = Membership("chem", ("chem",), None)
    assert any(text.endswith("closed to your accounts") for text in _texts(replace(offer, membership=member), "note"))


@pytest.mark.parametrize(
    ("change", "level", "text"),
    [
        ({"membership": Membership("", (), None)}, "problem", "user ada has no account on hive"),
        ({"limits": replace(LIMITS, enforced=False), "membership": Membership("", (), None)}, "ok", "needs none"),
        ({"limits": replace(LIMITS, accounting=False), "membership": None}, "note", "Slurm forgets a job"),
        ({"partitions": ()}, "problem", "none is open to you"),
        ({"complaints": ("sinfo did not answer within 15 s",)}, "problem", "sinfo did not answer"),
        # Jobs start and go on while slurmdbd is away.
        ({"complaints": ("sacctmgr: Connection refused",), "membership": None}, "note", "Connection refused"),
        ({"partitions": parse_partitions(DESCRIBED, "cpu|9|down*|4|1|(null)\n")}, "problem", "no node takes jobs"),
    ],
    ids=["no-account", "none-needed", "no-accounting", "no-partition", "silent", "no-slurmdbd", "all-down"],
)
def test_troubles_of_a_cluster(offer: ClusterOffer, change: dict[str, object], level: str, text: str) -> None:
    assert any(text in found for found in _texts(replace(offer, **change), level))  # type: ignore[arg-type]


def test_profiles_that_no_job_could_use(offer: ClusterOffer, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("partition: cpu,gpu\n")
    (tmp_path / "b.yaml").write_text("partition: gpus\n")
    (tmp_path / "c.yaml").write_text("partitoin: gpu\n")
    found = list(look_at_profiles(tmp_path, offer))
    assert [finding.level for finding in found] == ["problem", "problem", "ok"]
    assert "no partition is called `gpus`" in found[0].text
    assert "did you mean `gpu`?" in found[0].remedy
    assert "did you mean `partition`?" in found[1].text
    assert found[2].text.startswith("a (in ")
    # Without a cluster nobody knows its partitions.
    assert [finding.level for finding in look_at_profiles(tmp_path, None)] == ["problem", "ok"]


def test_data_sets_that_are_there_and_that_are_not(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / "flowers" / split / "rose").mkdir(parents=True)
    found = {finding.text.partition(":")[0]: finding for finding in look_at_data([tmp_path])}
    assert found["flowers"].text == f"flowers: {tmp_path / 'flowers'}"
    assert found["fashion_mnist_mini"].level == "ok"
    (missing,) = (finding for finding in look_at_data([tmp_path]) if finding.level == "note")
    assert missing.text.startswith(f"not in {tmp_path}: cifar10, cifar100, ")
    assert missing.remedy.startswith("fetch one with: cnnjobs fetch cifar10\n")


def test_weights_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    assert look_at_weights([tmp_path]).text.startswith("none here; fetch some, as ")
    for folder in (tmp_path / "weights", tmp_path / "torch" / "hub" / "checkpoints"):
        folder.mkdir(parents=True)
        (folder / "net.pth").touch()
    cache = tmp_path / "torch" / "hub" / "checkpoints"
    assert look_at_weights([tmp_path]).text == f"net.pth in {tmp_path / 'weights'}; net.pth in {cache}"


def test_packages_that_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"torch": "2.5.1+cpu", "torchvision": "0.21.0", "rich": "12.6"}
    real_version, real_requires = metadata.version, metadata.requires

    def version(name: str) -> str:
        if name == "typer":
            raise metadata.PackageNotFoundError(name)
        return versions.get(name) or real_version(name)

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(
        metadata, "requires", lambda name: ["numpy", "torch==2.6.0"] if name == "torchvision" else real_requires(name)
    )
    (problem,) = (finding for finding in machine.look_at_python() if finding.level == "problem")
    assert set(problem.text.split("; ")) == {
        "typer is not installed",
        "torch 2.5.1+cpu is older than 2.6",
        "rich 12.6 is older than 13",
        "torchvision 0.21.0 belongs to torch 2.6.0, and torch 2.5.1 is installed",
    }


@pytest.mark.parametrize(
    ("gpus", "cuda", "level"), [(("0",), None, "problem"), (("0",), "12.4", "ok"), ((), "12.4", "note")]
)
def test_gpus(monkeypatch: pytest.MonkeyPatch, gpus: tuple[str, ...], cuda: str | None, level: str) -> None:
    monkeypatch.setattr(machine, "find_gpus", lambda: gpus)
    monkeypatch.setattr(machine, "torch_cuda", lambda: cuda)
    assert machine.look_at_gpus(on_cluster=False).level == level


def test_results_that_can_be_written_leave_nothing_behind(tmp_path: Path) -> None:
    found = {finding.topic: finding.level for finding in machine.look_at_results(tmp_path / "a/results", False)}
    assert found["results"] == "ok"
    assert found["locks"] == "ok"
    assert not list(tmp_path.iterdir())


def test_results_on_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    found = {finding.topic: finding.level for finding in machine.look_at_results(tmp_path, False)}
    assert found["locks"] == "note"
    assert not list(tmp_path.iterdir())


def test_results_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryDirectory", refuse)
    (found,) = machine.look_at_results(tmp_path, False)
    assert found.level == "problem"
    assert "Read-only file system" in found.text
    assert "--results" in found.remedy


@pytest.mark.parametrize(("kind", "told"), [("ext4", True), ("nfs4", False)])
def test_a_disk_that_other_nodes_do_not_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, told: bool
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/a / xfs rw 0 0\nserver:/b {tmp_path} {kind} rw 0 0\n")
    monkeypatch.setattr(machine, "_MOUNTS", mounts)
    notes = [finding for finding in machine.look_at_results(tmp_path, True) if "other nodes" in finding.text]
    assert bool(notes) is told


@pytest.mark.parametrize(("free_gb", "level"), [(0.1, "problem"), (2, "note"), (50, "ok")])
def test_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_gb: float, level: str) -> None:
    usage = type("Usage", (), {"free": free_gb * 1024**3})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    found = {finding.topic: finding.level for finding in machine.look_at_results(tmp_path, False)}
    assert found["disk"] == level


@pytest.fixture
def no_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PATH", str(tmp_path))
    yield
    assert not list((tmp_path / "here").iterdir())


def _doctor(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["cnnjobs", "doctor", *words])
    with pytest.raises(SystemExit) as stop:
        run()
    return int(stop.value.code or 0)


def test_doctor_without_slurm(
    no_slurm: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Whether the environment of these tests is whole is not their question.
    monkeypatch.setattr(machine, "_NO_DISK_GB", 0.0)
    monkeypatch.setattr(machine, "torch_cuda", lambda: "12.4")
    monkeypatch.setattr(machine, "_mismatch", lambda: None)
    assert _doctor(monkeypatch) == 0
    out = capsys.readouterr().out
    assert "this machine: `sbatch` is not installed here" in out
    assert out.endswith("no problem: runs can start here\n")
    assert _doctor(monkeypatch, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["place"]["name"], told["problems"], told["cluster"]) == ("local", 0, None)
    assert {"level", "topic", "text", "remedy"} == set(told["findings"][0])


def test_a_slurm_that_does_not_answer_is_a_problem(
    no_slurm: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("sbatch", "scontrol"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'slurmctld is DOWN'\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    assert _doctor(monkeypatch) == 1
    out = capsys.readouterr().out
    assert "no Slurm controller answers (`scontrol ping`: slurmctld is DOWN)" in out
    assert "problem" in out.splitlines()[-1]


def test_a_slurm_that_is_not_set_up_here_is_a_note(
    no_slurm: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert look_at_place(find_place()).level == "ok"
    for name in ("sbatch", "scontrol"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'Could not establish a configuration source'\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    assert look_at_place(find_place()).level == "note"


@pytest.mark.parametrize("option", ["--results", "--data-dir"])
def test_folders_that_cannot_be_one(
    no_slurm: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    (tmp_path / "file").touch()
    assert _doctor(monkeypatch, option, str(tmp_path / "file")) == 2
    assert f"error: {option} {tmp_path / 'file'}" in capsys.readouterr().err
