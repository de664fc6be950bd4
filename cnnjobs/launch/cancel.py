"""Cancelling runs: exactly those that are named, wherever they are, and so that it stays on record."""

from __future__ import annotations

import getpass
import os
import signal
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cnnjobs.disk.files import map_at_once, remove_mark
from cnnjobs.disk.run_folder import RunFolder, RunState, RunStore
from cnnjobs.launch.local.workers import is_worker
from cnnjobs.slurm.queue import WAITING, Key, scancel
from cnnjobs.slurm.submissions import submissions
from cnnjobs.status.evaluations import OpenEvaluation, open_evaluations
from cnnjobs.status.named_runs import Target
from cnnjobs.status.reasons import matches
from cnnjobs.status.run_status import RunStatus
from cnnjobs.status.sweep_status import SweepStatus, SweepWatcher
from cnnjobs.status.sweeps import OpenSweep

_PATIENCE_S: Final = 10.0
_RETRIED: Final = (RunState.FAILED, RunState.CANCELLED, RunState.LOST, RunState.INTERRUPTED)


@dataclass(frozen=True)
class Cancelling:
    """Runs to cancel: `chosen` runs end, and `also` those that share a running job with one of them.

    `evaluations` of the named runs end too; theirs are among `array_tasks` where nothing else is left to them.
    """

    store: RunStore
    chosen: tuple[RunStatus, ...]
    also: tuple[RunStatus, ...]
    over: tuple[RunStatus, ...]
    array_tasks: tuple[Key, ...]
    processes: tuple[int, ...]
    elsewhere: tuple[RunStatus, ...]
    evaluations: tuple[OpenEvaluation, ...] = ()


def plan_cancelling(target: Target) -> Cancelling:
    """Look, and change nothing."""
    truth = SweepWatcher(target.opened.store, target.beside).look()
    statuses = {status.run_id: status for status in truth.snapshot.runs}
    named = [statuses[run.run_id] for run in target.runs]
    chosen = tuple(status for status in named if not status.is_over)
    array_tasks, also = _array_tasks(chosen, truth, statuses)
    processes, elsewhere = _processes(status for status in chosen if not truth.is_live(status.run_id))
    over = tuple(status for status in named if status.is_over)
    store = target.opened.store
    evaluations = open_evaluations({status.run_id for status in named}, submissions(store), truth.view)
    array_tasks += tuple(each.key for each in evaluations if each.is_all)
    return Cancelling(store, chosen, also, over, array_tasks, processes, elsewhere, evaluations)


def _array_tasks(
    chosen: Iterable[RunStatus], truth: SweepStatus, statuses: Mapping[str, RunStatus]
) -> tuple[tuple[Key, ...], tuple[RunStatus, ...]]:
    """The array tasks to end, and the runs that were not named and end with them."""
    chosen = tuple(chosen)
    wanted = {status.run_id for status in chosen}
    found: dict[Key, None] = {}
    also: dict[str, RunStatus] = {}
    for status in chosen:
        array_task = truth.array_task(status.run_id)
        if array_task is None:
            continue
        position = truth.positions[status.run_id]
        shared = [statuses[each] for each in position.run_ids if each in statuses and each not in wanted]
        others = [each for each in shared if not each.is_over]
        # A run that has not begun is passed over by its job; only one at work takes its job along.
        if others and (array_task.state in WAITING or status.state is not RunState.RUNNING):
            continue
        found[array_task.job_id, position.index] = None
        also.update({each.run_id: each for each in others})
    return tuple(found), tuple(also.values())


def _processes(statuses: Iterable[RunStatus]) -> tuple[tuple[int, ...], tuple[RunStatus, ...]]:
    """The workers of this machine that train these runs, and the runs that are trained on another."""
    pids: list[int] = []
    elsewhere: list[RunStatus] = []
    for status in statuses:
        if status.state is RunState.RUNNING and status.attempts:
            last = status.attempts[-1]
            if _is_far(status):
                elsewhere.append(status)
            elif is_worker(last.pid):
                pids.append(last.pid)
    return tuple(dict.fromkeys(pids)), tuple(elsewhere)


def carry_out(plan: Cancelling) -> tuple[RunStatus, ...]:
    """Cancel; the runs that were still ending when patience ended. Raises SlurmError, StorageError.

    The marks come first: whatever happens after them, no worker takes one of these runs up.
    """
    cause = f"cancelled by {getpass.getuser()} at {datetime.now().astimezone().isoformat(timespec='seconds')}"
    map_at_once(lambda status: _mark(plan.store, status, cause), plan.chosen)
    map_at_once(lambda status: _mark(plan.store, status, f"{cause} with job {status.job}"), plan.also)
    for each in plan.evaluations:
        for run_id in each.run_ids:
            each.folder.add_outcome(run_id, "cancelled", cause)
    scancel(plan.array_tasks)
    for pid in plan.processes:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    return _settle(plan)


def _mark(store: RunStore, status: RunStatus, cause: str) -> None:
    folder = store.run(status.run_id)
    folder.create(status.run.config)
    folder.cancel(cause)


def _settle(plan: Cancelling) -> tuple[RunStatus, ...]:
    left = [*plan.chosen, *plan.also]
    for status in [status for status in left if _is_far(status)]:
        # A lock may not reach from another host; who trains there lets go once the record is not its own any more.
        _overrule(plan.store.run(status.run_id))
        left.remove(status)
    until = time.monotonic() + _PATIENCE_S
    while left:
        settled = map_at_once(lambda status: plan.store.run(status.run_id).settle_cancellation(), left)
        left = [status for status, is_settled in zip(left, settled, strict=True) if not is_settled]
        if time.monotonic() > until:
            break
        time.sleep(0.05 if left else 0)
    return tuple(left)


def _is_far(status: RunStatus) -> bool:
    running = status.state is RunState.RUNNING and status.attempts
    return bool(running) and status.attempts[-1].host != socket.gethostname()


def _overrule(folder: RunFolder) -> None:
    record = folder.read_record()
    cause = folder.cancellation()
    if cause is not None and record.state not in (RunState.FINISHED, RunState.FAILED):
        folder.write_record(record.model_copy(update={"state": RunState.CANCELLED, "cause": cause}))
    remove_mark(folder.cancel_file)


@dataclass(frozen=True)
class Retrying:
    """The runs to take up again, whether any of them was on Slurm, and those that still have to let go before."""

    again: frozenset[str]
    on_slurm: bool = False
    ending: tuple[RunStatus, ...] = ()


def to_retry(opened: OpenSweep, cause: str | None) -> Retrying:
    """The runs that ended without finishing, of a cause when one is given."""
    truth = SweepWatcher(opened.store, opened.sweep.runs).look()

    def fits(said: str | None) -> bool:
        return cause is None or matches(said, cause)

    ended = [status for status in truth.snapshot.having(*_RETRIED) if fits(status.cause)]
    # What its job still has may go on by itself; a run that failed or was cancelled never does.
    ending = [
        status
        for status in ended
        if opened.store.run(status.run_id).is_claimed() or (not status.is_over and truth.is_live(status.run_id))
    ]
    again = frozenset(status.run_id for status in ended if status not in ending)
    for status in truth.snapshot.having(RunState.RUNNING):
        request = opened.store.run(status.run_id).cancellation()
        ending += [status] if request is not None and fits(request) else []
    return Retrying(again, any(run_id in truth.positions for run_id in again), tuple(ending))
