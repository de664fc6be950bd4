"""Runs and sweeps on disk: what is known of a run now, and who works on it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from cnnjobs.config.kinds import AnyConfig, network
from cnnjobs.disk import locks
from cnnjobs.disk.code_copies import CodeCopies
from cnnjobs.disk.files import NO_FILE, remove_mark, write_whole
from cnnjobs.disk.layer_tables import LayerTables
from cnnjobs.disk.metrics_log import MetricsLog
from cnnjobs.disk.record import Attempt, Evaluation, RunRecord, RunState
from cnnjobs.disk.run_files import RunFiles
from cnnjobs.errors import InputError, storage_error
from cnnjobs.system import own_modules
from cnnjobs.system.opening import read_bytes, read_words

__all__ = [
    "KILLED_CAUSE",
    "Attempt",
    "Evaluation",
    "RunFolder",
    "RunRecord",
    "RunState",
    "RunStore",
    "stores",
]

KILLED_CAUSE: Final = "the process ended without an error message: killed, out of memory, or the machine went down"


class RunFolder(RunFiles):
    """One run on disk: what is known of it now, and who works on it."""

    @property
    def results(self) -> RunFolder:
        """Where results are read from: the finished run that this one replaces, until it has finished itself."""
        earlier = RunFolder(self.earlier_folder, self.run_id)
        # The replacement first: once it has finished, what it has replaced may go at any moment.
        replaced = self.read_record().state is not RunState.FINISHED and earlier.record_file.exists()
        return earlier if replaced else self

    def code_for_start(self, submitted: str | None) -> str | None:
        """The code that a start of the run trains with: its own once an epoch is done, else what was submitted."""
        own = self.read_record().code
        return own if own and (submitted is None or self.has_checkpoint) else submitted

    def use_code(self, hash: str | None) -> None:
        """Take modules of the user's own from this copy from now on, or from the working folder. Raises InputError."""
        own_modules.use(self.codes.checked(hash) if hash else None)

    def read_to_start(self, submitted: str | None) -> tuple[str | None, AnyConfig]:
        """The code that a start trains with, in use from now on, and the configuration. Raises InputError, OSError."""
        code = self.code_for_start(submitted)
        self.use_code(code)
        return code, self.read_config(own_modules.copy())

    def read_record(self) -> RunRecord:
        """Read the record; one that says running while nobody holds the run is `interrupted`."""
        record = self._read_marks()
        cause = self.cancellation() if record.state in (RunState.PENDING, RunState.INTERRUPTED) else None
        return record if cause is None else record.model_copy(update={"state": RunState.CANCELLED, "cause": cause})

    def _read_marks(self) -> RunRecord:
        if not self.record_file.exists():
            state = RunState.RUNNING if self.is_claimed() else RunState.PENDING
            return RunRecord(run_id=self.run_id, state=state)
        record = self._read_file()
        if record.state is RunState.RUNNING and not self.is_claimed():
            # The process may have finished between the two looks: what it wrote last counts.
            record = self._read_file()
            if record.state is RunState.RUNNING:
                return record.model_copy(update={"state": RunState.INTERRUPTED, "cause": KILLED_CAUSE})
        return record

    def cancel(self, cause: str) -> None:
        """Let no worker take it up, and none go on with it; whoever holds it may write its own end over the record."""
        write_whole(self.cancel_file, cause.encode())

    def cancellation(self) -> str | None:
        """Why the run is to end, while that is asked and the record does not tell it yet."""
        try:
            return read_words(self.cancel_file)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except NO_FILE:
            return "cancelled"

    def settle_cancellation(self) -> bool:
        """Move the request to the record once nobody holds the run; False while someone does. Raises StorageError."""
        with self.claim() as log:
            if log is None:
                return False
            record = self._read_file() if self.record_file.exists() else RunRecord(run_id=self.run_id)
            cause = self.cancellation()
            if cause is not None and record.state not in (RunState.FINISHED, RunState.FAILED):
                self.write_record(record.model_copy(update={"state": RunState.CANCELLED, "cause": cause}))
            remove_mark(self.cancel_file)
            return True

    def _read_file(self) -> RunRecord:
        found = self.load_record()
        if isinstance(found, RunRecord):
            return found
        damage = f"{self.record_file.name} is damaged ({found})"
        return RunRecord(run_id=self.run_id, state=RunState.INTERRUPTED, cause=damage)

    def check_weights(self) -> None:
        """Raises InputError when the run has no weights that could be asked anything."""
        if self.runs_program():
            network(self.read_config())
        state, weights = self.read_record().state, self.results.model_file
        if not weights.is_file():
            if state is RunState.FINISHED:
                raise InputError(f"run {self.run_id} is finished, but its weights are gone: {weights}")
            raise InputError(
                f"run {self.run_id} is {state} and has no weights yet; they are there when it has finished"
            )

    def is_claimed(self) -> bool:
        """Check whether a living process holds the run."""
        return locks.is_held(self.metrics_file)

    @contextmanager
    def claim(self, *, anyway: bool = False) -> Iterator[MetricsLog | None]:
        """The run's metrics log, held while the process lives; None when another holds it. Raises StorageError.

        `anyway` is for the successor of a holder that was given up, and lets its announcement stand. What cannot be
        read is set aside, and the record says so.
        """
        damaged = self.make_room_for_log()
        with _held(self.metrics_file, anyway=anyway) as hold:
            if hold is None:
                yield None
                return
            if not anyway:
                remove_mark(self.successor_file)
            for leftover in self.path.glob(".*.tmp"):
                with suppress(OSError):
                    leftover.unlink()
            self.set_aside_record(damaged)
            yield MetricsLog(hold)


