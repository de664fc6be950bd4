from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.disk.run_folder import RunRecord, RunState, RunStore
from cnnjobs.disk.submission_folder import Stacks
from cnnjobs.errors import RunError
from cnnjobs.launch.local.pool import LocalPool, Stopped
from cnnjobs.launch.local.workers import is_worker, living_workers
from cnnjobs.launch.plan.carrying_out import carried_out
from cnnjobs.launch.plan.resources import Resources
from cnnjobs.sweep.file import Sweep

Behave = Callable[[str], None]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnnjobs.launch.local.pool._LOOK_EVERY_S", 0.1)


@contextmanager
def pool(
    sweep: Sweep, store: RunStore, workers: int = 2, gpus: tuple[str, ...] = (), stacks: Stacks | None = None
) -> Iterator[LocalPool]:
    with (
        carried_out(sweep, store) as plan,
        LocalPool(plan, Resources(workers, 1, gpus), [Path("data")], stacks) as made,
    ):
        yield made


@contextmanager
def stopped_pool(sweep: Sweep, store: RunStore, *given: Any, **settings: Any) -> Iterator[LocalPool]:
    """A pool that is told to stop at the end of the block."""
    with suppress(Stopped), pool(sweep, store, *given, **settings) as made:
        yield made
        raise Stopped(signal.SIGTERM)


def go_to_the_end(running: LocalPool) -> None:
    for _ in running.snapshots():
        pass


def await_running(running: LocalPool, number: int) -> None:
    """Wait until so many runs are claimed, and their records say so."""
    for snapshot in running.snapshots():
        if sum(bool(status.attempts) for status in snapshot.having(RunState.RUNNING)) == number:
            return


def records(sweep: Sweep, store: RunStore) -> list[RunRecord]:
    return [store.run(run.run_id).read_record() for run in sweep.runs]


def most_at_once(found: list[RunRecord]) -> int:
    attempts = [attempt for record in found for attempt in record.attempts]
    return max(sum(other.started <= each.started < (other.ended or "") for other in attempts) for each in attempts)


@pytest.mark.parametrize("workers", [1, 3])
def test_every_run_once_and_never_more_than_allowed_at_once(
    sweep: Sweep, store: RunStore, behave: Behave, workers: int
) -> None:
    behave("train")
    with pool(sweep, store, workers) as running:
        go_to_the_end(running)
    found = records(sweep, store)
    assert [record.state for record in found] == [RunState.FINISHED] * 4
    assert [len(record.attempts) for record in found] == [1] * 4
    assert most_at_once(found) <= workers
    assert len({record.attempts[0].pid for record in found}) <= workers
    assert running.snapshot.open == ()
    assert not store.jobs_folder.exists()


def test_a_stack_that_trains_run_by_run_occupies_every_worker(sweep: Sweep, store: RunStore, behave: Behave) -> None:
    behave("hang")
    stacks = Stacks(groups=(tuple(run.run_id for run in sweep.runs),))
    with stopped_pool(sweep, store, stacks=stacks) as running:
        await_running(running, 2)


