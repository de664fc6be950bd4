from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cnnjobs.config.profile import JobProfile
from cnnjobs.errors import InputError
from cnnjobs.launch.plan import resources
from cnnjobs.launch.plan.resources import Resources, allowed_cores, find_gpus, share_out


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend: machine(cores, gpus)."""

    def pretend(cores: int, gpus: tuple[str, ...] = ()) -> None:
        monkeypatch.setattr(resources, "allowed_cores", lambda: cores)
        monkeypatch.setattr(resources, "find_gpus", lambda: gpus)

    return pretend


def shared(num_runs: int, **settings: Any) -> Resources:
    return share_out(JobProfile(name="test", **settings), num_runs)


def test_one_run_per_core_with_one_thread_each(machine: Any) -> None:
    machine(8)
    assert shared(100) == Resources(workers=8, threads=1)


def test_fewer_runs_than_cores_share_the_cores(machine: Any) -> None:
    machine(8)
    assert shared(3) == Resources(workers=8, threads=2)
    assert shared(1) == Resources(workers=8, threads=8)


@pytest.mark.parametrize("cores", [1, 2, 3, 7, 16])
@pytest.mark.parametrize("gpus", [(), ("0",), ("0", "1", "2", "3")])
@pytest.mark.parametrize("wanted", [None, 1, 2, 5, 100])
@pytest.mark.parametrize("num_runs", [1, 2, 4, 50])
def test_processes_times_threads_never_exceed_the_cores(
    machine: Any, cores: int, gpus: tuple[str, ...], wanted: int | None, num_runs: int
) -> None:
    machine(cores, gpus)
    found = shared(num_runs, max_parallel=wanted)
    assert min(found.workers, num_runs) * found.threads <= cores
    assert found.workers >= 1
    assert found.threads >= 1


def test_one_run_per_gpu_and_gpus_are_dealt_out(machine: Any) -> None:
    machine(16, ("2", "5"))
    found = shared(10)
    assert (found.workers, found.threads) == (2, 8)
    assert [found.gpu(worker) for worker in range(3)] == ["2", "5", "2"]


def test_runs_may_share_a_gpu_or_leave_it(machine: Any) -> None:
    machine(16, ("0",))
    shares = shared(10, max_parallel=4)
    assert (shares.workers, shares.threads, shares.gpu(3)) == (4, 4, "0")
    alone = shared(100, gpus_per_run=0)
    assert (alone.workers, alone.threads, alone.gpu(0)) == (16, 1, None)


def test_a_run_may_have_several_gpus(machine: Any) -> None:
    machine(16, ("0", "1", "2", "3", "4"))
    found = shared(10, gpus_per_run=2)
    assert (found.workers, found.ranks, found.threads) == (2, 2, 4)
    assert [found.gpu(worker) for worker in range(3)] == ["0,1", "2,3", "0,1"]
    assert shared(10, gpus_per_run=2, max_parallel=9).workers == 2
    assert shared(10, gpus_per_run=5).gpu(1) == "0,1,2,3,4"
    with pytest.raises(InputError, match="found 6, but 5 GPUs are visible here; write 5, or look at"):
        shared(10, gpus_per_run=6)
    with pytest.raises(InputError, match="cpus_per_run: found 3 for the 2 ranks of a run"):
        shared(10, gpus_per_run=2, cpus_per_run=3)


def test_so_many_runs_share_each_gpu(machine: Any) -> None:
    machine(16, ("0", "1"))
    found = shared(10, runs_at_once=3)
    assert (found.workers, found.threads) == (6, 2)
    assert [found.gpu(worker) for worker in range(6)] == ["0", "1"] * 3
    assert shared(10, runs_at_once=3, max_parallel=5).workers == 5
    assert shared(10, runs_at_once=1, max_parallel=5).workers == 2
    alone = shared(10, runs_at_once=3, gpus_per_run=0)
    assert alone.workers == 16
    assert alone.notices == (
        "runs_at_once is not used without a GPU here: max_parallel says how many runs share the cores",
    )


def test_the_number_that_is_to_be_found_out_is_bounded_by_the_cores(machine: Any) -> None:
    machine(16, ("0", "1"))
    gpus = shared(100, runs_at_once="auto")
    assert (gpus.workers, gpus.threads, gpus.measured, gpus.notices) == (16, 1, True, ())
    assert shared(100, runs_at_once="auto", cpus_per_run=2).workers == 8
    assert shared(100, runs_at_once="auto", max_parallel=3).workers == 3
    machine(4)
    cores = shared(100, runs_at_once="auto", cpus_per_run=2)
    assert (cores.workers, cores.threads, cores.measured, cores.notices) == (2, 2, True, ())
    assert not shared(100, runs_at_once="auto", max_parallel=1).measured
    assert not shared(100).measured


def test_more_than_the_cores_allow_is_said(machine: Any) -> None:
    machine(4)
    assert shared(10, max_parallel=9).notices == ("4 runs at once instead of 9: 4 cores are allowed here",)
    assert shared(10, cpus_per_run=3).workers == 1
    assert shared(10, max_parallel=4, cpus_per_run=2).notices == (
        "2 runs at once instead of 4 with 2 threads each: 4 cores are allowed here",
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cpus_per_run": 5}, "job.cpus_per_run: found 5, but only 4 cores are allowed here"),
        (
            {"gpus_per_run": 1},
            "job.gpus_per_run: found 1, but no GPU is visible here; write 0, or look at `nvidia-smi -L`",
        ),
    ],
)
def test_what_is_not_here_is_refused(machine: Any, settings: dict[str, Any], message: str) -> None:
    machine(4)
    with pytest.raises(InputError) as refused:
        shared(10, **settings)
    assert str(refused.value) == message


def test_a_containers_quota_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(resources, "_CPU_QUOTA", quota)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert allowed_cores() == 8
    for text, cores in (("max 100000", 8), ("250000 100000", 3), ("10000 100000", 1), ("9900000 100000", 8)):
        quota.write_text(text)
        assert allowed_cores() == cores


def test_gpus_by_the_drivers_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    listed = ("GPU 0: NVIDIA H200 (UUID: GPU-aa)", "  MIG 1g.18gb Device 0: (UUID: MIG-bb)", "GPU 1: NVIDIA H200")
    tool.write_text("\n".join(["#!/bin/sh", *(f"echo '{line}'" for line in listed)]))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert find_gpus() == ("0", "1")
    for visible, gpus in (
        ("1", ("1",)),
        ("", ()),
        ("-1", ()),
        ("1,-1,0", ("1",)),
        ("MIG-bb", ("MIG-bb",)),
        ("1, 0", ("1", "0")),
    ):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert find_gpus() == gpus


def test_gpus_by_their_device_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(resources, "_DEVICES", tmp_path)
    assert find_gpus() == ()
    for name in ("nvidia10", "nvidia2", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert find_gpus() == ("2", "10")


def test_what_is_visible_means_nothing_without_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(resources, "_DEVICES", tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert find_gpus() == ()


def test_settings_that_mean_nothing_here_are_named() -> None:
    found = share_out(JobProfile(name="x", gpus_per_run=0, cpus_per_run=1, partition="gpu", mem_gb=4), 1)
    assert found.notices[-1] == "not used on this machine, they are for Slurm: partition, mem_gb"
