"""Plan of a sweep: the file's runs against those on disk, which run, which are kept, and why."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cnnjobs.disk.code_copies import have_changed
from cnnjobs.disk.run_folder import RunFolder, RunRecord, RunState, RunStore
from cnnjobs.errors import DataError, UnknownNameError
from cnnjobs.launch.plan.search import PlannedSearch, plan_search
from cnnjobs.status.own_code import CodeChoice, OwnCode
from cnnjobs.status.sweep_status import failed_on_slurm
from cnnjobs.sweep.file import Sweep, SweepRun
from cnnjobs.training.weights.source import changed as weights_changed
from cnnjobs.training.weights.source import find_weights


class Action(enum.StrEnum):
    """Action on a run when the sweep is started."""

    NEW = "new"
    RESUMED = "resumed"
    AGAIN = "again"
    RUNNING = "running"
    QUEUED = "queued"
    FINISHED = "finished"
    FAILED = "failed"
    LEFT = "left"


@dataclass(frozen=True)
class Selection:
    """The part of a sweep that is asked for: all that is missing, and more where the user says so.

    `retry_failed` takes failed runs up again, `force` every run and from nothing. With `only` nothing but the runs of
    these ids is taken up, the failed ones among them too. `code` is what becomes of runs whose own code has changed,
    `parallel` how many runs go on at a time.
    """

    retry_failed: bool = False
    force: bool = False
    only: frozenset[str] | None = None
    code: CodeChoice | None = None
    parallel: int | None = None

    @property
    def is_retry(self) -> bool:
        """True if what has failed is to be taken up again."""
        return self.retry_failed or self.only is not None

    def has(self, run_id: str) -> bool:
        """Check whether a run may be taken up."""
        return self.only is None or run_id in self.only

    def along_with(self, run_ids: Iterable[str]) -> Selection:
        """The same, and these runs."""
        return self if self.only is None else replace(self, only=self.only | frozenset(run_ids))


ALL_MISSING: Final = Selection()


@dataclass(frozen=True)
class PlannedRun:
    """A run of the sweep, what becomes of it, and why.

    One that starts `from_nothing` replaces what it has left, which stays until that has finished if it had finished.
    It trains with the copy `code` of the user's own code; `changed` are files that are not as its copy has them.
    """

    run: SweepRun
    action: Action
    reason: str
    from_nothing: bool = False
    code: str | None = None
    changed: tuple[str, ...] = ()
    has_unknown_code: bool = False

    @property
    def starts(self) -> bool:
        """True if a worker is to take it up."""
        return self.action in (Action.NEW, Action.RESUMED, Action.AGAIN)


@dataclass(frozen=True)
class Plan:
    """The action of every run of the sweep; `left` are runs on disk that the file asks for no longer.

    Runs that begin train with `code`; a `search` ends some early, and proposes more. `is_retry` where the user asked
    for what has ended to be taken up again.
    """

    sweep: Sweep
    store: RunStore
    runs: tuple[PlannedRun, ...]
    left: tuple[str, ...]
    is_retry: bool
    code: OwnCode
    search: PlannedSearch

    @property
    def to_run(self) -> tuple[SweepRun, ...]:
        """Runs for a worker to take up."""
        return tuple(planned.run for planned in self.runs if planned.starts)

    @property
    def has_work(self) -> bool:
        """True if a worker is to take something up, or to propose it."""
        return bool(self.to_run) or (self.search.to_come > 0 and not self.count(Action.QUEUED, Action.RUNNING))

    @property
    def is_open(self) -> bool:
        """True if any run is still to come or under way."""
        return bool(self.to_run) or self.count(Action.RUNNING) > 0 or self.search.to_come > 0

    @property
    def here(self) -> tuple[SweepRun, ...]:
        """Runs for this machine: neither left as they are nor in Slurm's queue."""
        return tuple(planned.run for planned in self.runs if planned.action not in (Action.LEFT, Action.QUEUED))

    def count(self, *actions: Action) -> int:
        """Number of runs with one of these actions."""
        return sum(planned.action in actions for planned in self.runs)


