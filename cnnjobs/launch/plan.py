"""What a sweep file asks for against what is on disk: what runs, what is kept, and why."""

from __future__ import annotations

import enum
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cnnjobs.components.datasets import find_data
from cnnjobs.errors import DataError, InputError, StorageError, UnknownNameError
from cnnjobs.runs import RunFolder, RunRecord, RunState, RunStore
from cnnjobs.spec.sweep import Sweep, SweepRun


class Fate(enum.StrEnum):
    """What becomes of a run when the sweep is started."""

    NEW = "new"
    RESUMED = "resumed"
    AGAIN = "again"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    LEFT = "left"


@dataclass(frozen=True)
class PlannedRun:
    """A run of the sweep, what becomes of it, and why."""

    run: SweepRun
    fate: Fate
    reason: str

    @property
    def starts(self) -> bool:
        """Whether a worker is to take it up."""
        return self.fate in (Fate.NEW, Fate.RESUMED, Fate.AGAIN)


@dataclass(frozen=True)
class Plan:
    """The fate of every run of the sweep; `left` are runs on disk that the file asks for no longer."""

    sweep: Sweep
    store: RunStore
    runs: tuple[PlannedRun, ...]
    left: tuple[str, ...]
    from_nothing: bool

    @property
    def to_run(self) -> tuple[SweepRun, ...]:
        """What a worker has to take up."""
        return tuple(planned.run for planned in self.runs if planned.starts)

    @property
    def is_open(self) -> bool:
        """Whether any run is still to come or under way."""
        return bool(self.to_run) or self.count(Fate.RUNNING) > 0

    def count(self, fate: Fate) -> int:
        """How many runs meet this fate."""
        return sum(planned.fate is fate for planned in self.runs)


def make_plan(
    sweep: Sweep,
    store: RunStore,
    *,
    retry_failed: bool = False,
    force: bool = False,
    only: Collection[str] | None = None,
) -> Plan:
    """Look, and write nothing. `retry_failed` takes failed runs up again, `force` every run and from nothing.

    With `only` nothing but the runs of these ids is taken up, the failed ones among them too.
    """
    runs = tuple(
        PlannedRun(run, *_fate(store.run(run.run_id), retry_failed or only is not None, force)) for run in sweep.runs
    )
    if only is not None:
        runs = tuple(
            replace(planned, fate=Fate.LEFT, reason="was not asked for")
            if planned.starts and planned.run.run_id not in only
            else planned
            for planned in runs
        )
    asked = {run.run_id for run in sweep.runs}
    left = tuple(folder.run_id for folder in store.runs() if folder.run_id not in asked)
    return Plan(sweep, store, runs, left, from_nothing=force)


def _fate(folder: RunFolder, retry_failed: bool, force: bool) -> tuple[Fate, str]:
    record = folder.read_record()
    state = record.state
    again = force and folder.config_file.exists() and state is not RunState.RUNNING
    if again:
        return Fate.AGAIN, f"--force: was {state}, starts from nothing"
    cause = record.cause or "no cause was written"
    known = {
        RunState.RUNNING: (Fate.RUNNING, f"held by {_holder(record)}"),
        RunState.FINISHED: (Fate.FINISHED, "kept"),
        RunState.CANCELLED: (Fate.AGAIN, "was cancelled"),
        RunState.FAILED: (Fate.AGAIN, f"--retry-failed: {cause}") if retry_failed else (Fate.FAILED, cause),
    }
    return known.get(state) or _unfinished(folder, record)


def _unfinished(folder: RunFolder, record: RunRecord) -> tuple[Fate, str]:
    if folder.checkpoint_file.exists() or folder.previous_checkpoint_file.exists():
        return Fate.RESUMED, f"{record.state}; goes on from its last whole epoch"
    if record.attempts:
        return Fate.NEW, f"{record.state} before its first whole epoch"
    return Fate.NEW, "not run yet"


def _holder(record: RunRecord) -> str:
    last = record.attempts[-1] if record.attempts else None
    return f"process {last.pid} on {last.host}" if last else "a process that has just started it"


def check_data(runs: Iterable[SweepRun], folders: Sequence[Path]) -> None:
    """Look for every data set that the runs need. Raises DataError that tells of all that are missing."""
    problems: list[str] = []
    for name in dict.fromkeys(run.config.dataset.name for run in runs):
        try:
            find_data(name, folders)
        except (DataError, UnknownNameError) as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))


@contextmanager
def carried_out(
    sweep: Sweep,
    store: RunStore,
    *,
    retry_failed: bool = False,
    force: bool = False,
    only: Collection[str] | None = None,
) -> Iterator[Plan]:
    """Hold the sweep, look again, and write down what the plan needs; it is held until the block is left.

    Raises InputError when another launcher holds it, and StorageError: nothing new is left behind then.
    """
    with ExitStack() as held:
        with _undone_on_error(store, sweep):
            if not held.enter_context(store.launching()):
                raise InputError(
                    f"{sweep.name} is being run already, by {store.launcher()}; look at it with: cnnjobs status"
                )
            plan = make_plan(sweep, store, retry_failed=retry_failed, force=force, only=only)
            _write(plan)
        yield plan


def _write(plan: Plan) -> None:
    plan.store.keep_sweep_file(plan.sweep.text)
    for run in plan.to_run:
        plan.store.run(run.run_id).create(run.config)
    for planned in plan.runs:
        if planned.fate is Fate.AGAIN:
            _start_again(plan.store.run(planned.run.run_id), from_nothing=plan.from_nothing)


def _start_again(folder: RunFolder, *, from_nothing: bool) -> None:
    """Back to pending; the attempts stay on record, so that their numbers go on."""
    with folder.claim() as log:
        if log is None:
            return
        record = folder.read_record()
        if from_nothing:
            folder.reset()
            log.keep_up_to(-1)
            record = RunRecord(run_id=record.run_id, attempts=record.attempts)
        folder.cancel_file.unlink(missing_ok=True)
        folder.write_record(record.model_copy(update={"state": RunState.PENDING, "cause": None, "traceback": None}))


@contextmanager
def _undone_on_error(store: RunStore, sweep: Sweep) -> Iterator[None]:
    """Remove every folder that was made inside when the disk refuses to take all of it."""
    # The outermost new folder stands for all below it.
    above = [path for path in reversed((store.path, *store.path.parents)) if not path.exists()]
    made = above[:1] or [path for run in sweep.runs if not (path := store.run(run.run_id).path).exists()]
    try:
        yield
    except StorageError:
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)
        raise
