"""A sweep as `cnnjobs status` tells of it: its runs, their best metrics so far, and what to type next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from cnnjobs.disk import locks
from cnnjobs.disk.code_copies import MEND
from cnnjobs.disk.run_folder import RunState, RunStore
from cnnjobs.status.evaluations import EvaluationStatus
from cnnjobs.status.reasons import next_command
from cnnjobs.status.run_status import RunStatus, RunStatuses, best_so_far
from cnnjobs.status.search.known_runs import KnownRuns
from cnnjobs.status.sweep_status import SweepStatus, SweepWatcher
from cnnjobs.status.sweeps import OpenSweep
from cnnjobs.sweep.file import Metric


@dataclass(frozen=True)
class Overview:
    """One sweep at one moment; `best` holds the sweep's metric by run id, `launcher` who works on it now.

    `held` tells what keeps jobs from starting, `notices` what could not be asked; `verb` is the command that goes on in
    the place where the sweep was: `local`, or `sweep` on Slurm.
    """

    name: str
    store: RunStore
    metric: Metric
    snapshot: RunStatuses
    best: Mapping[str, float]
    left: tuple[str, ...]
    launcher: str | None
    next_command: str
    held: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    seconds_left: float | None = None
    word: str = ""
    options: str = ""
    verb: str = "local"
    evaluations: tuple[EvaluationStatus, ...] = ()

    def next_for(self, *alike: RunStatus) -> str | None:
        """Next command for runs of the same state and cause that do not continue by themselves."""
        named = alike[0].run_id if len(alike) == 1 else f"{self.word} --failed"
        verb = None if self.launcher else self.verb
        command = next_command(alike[0].state, alike[0].cause, sweep=self.word, run=named, verb=verb)
        return command and f"{command}{self.options}"


def overview(opened: OpenSweep, options: str = "") -> Overview:
    """Look at a sweep and write nothing; `options` are those that every next command needs."""
    sweep, store = opened.sweep, opened.store
    truth = SweepWatcher(store, KnownRuns(sweep, store)).look()
    snapshot = truth.snapshot
    damaged: list[str] = []
    reached = {status.run_id: _best(status, store, sweep.metric, damaged.append) for status in snapshot.runs}
    best = {run_id: value for run_id, value in reached.items() if value is not None}
    asked = {run.run_id for run in sweep.runs}
    left = tuple(folder.run_id for folder in store.runs() if folder.run_id not in asked)
    launcher = store.launcher() if locks.is_held(store.launcher_file) else None
    verb = "sweep" if truth.positions else "local"
    command = _next(truth, launcher, verb).format(sweep=opened.word)
    command += options if command.startswith("cnnjobs ") else ""
    return Overview(
        name=sweep.name,
        store=store,
        metric=sweep.metric,
        snapshot=snapshot,
        best=best,
        left=left,
        launcher=launcher,
        next_command=" ".join(command.split()),
        held=truth.held,
        notices=(*truth.view.notices, *truth.damaged, *damaged, *_damaged_copies(snapshot, store)),
        seconds_left=snapshot.seconds_left(snapshot.at_work) if snapshot.at_work else None,
        word=opened.word,
        options=options,
        verb=verb,
        evaluations=truth.evaluations,
    )


def _best(status: RunStatus, store: RunStore, metric: Metric, tell: Callable[[str], None]) -> float | None:
    """Of a finished run what its best weights reach, of any other the best validation so far."""
    if metric.name in status.final:
        return status.final[metric.name]
    return best_so_far(store.run(status.run_id), metric.name, metric.goal, tell) if status.attempts else None


def _damaged_copies(snapshot: RunStatuses, store: RunStore) -> Iterator[str]:
    """The copies of the user's own code that runs were trained with and that are not as they were."""
    for hash in sorted({status.code for status in snapshot.runs if status.code}):
        damage = store.codes.damage(hash)
        if damage:
            yield f"{damage}; {MEND}"


def _next(truth: SweepStatus, launcher: str | None, verb: str) -> str:
    snapshot = truth.snapshot
    if snapshot.is_open and (launcher is not None or truth.is_queued):
        return "cnnjobs status {sweep} --watch"
    if snapshot.open and truth.release is not None:
        return truth.release
    if snapshot.count(RunState.PENDING, RunState.INTERRUPTED, RunState.RUNNING) or snapshot.to_come:
        return f"cnnjobs {verb} {{sweep}}"
    if snapshot.count(RunState.FAILED, RunState.CANCELLED, RunState.LOST):
        return "cnnjobs retry {sweep}"
    return "cnnjobs report {sweep}"
