from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cnnjobs.disk.run_folder import Attempt, RunFolder, RunState, RunStore
from cnnjobs.status.run_status import RunFilesWatcher, RunStatus, RunStatuses, best_so_far, label, read_status
from cnnjobs.status.startup_time import PROCESS_START_S
from cnnjobs.sweep.file import Sweep

Put = Callable[..., None]


def line(epoch: float, **values: Any) -> str:
    place = {"attempt": 1, "step": int(10 * epoch), "epoch": epoch, "seconds": 2 * epoch, "lr": 0.1}
    return json.dumps(place | values)


def folder_of(sweep: Sweep, store: RunStore, index: int) -> RunFolder:
    return store.run(sweep.runs[index].run_id)


def test_a_run_that_has_not_started(sweep: Sweep, store: RunStore) -> None:
    status = read_status(folder_of(sweep, store, 0), sweep.runs[0])
    assert (status.state, status.epoch, status.epochs, dict(status.latest)) == (RunState.PENDING, 0.0, 10, {})


def test_the_last_whole_line_counts(sweep: Sweep, store: RunStore, put: Put) -> None:
    put(0, RunState.RUNNING)
    folder = folder_of(sweep, store, 0)
    lines = [line(1.0, **{"train.loss": 2.0}), line(2.0, **{"train.loss": 1.0, "validation.accuracy": None})]
    folder.metrics_file.write_text("\n".join(lines) + '\n{"attempt": 1, "ste')
    with folder.claim():
        status = read_status(folder, sweep.runs[0])
    assert (status.state, status.epoch, status.seconds) == (RunState.RUNNING, 2.0, 4.0)
    assert status.latest == {"train.loss": 1.0}


@pytest.mark.parametrize("size", [10, 1 << 16, (1 << 16) - 60, 3 << 16])
def test_long_lines_are_read_whole(sweep: Sweep, store: RunStore, put: Put, size: int) -> None:
    put(0, RunState.INTERRUPTED)
    folder = folder_of(sweep, store, 0)
    windows = {"loss": "x" * size}
    folder.metrics_file.write_text("".join(line(epoch, windows=windows) + "\n" for epoch in (1.0, 2.0, 3.0)))
    assert read_status(folder, sweep.runs[0]).epoch == 3.0


def test_what_is_over_is_read_once(sweep: Sweep, store: RunStore, put: Put) -> None:
    put(0, RunState.FINISHED, metrics={"test.accuracy": 0.5}, epochs_done=10.0)
    put(1, RunState.INTERRUPTED)
    watch = RunFilesWatcher(store, sweep.runs)
    first = watch.look()
    assert first.count(RunState.FINISHED) == 1
    assert [status.run_id for status in first.open] == [run.run_id for run in sweep.runs[1:]]
    folder_of(sweep, store, 0).record_file.unlink()
    put(1, RunState.FAILED, cause="why")
    second = watch.look()
    assert [status.state for status in second.runs] == ["finished", "failed", "pending", "pending"]
    assert second.having(RunState.FAILED)[0].cause == "why"


def test_labels_hold_the_seed(sweep: Sweep) -> None:
    assert [label(run) for run in sweep.runs] == [
        "lr=0.1 seed=0", "lr=0.1 seed=1", "lr=0.2 seed=0", "lr=0.2 seed=1",
    ]  # fmt: skip


def statuses(sweep: Sweep, *progress: tuple[RunState, float, float]) -> RunStatuses:
    """A snapshot of (state, epochs done, seconds) for each run."""
    return RunStatuses(
        tuple(
            RunStatus(run, state, epoch=epoch, seconds=seconds)
            for run, (state, epoch, seconds) in zip(sweep.runs, progress, strict=True)
        )
    )


def test_time_left_is_shared_by_the_workers_but_no_run_is(sweep: Sweep) -> None:
    finished, running, pending = RunState.FINISHED, RunState.RUNNING, RunState.PENDING
    nothing_yet = statuses(sweep, *[(pending, 0.0, 0.0)] * 4)
    assert nothing_yet.seconds_left(2) is None
    # 2 s an epoch: 5 + 10 + 10 epochs to come.
    under_way = statuses(sweep, (finished, 10.0, 20.0), (running, 5.0, 10.0), (pending, 0.0, 0.0), (pending, 0.0, 0.0))
    assert under_way.seconds_left(1) == 50.0
    assert under_way.seconds_left(2) == 25.0
    assert under_way.seconds_left(100) == 20.0
    assert statuses(sweep, *[(finished, 10.0, 20.0)] * 4).seconds_left(2) == 0.0


def test_the_starts_of_what_waits_count_in_the_time_left(sweep: Sweep) -> None:
    def finished(index: int, beside_s: float, process_s: float | None) -> RunStatus:
        attempt = Attempt(number=1, host="h", pid=1, started="2026", seconds=20.0 + beside_s, process_s=process_s)
        return RunStatus(sweep.runs[index], RunState.FINISHED, epoch=10.0, seconds=20.0, attempts=(attempt,))

    running = RunStatus(sweep.runs[2], RunState.RUNNING, epoch=5.0, seconds=10.0)
    waiting = RunStatus(sweep.runs[3], RunState.PENDING)
    runs = (finished(0, 5.0, 4.0), finished(1, 1.0, None), running, waiting)
    assert RunStatuses(runs).seconds_left(1) == 10 + 20 + 1
    assert RunStatuses(runs, processes=1.0).seconds_left(1) == 10 + 20 + 9
    # Nothing has finished: only the start of its process is known.
    assert RunStatuses((running, waiting), processes=0.5).seconds_left(1) == 10 + 20 + PROCESS_START_S / 2


def test_the_best_validation_so_far(sweep: Sweep, store: RunStore, put: Put) -> None:
    put(0, RunState.INTERRUPTED)
    folder = folder_of(sweep, store, 0)
    values = (0.3, 0.7, None, 0.5)
    lines = [line(epoch, **{"validation.accuracy": value}) + "\n" for epoch, value in enumerate(values, 1)]
    folder.metrics_file.write_text("".join(lines))
    told: list[str] = []
    assert best_so_far(folder, "validation.accuracy", "maximize", told.append) == 0.7
    assert best_so_far(folder, "validation.accuracy", "minimize", told.append) == 0.3
    assert best_so_far(folder, "validation.loss", "minimize", told.append) is None


@pytest.mark.parametrize("state", RunState)
def test_nothing_more_happens_to_what_ended_was_given_up_or_was_cancelled(sweep: Sweep, state: RunState) -> None:
    over = {RunState.FINISHED, RunState.STOPPED, RunState.FAILED, RunState.CANCELLED}
    status = RunStatus(sweep.runs[0], state)
    assert status.is_over == (state in over)
    assert RunStatuses((status,)).open == (() if state in over else (status,))
