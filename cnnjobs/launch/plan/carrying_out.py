"""A plan on disk: the sweep is held, and what it needs is written down; what ended before is set back to pending."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from cnnjobs.disk.files import NO_FILE, map_at_once, remove_mark
from cnnjobs.disk.run_folder import RunFolder, RunRecord, RunState, RunStore
from cnnjobs.errors import InputError, StorageError
from cnnjobs.launch.plan.plan import ALL_MISSING, Action, Plan, Selection, make_plan
from cnnjobs.status.repair import queued_runs
from cnnjobs.sweep.file import Sweep
from cnnjobs.system.opening import read_bytes


@contextmanager
def carried_out(sweep: Sweep, store: RunStore, selection: Selection = ALL_MISSING) -> Iterator[Plan]:
    """Hold the sweep, look again, and write down what the plan needs; it is held until the block is left.

    Raises InputError when another launcher holds it, and StorageError: nothing new is left behind then.
    """
    with held(sweep, store) as undone:
        with undone:
            plan = make_plan(sweep, store, selection, queued=queued_runs(store))
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
    """Keep the sweep file and its code, and make the folder of each run that is taken up. Raises StorageError."""
    is_own_copy = plan.sweep.path.resolve() == plan.store.sweep_file.resolve()
    plan.store.keep_sweep_file(plan.sweep.text, None if is_own_copy else plan.sweep.path)
    plan.store.codes.keep(plan.code.given)
    plan.search.write_down(plan.store)
    map_at_once(lambda run: plan.store.run(run.run_id).create(run.config), plan.to_run)
    for planned in plan.runs:
        if planned.action is Action.FAILED:
            _write_end(plan.store.run(planned.run.run_id), planned.reason)


def restore_code(plan: Plan) -> bool:
    """Write a damaged copy that runs were trained with anew, from the same code as it is now; True if there was one.

    Raises StorageError.
    """
    code, store = plan.code.given, plan.store
    if code is None or not store.codes.damage(code.hash):
        return False
    if not any(folder.read_record().code == code.hash for folder in store.runs()):
        return False
    with store.launching() as is_ours:
        if is_ours:
            store.codes.restore(code)
    return is_ours


def _write_end(folder: RunFolder, cause: str) -> None:
    """Keep a failure of which only Slurm has told so far: a worker that looks at the run alone is to know it, too."""
    record = folder.read_record()
    if record.state in (RunState.PENDING, RunState.INTERRUPTED):
        with folder.claim() as log:
            if log is not None:
                folder.write_record(record.model_copy(update={"state": RunState.FAILED, "cause": cause}))


def take_up_again(plan: Plan) -> None:
    """Set back to pending what ended before and is to run again. Raises StorageError.

    A retry forgives what was merely interrupted, too.
    """
    for planned in plan.runs:
        folder = plan.store.run(planned.run.run_id)
        if planned.action is Action.AGAIN or (plan.is_retry and planned.starts and folder.record_file.exists()):
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
    origin = store.origin()
    new = [path for run in sweep.runs if not (path := store.run(run.run_id).path).exists()]
    codes, latest = store.codes.hashes(), store.codes.latest()
    try:
        yield
    except InputError:
        store.codes.go_back(codes, latest)
        for folder in new:
            shutil.rmtree(folder, ignore_errors=True)
        with suppress(StorageError, OSError):
            if origin is None:
                store.origin_file.unlink(missing_ok=True)
            if before is not None:
                store.keep_sweep_file(before, origin)
            else:
                store.sweep_file.unlink(missing_ok=True)
                store.launcher_file.unlink(missing_ok=True)
        _remove_empty(store.jobs_folder, store.path, *above)
        raise


def _remove_empty(*folders: Path) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