def make_plan(
    sweep: Sweep,
    store: RunStore,
    selection: Selection = ALL_MISSING,
    *,
    queued: Mapping[str, str] = MappingProxyType({}),
) -> Plan:
    """Look, and write nothing; `queued` tells by run id which job of Slurm's queue is to train a run."""
    own_code = OwnCode.look(sweep, store, selection.code)
    failed = failed_on_slurm(store, sweep.runs, queued)
    runs = tuple(
        _if_asked_for(_planned(run, store, own_code, selection, job=queued.get(run.run_id), failed=failed), selection)
        for run in sweep.runs
    )
    asked = {run.run_id for run in sweep.runs}
    left = tuple(folder.run_id for folder in store.runs() if folder.run_id not in asked)
    search = plan_search(sweep, store, parallel=selection.parallel)
    return Plan(sweep, store, runs, left, is_retry=selection.is_retry, code=own_code, search=search)


def _if_asked_for(planned: PlannedRun, selection: Selection) -> PlannedRun:
    if not planned.starts or selection.has(planned.run.run_id):
        return planned
    return replace(planned, action=Action.LEFT, reason="was not asked for")


def _planned(
    run: SweepRun,
    store: RunStore,
    code: OwnCode,
    selection: Selection,
    *,
    job: str | None,
    failed: Mapping[str, str],
) -> PlannedRun:
    folder = store.run(run.run_id)
    record = folder.read_record()
    if run.run_id in failed:
        record = record.model_copy(update={"state": RunState.FAILED, "cause": failed[run.run_id]})
    action, reason = _action(folder, record, selection, job)
    changed = code.changed(record, run.config, is_queued=action is Action.QUEUED)
    unknown = code.is_unknown(record, run.config)
    if changed and code.choice == "new" and not selection.force and action not in (Action.RUNNING, Action.QUEUED):
        reason = f"--code new: was {record.state}, {have_changed(changed)}; starts from nothing"
        return PlannedRun(run, Action.AGAIN, reason, from_nothing=True, code=code.hash, changed=changed)
    own = None if selection.force else folder.code_for_start(code.hash)
    if action in (Action.NEW, Action.AGAIN) and not folder.has_checkpoint:
        # It begins with the code as it is now.
        changed = ()
    return PlannedRun(run, action, reason, selection.force, own or code.hash, changed, unknown)


def _action(folder: RunFolder, record: RunRecord, selection: Selection, job: str | None) -> tuple[Action, str]:
    state = record.state
    if job is not None and state in (RunState.PENDING, RunState.INTERRUPTED):
        return Action.QUEUED, job
    again = selection.force and folder.config_file.exists() and state is not RunState.RUNNING
    if again:
        return Action.AGAIN, f"--force: was {state}, starts from nothing"
    cause = record.cause or "no cause was written"
    known = {
        RunState.RUNNING: (Action.RUNNING, f"held by {_holder(record)}"),
        RunState.FINISHED: (Action.FINISHED, "kept"),
        RunState.STOPPED: (Action.FINISHED, "kept: stopped early"),
        RunState.CANCELLED: (Action.AGAIN, "was cancelled"),
        RunState.FAILED: (Action.AGAIN, f"--retry-failed: {cause}") if selection.is_retry else (Action.FAILED, cause),
    }
    return known.get(state) or _unfinished(folder, record)


def _unfinished(folder: RunFolder, record: RunRecord) -> tuple[Action, str]:
    if folder.has_checkpoint:
        return Action.RESUMED, f"{record.state}; goes on from its last whole epoch"
    if record.attempts:
        return Action.NEW, f"{record.state} before its first whole epoch"
    return Action.NEW, "not run yet"


def _holder(record: RunRecord) -> str:
    last = record.attempts[-1] if record.attempts else None
    return f"process {last.pid} on {last.host}" if last else "a process that has just started it"


def check_weights(plan: Plan, folders: Sequence[Path]) -> None:
    """Look for the weights that runs start from. Raises DataError that tells of all that are missing or have changed.

    A run's id stands for the content of the file: one that has changed since serves no run of that id, finished or not.
    """
    problems: dict[str, None] = {}
    for planned in plan.runs:
        try:
            source = find_weights(planned.run.network, folders, plan.store.path.parent)
        except (DataError, UnknownNameError) as error:
            if planned.starts:
                problems[str(error)] = None
            continue
        if source is None or (planned.from_nothing and planned.starts):
            continue
        before = plan.store.run(planned.run.run_id).read_record().weights_sha256
        if before not in (None, source.sha256):
            problems[weights_changed(source, before)] = None
    if problems:
        raise DataError("\n".join(problems))
