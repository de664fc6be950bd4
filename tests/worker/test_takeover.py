"""Two copies of one run: who may take it, and what the older one can no longer do."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pretended_slurm import Cluster, assert_same_results, undisturbed
from waiting import until

from cnnjobs.disk import fence
from cnnjobs.disk.run_folder import Attempt, RunFolder, RunRecord, RunState
from cnnjobs.worker.claim.heartbeat import Heartbeat


def test_the_older_of_two_copies_lets_go_and_the_newer_ends_the_same(
    cluster: Cluster, other: Cluster, toy: Any
) -> None:
    run = toy.config(model__name="toys:Slow", epochs=12, dataset__train=400)
    expected = undisturbed(other, run)
    folder, following = cluster.submit([run, toy.config(seed=8)])
    old = cluster.start(restart=0)
    until(lambda: len(folder.read_metrics()) >= 2)
    new = cluster.start(restart=1)
    assert cluster.wait(old) == 0
    assert cluster.wait(new) == 0
    assert [one.pid for one in following.read_record().attempts] == [new]
    assert f"{folder.run_id}: a newer attempt has it: this copy of the job ends" in cluster.log()
    assert_same_results(toy, folder, expected)
    before, after = folder.read_record().attempts
    assert ((before.pid, before.ended, before.restart), (after.pid, after.restart)) == ((old, None, 0), (new, 1))
    assert after.from_epoch >= 1


def test_a_frozen_copy_that_wakes_up_later_changes_nothing(cluster: Cluster, other: Cluster, toy: Any) -> None:
    run = toy.config(model__name="toys:Slow", epochs=6)
    expected = undisturbed(other, run)
    (folder,) = cluster.submit([run])
    old = cluster.start(restart=0)
    until(lambda: len(folder.read_metrics()) >= 2)
    os.kill(old, signal.SIGSTOP)
    assert cluster.wait(cluster.start(restart=1, patience_s=0.3)) == 0
    record = folder.read_record()
    os.kill(old, signal.SIGCONT)
    assert cluster.wait(old) == 0
    assert folder.read_record() == record
    assert record.notes == ("attempt 2: the one before was given up with its node and kept the run",)
    assert_same_results(toy, folder, expected)


@contextmanager
def held(cluster: Cluster, folder: RunFolder, attempt: dict[str, Any], queue: str | None = None) -> Iterator[None]:
    """Hold a run in this process, as an attempt that trains it would; `queue` is what squeue says of its job."""
    if queue is not None:
        cluster.calls_file.with_name("calls.squeue").write_text(queue)
    with folder.claim():
        one = Attempt(number=1, host="n1", pid=1, started="2025-12-31T00:00:00+00:00", **attempt)
        folder.write_record(RunRecord(run_id=folder.run_id, state=RunState.RUNNING, attempts=(one,)))
        yield


@pytest.mark.parametrize(
    ("attempt", "queue"),
    [
        ({}, ""),
        ({"job_id": "4711"}, ""),
        ({"job_id": "12_0", "restart": 1}, ""),
        ({"job_id": "12_0", "restart": 2}, ""),
        ({"job_id": "9_0", "restart": 0}, "RUNNING"),
        ({"job_id": "9_0", "restart": 0}, None),
    ],
    ids=["nobody's", "local", "same start", "newer start", "running job", "no answer"],
)
def test_nobody_takes_a_run_from_who_has_it_rightly(
    cluster: Cluster, toy: Any, attempt: dict[str, Any], queue: str | None
) -> None:
    (folder,) = cluster.submit([toy.config()])
    with held(cluster, folder, attempt, queue):
        before = folder.read_record()
        assert cluster.run(restart=1) == 0
        assert folder.read_record() == before
        assert not folder.successor_file.exists()
    assert cluster.log() == f"{folder.run_id}: another worker has it\n"


@pytest.mark.parametrize(
    ("attempt", "queue"),
    [
        ({"job_id": "12_0", "restart": 0}, None),
        ({"job_id": "9_0", "restart": 3}, "PENDING"),
        ({"job_id": "9_0", "restart": 3}, ""),
        ({"job_id": "12_0", "job_name": "cnnjobs-toys-0", "restart": 3}, "RUNNING"),
    ],
    ids=["earlier start", "requeued job", "job that is gone", "job whose number is given out again"],
)
def test_a_run_is_taken_from_a_job_that_slurm_has_given_up(
    cluster: Cluster, toy: Any, attempt: dict[str, Any], queue: str | None
) -> None:
    (folder,) = cluster.submit([toy.config()])
    with held(cluster, folder, attempt, queue):
        worker = cluster.start(restart=1)
        until(folder.successor_file.exists)
        announced = json.loads(folder.successor_file.read_bytes())
        assert (announced["pid"], announced["slurm_restart_count"]) == (worker, "1")
    assert cluster.wait(worker) == 0
    record = folder.read_record()
    assert (record.state, len(record.attempts)) == (RunState.FINISHED, 2)
    assert not folder.successor_file.exists()


def test_who_waits_for_a_run_and_is_stopped_takes_its_word_back(cluster: Cluster, toy: Any) -> None:
    (folder,) = cluster.submit([toy.config()])
    with held(cluster, folder, {"job_id": "12_0", "restart": 0}):
        worker = cluster.start(restart=1)
        until(folder.successor_file.exists)
        os.kill(worker, signal.SIGTERM)
        assert cluster.wait(worker) == 0
        assert not folder.successor_file.exists()


def test_an_older_attempt_writes_nothing_once_a_newer_one_is_announced_or_on_record(cluster: Cluster, toy: Any) -> None:
    (folder,) = cluster.submit([toy.config()])
    mine = Attempt(number=1, host="n1", pid=1, started="2026")
    newer = mine.model_copy(update={"number": 2, "pid": 2})
    guard = fence.Fence(folder)
    guard.check()
    record = RunRecord(run_id=folder.run_id, state=RunState.RUNNING, attempts=(mine,))
    folder.write_record(record, guard.check)
    guard.begun(mine)
    folder.successor_file.write_text(json.dumps({"host": "n2", "pid": 2}))
    with pytest.raises(fence.Superseded):
        folder.write_record(record.model_copy(update={"notes": ("late",)}), guard.check)
    folder.successor_file.unlink()
    guard.check()
    folder.write_record(record.model_copy(update={"attempts": (mine, newer)}))
    with pytest.raises(fence.Superseded):
        folder.write_checkpoint(b"late", guard.check)
    assert [file.name for file in sorted(folder.path.iterdir())] == ["config.yaml", "record.json"]


def test_lines_that_an_older_attempt_adds_beside_a_newer_one_do_not_count(cluster: Cluster, toy: Any) -> None:
    (folder,) = cluster.submit([toy.config()])
    written = [(1, 10), (1, 20), (2, 20), (1, 30), (2, 30)]
    with folder.claim() as log:
        assert log is not None
        for attempt, step in written:
            log.append({"attempt": attempt, "step": step})
        counting = [{"attempt": attempt, "step": step} for attempt, step in ((1, 10), (2, 20), (2, 30))]
        assert folder.read_metrics() == counting
        # One cut, which no crash can leave half done: what does not count stays where it is.
        before = folder.metrics_file.read_bytes()
        assert log.keep_up_to(20) == counting[:2]
        assert folder.metrics_file.read_bytes() == b"".join(before.splitlines(keepends=True)[:3])
        assert folder.read_metrics() == counting[:2]
        log.append({"attempt": 3, "step": 30})
        assert folder.read_metrics() == [*counting[:2], {"attempt": 3, "step": 30}]


def test_the_heartbeat_touches_the_metrics_while_the_run_trains(toy: Any, cluster: Cluster) -> None:
    (folder,) = cluster.submit([toy.config()])
    with folder.claim() as log:
        assert log is not None
        os.utime(folder.metrics_file, (1, 1))
        with Heartbeat(log, lambda: False, touch_s=0.01, look_s=0.01):
            until(lambda: folder.metrics_file.stat().st_mtime > 1)
        os.utime(folder.metrics_file, (1, 1))
        with Heartbeat(log, lambda: True, touch_s=0.01, look_s=0.01) as heartbeat:
            until(lambda: heartbeat.stops)
        assert folder.metrics_file.stat().st_mtime == 1
