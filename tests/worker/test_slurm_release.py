"""Effects of the first run of an array, and of equal failures, on the others."""

from __future__ import annotations

import errno
import os
import signal
import time
from typing import Any

import pytest
from pretended_slurm import Cluster

from cnnjobs.disk.run_folder import RunRecord, RunState
from cnnjobs.disk.submission_folder import FULL_DISK_CODE
from cnnjobs.errors import storage_error
from cnnjobs.system.stop_request import StopRequest
from cnnjobs.worker.array_task import train_array_task


def test_the_first_validation_of_the_first_run_lets_the_others_start(cluster: Cluster, toy: Any) -> None:
    first, second = cluster.submit([toy.config(model__name="toys:Slow", epochs=50)], [toy.config(seed=1)], canary=True)
    assert cluster.run(index=1) == 0
    assert second.read_record().state is RunState.FINISHED
    assert cluster.calls() == []
    assert cluster.interrupt(first, signal.SIGTERM, lines=3) == 0
    assert cluster.calls() == ["release 12"]
    assert cluster.submission.canary_file.exists()


def test_a_first_run_that_is_done_already_lets_the_others_start_though_slurm_is_away(
    cluster: Cluster, toy: Any
) -> None:
    (first,) = cluster.submit([toy.config()])
    assert cluster.run() == 0
    cluster.submit([toy.config()], [toy.config(seed=1)], canary=True)
    cluster.calls_file.with_name("calls.down").touch()
    assert cluster.run() == 0
    assert first.read_record().state is RunState.FINISHED
    assert cluster.calls() == ["release 12"]
    assert cluster.submission.canary_file.exists()


def test_a_first_run_that_fails_lets_nothing_start(cluster: Cluster, toy: Any) -> None:
    cluster.submit([toy.config(model__name="toys:Breaking")], canary=True)
    assert cluster.run() == 1
    assert cluster.calls() == []
    assert not cluster.submission.canary_file.exists()


def test_five_equal_failures_hold_the_rest_once(cluster: Cluster, toy: Any) -> None:
    bad = [toy.config(model__name="toys:Breaking", seed=seed) for seed in range(7)]
    folders = cluster.submit(bad[:4], [toy.config()], bad[4:])
    assert cluster.run(0) == 1
    assert cluster.run(1) == 0
    assert cluster.calls() == []
    for folder in folders[:2]:
        folder.write_record(folder.read_record().model_copy(update={"state": RunState.PENDING}))
    assert cluster.run(0) == 1
    assert cluster.calls() == []
    assert cluster.run(2) == 1
    assert cluster.calls() == ["hold 12"]
    assert cluster.submission.breaker_file.read_text() == f"{folders[0].read_record().cause}\n"


def queue(cluster: Cluster, *rows: tuple[int, str, str, int, str], job: str = "12") -> None:
    """Let squeue show (index, state, reason, restarts, time of preemption) of the submission's job."""
    lines = [
        f"{job}|{index}|{state}|{reason}|{restarts}|{preempted}|cnnjobs-toys-1|"
        for index, state, reason, restarts, preempted in rows
    ]
    cluster.calls_file.with_name("calls.squeue").write_text("\n".join(lines))


def test_a_release_that_slurm_has_forgotten_is_repeated_by_the_next_start(cluster: Cluster, toy: Any) -> None:
    cluster.submit([toy.config()], [toy.config(seed=1)], canary=True)
    cluster.submission.mark_started()
    cluster.submission.canary_file.touch()
    queue(cluster, (0, "RUNNING", "None", 1, "N/A"), (1, "PENDING", "JobHeldUser", 0, "N/A"))
    assert cluster.run(restart=1) == 0
    assert set(cluster.calls()) == {"release 12"}
    assert "the rest is still held: released again" in cluster.log()


def test_a_hold_of_the_users_own_and_one_for_five_failures_stay(cluster: Cluster, toy: Any) -> None:
    cluster.submit([toy.config()], [toy.config(seed=1)], [toy.config(seed=2)], canary=True)
    cluster.submission.mark_started()
    cluster.submission.canary_file.touch()
    queue(cluster, (1, "RUNNING", "None", 0, "N/A"), (2, "PENDING", "JobHeldUser", 0, "N/A"))
    hour = 3600
    os.utime(cluster.submission.canary_file, (time.time() - hour,) * 2)
    assert cluster.run(index=1) == 0
    cluster.submission.breaker_file.write_text("diverged at step 3\n")
    queue(cluster, (2, "PENDING", "JobHeldUser", 0, "N/A"))
    assert cluster.run() == 0
    assert cluster.calls() == []


@pytest.mark.parametrize(
    ("preempted", "calls"), [("2026-01-01T00:00:00", ["requeue 12_0"]), ("N/A", [])], ids=["preempted", "cancelled"]
)
def test_a_job_that_preemption_cancels_requeues_itself(
    cluster: Cluster, toy: Any, preempted: str, calls: list[str]
) -> None:
    (folder,) = cluster.submit([toy.config(model__name="toys:Slow", epochs=50)], max_requeues=3)
    queue(cluster, (0, "COMPLETING", "None", 0, preempted), (1, "COMPLETING", "None", 0, "2026-01-01T00:00:00"))
    assert cluster.interrupt(folder, signal.SIGTERM, lines=2) == 0
    assert folder.read_record().state is RunState.INTERRUPTED
    assert cluster.calls() == calls
    assert cluster.interrupt(folder, signal.SIGTERM, lines=2, restart=3) == 0
    assert cluster.calls() == calls


def test_the_next_start_requeues_what_was_preempted_before_it_could(cluster: Cluster, toy: Any) -> None:
    first, second, third, fourth = (toy.config(seed=seed) for seed in range(4))
    _, done, _, _ = cluster.submit([first], [second], [third], [fourth], max_requeues=3)
    cluster.submission.mark_started()
    done.write_record(RunRecord(run_id=done.run_id, state=RunState.FINISHED))
    rows = [(index, "PREEMPTED", "None", 3 if index == 3 else 0, "2026-01-01T00:00:00") for index in (1, 2, 3)]
    queue(cluster, (0, "RUNNING", "None", 0, "N/A"), *rows)
    assert cluster.run() == 0
    assert set(cluster.calls()) == {"requeue 12_2"}


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, FULL_DISK_CODE), (errno.EDQUOT, FULL_DISK_CODE), (13, 1)])
def test_a_full_disk_that_takes_no_word_is_told_by_the_exit_code(
    cluster: Cluster, toy: Any, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    (folder,) = cluster.submit([toy.config()])
    for name, value in {**cluster.environment, "SLURM_ARRAY_TASK_ID": "0"}.items():
        monkeypatch.setenv(name, value)

    def refuse(*_: object) -> bool:
        error = OSError(number, os.strerror(number))
        raise storage_error(folder.record_file, error) from error

    monkeypatch.setattr("cnnjobs.worker.array_task._train", refuse)
    assert train_array_task(cluster.submission.path, StopRequest()) == code
