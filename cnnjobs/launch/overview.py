"""A sweep as `cnnjobs status` tells of it: its runs, their best metrics so far, and what to type next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cnnjobs import locks
from cnnjobs.launch.state import RunStatus, Snapshot, Watch, best_so_far
from cnnjobs.launch.sweeps import OpenSweep
from cnnjobs.runs import RunState, RunStore
from cnnjobs.spec.sweep import Metric


@dataclass(frozen=True)
class Overview:
    """One sweep at one moment; `best` holds the sweep's metric by run id, `launcher` who works on it now."""

    name: str
    store: RunStore
    metric: Metric
    snapshot: Snapshot
    best: Mapping[str, float]
    left: tuple[str, ...]
    launcher: str | None
    next_command: str


def overview(opened: OpenSweep, options: str = "") -> Overview:
    """Look at a sweep and write nothing; `options` are those that every next command needs."""
    sweep, store = opened.sweep, opened.store
    snapshot = Watch(store, sweep.runs).look()
    best = {
        status.run_id: value for status in snapshot.runs if (value := _best(status, store, sweep.metric)) is not None
    }
    asked = {run.run_id for run in sweep.runs}
    left = tuple(folder.run_id for folder in store.runs() if folder.run_id not in asked)
    launcher = store.launcher() if locks.is_held(store.launcher_file) else None
    command = f"{_next(snapshot, launcher).format(sweep=opened.word)}{options}"
    return Overview(sweep.name, store, sweep.metric, snapshot, best, left, launcher, " ".join(command.split()))


def _best(status: RunStatus, store: RunStore, metric: Metric) -> float | None:
    """Of a finished run what its best weights reach, of any other the best validation so far."""
    if metric.name in status.final:
        return status.final[metric.name]
    return best_so_far(store.run(status.run_id), metric.name, metric.goal) if status.attempts else None


def _next(snapshot: Snapshot, launcher: str | None) -> str:
    if launcher is not None:
        return "cnnjobs status {sweep}"
    if snapshot.open:
        return "cnnjobs local {sweep}"
    if snapshot.count(RunState.FAILED):
        return "cnnjobs local {sweep} --retry-failed"
    return "cnnjobs report {sweep}"
