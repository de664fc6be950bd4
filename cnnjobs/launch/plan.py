"""What a sweep file asks for against what is on disk: what runs, what is kept, and why."""

from __future__ import annotations

import enum
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from cnnjobs.errors import DataError, InputError, StorageError, UnknownNameError
from cnnjobs.files import NO_FILE, map_at_once, remove_mark
from cnnjobs.launch.submissions import queued_runs
from cnnjobs.opening import read_bytes
from cnnjobs.runs import RunFolder, RunRecord, RunState, RunStore
from cnnjobs.spec.sweep import Sweep, SweepRun
from cnnjobs.training.weights_source import changed, find_weights


class Fate(enum.StrEnum):
    """What becomes of a run when the sweep is started."""

    NEW = "new"
    RESUMED = "resumed"
    AGAIN = "again"
    RUNNING = "running"
    QUEUED = "queued"
    FINISHED = "finished"
    FAILED = "failed"
    LEFT = "left"


@dataclass(frozen=True)
class PlannedRun:
    """A run of the sweep, what becomes of it, and why.

    One that starts `from_nothing` replaces what it has left, which stays until that has finished if it had finished.
    """

    run: SweepRun
    fate: Fate
    reason: str
    from_nothing: bool = False

    @property
    def starts(self) -> bool:
        """Whether a worker is to take it up."""
        return self.fate in (Fate.NEW, Fate.RESUMED, Fate.AGAIN)


@dataclass(frozen=True)
class Plan:
    """The fate of every run of the sweep; `left` are runs on disk that the file asks for no longer.

    `is_retry` where the user asked for what has ended to be taken up again.
    """

    sweep: Sweep
    store: RunStore
    runs: tuple[PlannedRun, ...]
    left: tuple[str, ...]
    is_retry: bool

    @property
    def to_run(self) -> tuple[SweepRun, ...]:
        """What a worker has to take up."""
        return tuple(planned.run for planned in self.runs if planned.starts)

    @property
    def is_open(self) -> bool:
        """Whether any run is still to come or under way."""
        return bool(self.to_run) or self.count(Fate.RUNNING) > 0

    @property
    def here(self) -> tuple[SweepRun, ...]:
        """What this machine may have to do with: neither left as it is nor in Slurm's queue."""
        return tuple(planned.run for planned in self.runs if planned.fate not in (Fate.LEFT, Fate.QUEUED))

    def count(self, *fates: Fate) -> int:
        """How many runs meet one of these fates."""
        return sum(planned.fate in fates for planned in self.runs)


def make_plan(
    sweep: Sweep,
    store: RunStore,
    *,
    retry_failed: bool = False,
    force: bool = False,
    only: Collection[str] | None = None,
    queued: Mapping[str, str] = MappingProxyType({}),
) -> Plan:
    """Look, and write nothing. `retry_failed` takes failed runs up again, `force` every run and from nothing.

    With `only` nothing but the runs of these ids is taken up, the failed ones among them too. `queued` tells by run id
    which job of Slurm's queue is to train a run.
    """
    again = retry_failed or only is not None
    runs = tuple(
        PlannedRun(run, *_fate(store.run(run.run_id), again, force, queued.get(run.run_id)), from_nothing=force)
        for run in sweep.runs
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
    return Plan(sweep, store, runs, left, is_retry=again)


def _fate(folder: RunFolder, retry_failed: bool, force: bool, job: str | None) -> tuple[Fate, str]:
    record = folder.read_record()
    state = record.state
    if job is not None and state in (RunState.PENDING, RunState.INTERRUPTED):
        return Fate.QUEUED, job
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
    if folder.has_checkpoint:
        return Fate.RESUMED, f"{record.state}; goes on from its last whole epoch"
    if record.attempts:
        return Fate.NEW, f"{record.state} before its first whole epoch"
    return Fate.NEW, "not run yet"


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
            source = find_weights(planned.run.config, folders, plan.store.path.parent)
        except (DataError, UnknownNameError) as error:
            if planned.starts:
                problems[str(error)] = None
            continue
        if source is None or (planned.from_nothing and planned.starts):
            continue
        before = plan.store.run(planned.run.run_id).read_record().weights_sha256
        if before not in (None, source.sha256):
            problems[changed(source, before)] = None
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
    with held(sweep, store) as undone:
        with undone:
            plan = make_plan(sweep, store, retry_failed=retry_failed, force=force, only=only, queued=queued_runs(store))
            write_down(plan)
            take_up_again(plan)
        yield plan


@contextmanager
def held(sweep: Sweep, store: RunStore) -> Iterator[AbstractContextManager[None]]:
    """Hold the sweep; what is written in the context that is given goes away again when an InputError leaves that.

    Raises InputError when another launcher holds the sweep.
    """
    above = [path for path in store.path.parents if not path.exists()]
    with ExitStack() as stack:
        try:
            if not stack.enter_context(store.launching()):
                raise InputError(
                    f"{sweep.name} is being run already, by {store.launcher()}; look at it with: cnnjobs status"
                )
        except StorageError:
            with suppress(OSError):
                if not store.sweep_file.exists():
                    store.launcher_file.unlink(missing_ok=True)
            _remove_empty(store.path, *above)
            raise
        yield _undone_on_error(sweep, store, above)


def write_down(plan: Plan) -> None:
    """Keep the sweep file, and make the folder of each run that is taken up. Raises StorageError."""
    plan.store.keep_sweep_file(plan.sweep.text)
    map_at_once(lambda run: plan.store.run(run.run_id).create(run.config), plan.to_run)


def take_up_again(plan: Plan) -> None:
    """Set back to pending what ended before and is to run again. Raises StorageError.

    A retry forgives what was merely interrupted, too.
    """
    for planned in plan.runs:
        folder = plan.store.run(planned.run.run_id)
        if planned.fate is Fate.AGAIN or (plan.is_retry and planned.starts and folder.record_file.exists()):
            _start_again(folder, from_nothing=planned.from_nothing)


def _start_again(folder: RunFolder, *, from_nothing: bool) -> None:
    """Back to pending; the attempts stay on record, so that their numbers go on."""
    with folder.claim() as log:
        if log is None:
            return
        record = folder.read_record()
        if from_nothing:
            if record.state is RunState.FINISHED:
                folder.keep_earlier()
            folder.drop_checkpoints()
            record = RunRecord(run_id=record.run_id, attempts=record.attempts)
        remove_mark(folder.cancel_file)
        changes = {"state": RunState.PENDING, "cause": None, "traceback": None, "forgiven": len(record.attempts)}
        folder.write_record(record.model_copy(update=changes))
        if from_nothing:
            # Nobody reads results here any more: they are those of the run that was kept.
            log.keep_up_to(-1)
            folder.reset()


@contextmanager
def _undone_on_error(sweep: Sweep, store: RunStore, above: Sequence[Path]) -> Iterator[None]:
    """Remove what was made inside. Only for who holds the sweep: another's folders would go with it."""
    before: str | None = None
    with suppress(FileNotFoundError, *NO_FILE, UnicodeDecodeError):
        before = read_bytes(store.sweep_file).decode()
    new = [path for run in sweep.runs if not (path := store.run(run.run_id).path).exists()]
    try:
        yield
    except InputError:
        for folder in new:
            shutil.rmtree(folder, ignore_errors=True)
        with suppress(StorageError, OSError):
            if before is not None:
                store.keep_sweep_file(before)
            else:
                store.sweep_file.unlink(missing_ok=True)
                store.launcher_file.unlink(missing_ok=True)
        _remove_empty(store.jobs_folder, store.path, *above)
        raise


def _remove_empty(*folders: Path) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