@contextmanager
def _held(path: Path, *, anyway: bool = False) -> Iterator[locks.Hold | None]:
    with ExitStack() as stack:
        try:
            hold = stack.enter_context(locks.hold(path, anyway=anyway))
        except OSError as error:
            raise storage_error(path, error) from error
        yield hold


class RunStore:
    """All runs of one sweep on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sweep_file = path / "sweep.yaml"
        self.origin_file = path / ".origin"
        self.launcher_file = path / ".launcher"
        self.jobs_folder = path / "jobs"
        self.logs_file = path / "logs.zip"
        self.report_folder = path / "report"
        self.codes, self.networks = CodeCopies(path / "code"), LayerTables(path / "networks")

    def run(self, run_id: str) -> RunFolder:
        """The folder of a run, whether it exists or not."""
        return RunFolder(self.path / run_id)

    def runs(self) -> list[RunFolder]:
        """Every run on disk, by name."""
        if not self.path.is_dir():
            return []
        return [RunFolder(path.parent) for path in sorted(self.path.glob("*/config.yaml"))]

    def keep_sweep_file(self, text: str, origin: Path | None = None) -> None:
        """Make the sweep's folder with a copy of its file, and keep where that lies. Raises StorageError."""
        write_whole(self.sweep_file, text.encode())
        if origin is not None:
            # Seen from here: a project that is copied with its results has a file of its own.
            write_whole(self.origin_file, os.fsencode(os.path.relpath(origin.resolve(), self.path.resolve())))

    def origin(self) -> Path | None:
        """Where the file lay of which the sweep was started last, if that is known."""
        with suppress(OSError):
            place = os.fsdecode(read_bytes(self.origin_file))
            # A place in full may be that of the project of which this one is a copy.
            if place and "\0" not in place and not Path(place).is_absolute():
                return Path(os.path.normpath(self.path.resolve() / place))
        return None

    @contextmanager
    def launching(self) -> Iterator[bool]:
        """Hold the sweep while launching it; False when another launcher holds it. Raises StorageError."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(self.path, error) from error
        with _held(self.launcher_file) as hold:
            if hold is not None:
                try:
                    hold.file.truncate(0)
                    hold.file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
                except OSError as error:
                    raise storage_error(self.launcher_file, error) from error
            yield hold is not None

    def launcher(self) -> str:
        """Last launcher of the sweep, in words."""
        with suppress(OSError):
            return read_words(self.launcher_file)
        return "nobody"


def stores(results: Path) -> list[RunStore]:
    """Every sweep under a results folder, the latest started first."""
    found = [RunStore(path.parent) for path in results.glob("*/sweep.yaml")]
    return sorted(found, key=lambda store: store.sweep_file.lstat().st_mtime, reverse=True)