def test_gpus_are_dealt_out_and_paths_are_absolute(
    sweep: Sweep, tmp_path: Path, behave: Behave, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave("hang")
    monkeypatch.chdir(tmp_path)
    store = RunStore(Path("results/four"))
    with stopped_pool(sweep, store, 3, ("MIG-a", "1")) as running:
        await_running(running, 3)
    jobs = [json.loads(file.read_bytes()) for file in sorted(store.jobs_folder.glob("0001/job-*.json"))]
    assert [job["gpu"] for job in jobs] == ["MIG-a", "1", "MIG-a"]
    assert {job["store"] for job in jobs} == {str(tmp_path / "results/four")}
    assert all(job["run_ids"] == [run.run_id for run in sweep.runs] for job in jobs)
    assert all(job["threads"] == 1 for job in jobs)


def test_a_worker_that_dies_is_replaced(sweep: Sweep, store: RunStore, behave: Behave) -> None:
    behave("die")
    with pool(sweep, store) as running:
        go_to_the_end(running)
    found = records(sweep, store)
    assert [record.state for record in found] == [RunState.FINISHED] * 4
    assert [len(record.attempts) for record in found] == [2] * 4
    assert most_at_once(found) <= 2


def test_workers_that_never_start_a_run_are_not_replaced_for_ever(
    sweep: Sweep, store: RunStore, behave: Behave
) -> None:
    behave("refuse")
    with pytest.raises(RunError) as failed, pool(sweep, store) as running:
        go_to_the_end(running)
    (log,) = (file for file in store.jobs_folder.glob("0001/*.err") if str(file) in str(failed.value))
    assert str(failed.value) == (
        f"the workers end before they start a run: no module named torch; all they said: {log}"
    )
    assert len(list(store.jobs_folder.glob("0001/job-*.json"))) <= 3
    assert [record.state for record in records(sweep, store)] == [RunState.PENDING] * 4


def run_until_signalled(sweep: Sweep, store: RunStore, pids: list[int]) -> None:
    with pool(sweep, store) as running:
        await_running(running, 2)
        pids += [record.attempts[0].pid for record in records(sweep, store)[:2]]
        assert all(is_worker(pid) for pid in pids)
        os.kill(os.getpid(), signal.SIGTERM)
        go_to_the_end(running)


@pytest.mark.parametrize("behaviour", ["hang", "deaf"])
def test_a_signal_ends_every_worker_also_one_that_does_not_listen(
    sweep: Sweep, store: RunStore, behave: Behave, behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnnjobs.launch.local.workers.GRACE_S", 0.5)
    behave(behaviour)
    handler, pids = signal.getsignal(signal.SIGTERM), []
    with pytest.raises(Stopped) as stopped:
        run_until_signalled(sweep, store, pids)
    assert stopped.value.exit_code == 143
    assert len(pids) == 2
    assert not any(is_worker(pid) for pid in pids)
    assert [record.state for record in records(sweep, store)][:2] == [RunState.INTERRUPTED] * 2
    assert signal.getsignal(signal.SIGTERM) is handler


def test_what_the_shell_ignores_stays_ignored(sweep: Sweep, store: RunStore, behave: Behave) -> None:
    behave("train")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with pool(sweep, store) as running:
            await_running(running, 1)
            os.kill(os.getpid(), signal.SIGHUP)
            go_to_the_end(running)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert running.snapshot.open == ()


def test_workers_of_a_dead_launcher_are_counted_and_followed(sweep: Sweep, store: RunStore, behave: Behave) -> None:
    behave("hang")
    with stopped_pool(sweep, store, 2) as first:
        await_running(first, 2)
        assert first.num_adopted == 0
        # What a launcher finds that starts after this one was killed: its lock is free.
        store.launcher_file.unlink()
        with stopped_pool(sweep, store, 3) as second:
            assert second.num_adopted == 2
            await_running(second, 3)
            assert len(list(store.jobs_folder.glob("0002/job-*.json"))) == 1
        assert living_workers(store) == []
        assert [len(record.attempts) for record in records(sweep, store)] == [1, 1, 1, 0]


def test_a_worker_whose_controller_was_killed_still_counts(sweep: Sweep, store: RunStore, behave: Behave) -> None:
    behave("hang")
    with stopped_pool(sweep, store, 1) as first:
        await_running(first, 1)
        (worker,) = living_workers(store)
        (pid,) = (record.attempts[0].pid for record in records(sweep, store) if record.attempts)
        os.kill(int(worker.job_id), signal.SIGKILL)
        for _ in islice(first.snapshots(), 8):
            pass
        assert len(list(store.jobs_folder.glob("0001/job-*.json"))) == 1
        assert is_worker(pid)
    assert not is_worker(pid)


def test_no_run_is_taken_for_new_while_the_results_are_away(
    sweep: Sweep, store: RunStore, behave: Behave, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    behave("hang")
    away = store.path.with_name("away")
    with stopped_pool(sweep, store) as running:
        await_running(running, 2)
        store.path.rename(away)
        threading.Timer(0.4, lambda: away.rename(store.path)).start()
        snapshot = next(running.snapshots())
        assert snapshot.count(RunState.RUNNING) == 2
        assert f"{store.path} is away: waiting for it, 5 minutes at most\n" in capsys.readouterr().out
        assert len(list(store.jobs_folder.glob("0001/job-*.json"))) == 2
        monkeypatch.setattr("cnnjobs.launch.local.pool.PATIENCE_S", 0.2)
        store.path.rename(away)
        with pytest.raises(RunError, match="four has gone away and does not come back"):
            next(running.snapshots())
        assert not store.path.exists()
        away.rename(store.path)


def test_job_folders_stay_while_a_run_of_theirs_is_not_finished(sweep: Sweep, store: RunStore, behave: Behave) -> None:
    behave("hang")
    with stopped_pool(sweep, store) as running:
        await_running(running, 2)
    assert (store.jobs_folder / "0001").is_dir()
    behave("train")
    with pool(sweep, store) as running:
        go_to_the_end(running)
    assert not store.jobs_folder.exists()
