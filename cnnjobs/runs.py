"""The run folder: the only module that knows its file names.

results/<sweep>/
  sweep.yaml          the sweep file as it was last started
  jobs/               one folder per submission, pruned when its runs are collected
  report/             what `cnnjobs report` writes
  <run_id>/
    .successor        who waits for the run, while an attempt that was given up still holds it
    config.yaml       the resolved RunConfig
    record.json       RunRecord, always whole (temp + fsync + rename)
    cancelled.txt     why it is to end, from the request until the record tells it
    metrics.jsonl     one line per validation, appended; whoever trains the run holds its lock
    checkpoint.pt     the last whole epoch; checkpoint.previous.pt the one before it; both go when the run finishes
    model.pt          best-validation weights (state_dict)
    predictions.npz     what those weights say of each test image
    events.out.tfevents.*   TensorBoard
    earlier/            the finished run that this one replaces, whole, until this one has finished itself
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from cnnjobs import locks
from cnnjobs.errors import InputError, storage_error
from cnnjobs.files import MetricsLog, remove_folder, set_aside, whole_lines, without_windows, write_whole
from cnnjobs.records import Attempt, Evaluation, RunRecord, RunState
from cnnjobs.spec.run import RunConfig, read_config

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

KILLED_CAUSE: Final = "the process ended without a word: killed, out of memory, or the machine went down"


class RunFolder:
    """One run on disk; `run_id` where the folder is not called by it."""

    def __init__(self, path: Path, run_id: str | None = None) -> None:
        self.path = path
        self.run_id = run_id or path.name
        self.config_file = path / "config.yaml"
        self.record_file = path / "record.json"
        self.cancel_file = path / "cancelled.txt"
        self.successor_file = path / ".successor"
        self.metrics_file = path / "metrics.jsonl"
        self.checkpoint_file = path / "checkpoint.pt"
        self.previous_checkpoint_file = path / "checkpoint.previous.pt"
        self.model_file = path / "model.pt"
        self.predictions_file = path / "predictions.npz"
        self.earlier_folder = path / "earlier"

    @property
    def results(self) -> RunFolder:
        """Where results are read from: the finished run that this one replaces, until it has finished itself."""
        earlier = RunFolder(self.earlier_folder, self.run_id)
        # The replacement first: once it has finished, what it has replaced may go at any moment.
        replaced = self.read_record().state is not RunState.FINISHED and earlier.record_file.exists()
        return earlier if replaced else self

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is a whole epoch to go on from."""
        return self.checkpoint_file.exists() or self.previous_checkpoint_file.exists()

    def event_files(self) -> list[Path]:
        """TensorBoard's files, oldest first."""
        return sorted(self.path.glob("events.out.tfevents.*"))

    def create(self, config: RunConfig) -> None:
        """Make the folder with its configuration; an existing one keeps all but what it prints. Raises StorageError."""
        there = self.config_file.read_text(encoding="utf-8").splitlines() if self.config_file.exists() else None
        lines = there or [f"{key}: {json.dumps(value)}" for key, value in config.nested().items()]
        lines = [line for line in lines if not line.startswith("print_every:")]
        lines += [f"print_every: {config.print_every}"] if config.print_every else []
        if lines != there:
            write_whole(self.config_file, "".join(f"{line}\n" for line in lines).encode())

    def read_config(self) -> RunConfig:
        """The resolved configuration. Raises InputError when this version cannot read it."""
        config = read_config(YAML(typ="safe").load(self.config_file.read_text(encoding="utf-8")))
        if isinstance(config, list):
            raise InputError(f"{self.config_file}: {config[0].key}: {config[0].found}; written by another version?")
        return config

    def read_record(self) -> RunRecord:
        """What is known now: a record that says running while nobody holds the run is `interrupted`."""
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

    def write_record(self, record: RunRecord, guard: Callable[[], None] | None = None) -> None:
        """Replace the record, unless `guard` raises. Raises StorageError."""
        content = record.model_dump_json(indent=1).encode() + b"\n"
        write_whole(self.record_file, content, guard=guard, make_folder=False)

    def cancel(self, cause: str) -> None:
        """Let no worker take it up, and none go on with it; whoever holds it may write its own end over the record."""
        write_whole(self.cancel_file, cause.encode())

    def cancellation(self) -> str | None:
        """Why the run is to end, while that is asked and the record does not tell it yet."""
        with suppress(FileNotFoundError, NotADirectoryError):
            return self.cancel_file.read_text(encoding="utf-8")
        return None

    def settle_cancellation(self) -> bool:
        """Move the request to the record once nobody holds the run; False while someone does. Raises StorageError."""
        with self.claim() as log:
            if log is None:
                return False
            record = self._read_file() if self.record_file.exists() else RunRecord(run_id=self.run_id)
            cause = self.cancellation()
            if cause is not None and record.state not in (RunState.FINISHED, RunState.FAILED):
                self.write_record(record.model_copy(update={"state": RunState.CANCELLED, "cause": cause}))
            self.cancel_file.unlink(missing_ok=True)
            return True

    def _read_file(self) -> RunRecord:
        return RunRecord.model_validate_json(self.record_file.read_bytes())

    def read_metrics(self, *, windows: bool = True) -> list[dict[str, Any]]:
        """Every whole line of metrics, in order; faster without their windows. Raises ValueError for a damaged one."""
        if not self.metrics_file.exists():
            return []
        content = self.metrics_file.read_bytes()
        found = whole_lines(content if windows else without_windows(content), strict=True)
        return [line if windows else {key: line[key] for key in line if key != "windows"} for _, line in found]

    def check_weights(self) -> None:
        """Raises InputError when the run has no weights that could be asked anything."""
        state, weights = self.read_record().state, self.results.model_file
        if not weights.is_file():
            if state is RunState.FINISHED:
                raise InputError(f"run {self.run_id} is finished, but its weights are gone: {weights}")
            raise InputError(
                f"run {self.run_id} is {state} and has no weights yet; they are there when it has finished"
            )

    def is_claimed(self) -> bool:
        """Whether a living process holds the run."""
        return locks.is_held(self.metrics_file)

    @contextmanager
    def claim(self, *, anyway: bool = False) -> Iterator[MetricsLog | None]:
        """The run's metrics log, held while the process lives; None when another holds it. Raises StorageError.

        `anyway` is for the successor of a holder that was given up, and lets its announcement stand.
        """
        with _held(self.metrics_file, anyway=anyway) as hold:
            if hold is None:
                yield None
                return
            if not anyway:
                self.successor_file.unlink(missing_ok=True)
            for leftover in self.path.glob(".*.tmp"):
                leftover.unlink(missing_ok=True)
            yield MetricsLog(hold)

    def write_checkpoint(self, content: bytes, guard: Callable[[], None] | None = None) -> None:
        """Replace the checkpoint and keep the one before it, unless `guard` raises. Raises StorageError."""
        previous = self.previous_checkpoint_file
        write_whole(self.checkpoint_file, content, keep_as=previous, guard=guard, make_folder=False)

    def drop_checkpoints(self) -> None:
        """Remove both checkpoints: the run is finished."""
        for file in (self.checkpoint_file, self.previous_checkpoint_file):
            file.unlink(missing_ok=True)

    def keep_earlier(self) -> None:
        """Set a finished run aside, before it starts again from nothing; only for who holds the claim.

        It stays where it is, too. Raises StorageError.
        """
        try:
            set_aside([file for file in self.path.iterdir() if not file.name.startswith(".")], self.earlier_folder)
        except OSError as error:
            raise storage_error(self.earlier_folder, error) from error

    def drop_leftovers(self) -> None:
        """Remove what a finished run needs no longer: its checkpoints, and the run that it has replaced."""
        self.drop_checkpoints()
        remove_folder(self.earlier_folder)

    def reset(self) -> None:
        """Forget all that was trained, before a run starts again from nothing; only for who holds the claim."""
        self.drop_checkpoints()
        for file in (self.model_file, self.predictions_file, *self.event_files()):
            file.unlink(missing_ok=True)


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
        self.launcher_file = path / ".launcher"
        self.jobs_folder = path / "jobs"
        self.report_folder = path / "report"

    def run(self, run_id: str) -> RunFolder:
        """The folder of a run, whether it exists or not."""
        return RunFolder(self.path / run_id)

    def runs(self) -> list[RunFolder]:
        """Every run on disk, by name."""
        if not self.path.is_dir():
            return []
        return [RunFolder(path.parent) for path in sorted(self.path.glob("*/config.yaml"))]

    def keep_sweep_file(self, text: str) -> None:
        """Make the sweep's folder with a copy of its file. Raises StorageError."""
        write_whole(self.sweep_file, text.encode())

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
        """Who launched the sweep last, in words."""
        return self.launcher_file.read_text(encoding="utf-8") if self.launcher_file.exists() else "nobody"


def stores(results: Path) -> list[RunStore]:
    """Every sweep under a results folder, the latest started first."""
    found = [RunStore(path.parent) for path in results.glob("*/sweep.yaml")]
    return sorted(found, key=lambda store: store.sweep_file.stat().st_mtime, reverse=True)
