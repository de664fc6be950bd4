"""The files of a run, by name: each read, replaced and set aside by itself.

results/<sweep>/
  sweep.yaml          the sweep file as it was last started; .origin is where it lay
  jobs/               one folder per submission, pruned when its runs are collected
  logs.zip            what the jobs of pruned folders have said
  report/             what `cnnjobs report` writes
  networks/           the layers of the networks, for reports (see layer_tables.py)
  code/               the user's own code that runs are trained with (see code_copies.py)
  <run_id>/
    .successor        who waits for the run, while an attempt that was given up still holds it
    config.yaml       the resolved RunConfig, or ProgramConfig
    record.json       RunRecord, always whole (temp + fsync + rename)
    cancelled.txt     why it is to end, from the request until the record tells it
    metrics.jsonl     one line per validation, appended; whoever trains the run holds its lock
    checkpoint.pt     the last whole epoch; checkpoint.previous.pt the one before it; both go when the run finishes
    model.pt          best-validation weights (state_dict)
    predictions.npz     what those weights say of each test image
    events.out.tfevents.*   TensorBoard
    earlier/            the finished run that this one replaces, whole, until this one has finished itself
    files/              of a program: its CNNJOBS_RUN_DIR, what it writes; checkpoints/ its CNNJOBS_CHECKPOINT_DIR
    program/            of a program: its parameters, and what each attempt has reported by itself
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from cnnjobs.config.kinds import LOOSE_KEYS, AnyConfig, is_config, read_any_config
from cnnjobs.disk.code_copies import CodeCopies
from cnnjobs.disk.code_walk import names_modules
from cnnjobs.disk.files import NO_FILE, remove_folder, set_aside, set_aside_damaged, why_damaged, write_whole
from cnnjobs.disk.layer_tables import LayerTables
from cnnjobs.disk.metric_lines import whole_lines, without_windows
from cnnjobs.disk.record import RunRecord, RunState
from cnnjobs.errors import InputError, storage_error
from cnnjobs.system import own_modules
from cnnjobs.system.opening import read_bytes


def _lines(values: Mapping[str, Any]) -> list[str]:
    return [f"{key}: {json.dumps(value)}" for key, value in values.items()]


def _unheard(_: str) -> None:
    """Where nobody asks for damages."""


class RunFiles:
    """Files of a run on disk; `run_id` where the folder is not called by it."""

    def __init__(self, path: Path, run_id: str | None = None) -> None:
        self.path = path
        self.run_id = run_id or path.name
        self.config_file = path / "config.yaml"
        self.record_file = path / "record.json"
        self.cancel_file = path / "cancelled.txt"
        self.successor_file = path / ".successor"
        self.metrics_file = path / "metrics.jsonl"
        self.cut_file = path / "metrics.cut.jsonl"
        self.checkpoint_file = path / "checkpoint.pt"
        self.previous_checkpoint_file = path / "checkpoint.previous.pt"
        self.model_file = path / "model.pt"
        self.predictions_file = path / "predictions.npz"
        self.earlier_folder = path / "earlier"
        self.outputs_folder, self.checkpoints_folder = path / "files", path / "checkpoints"
        self.program_folder = path / "program"
        sweep = (path if run_id is None else path.parent).parent
        self.codes, self.networks = CodeCopies(sweep / "code"), LayerTables(sweep / "networks")

    @property
    def has_checkpoint(self) -> bool:
        """True if there is a whole epoch to go on from."""
        own = self.checkpoint_file.exists() or self.previous_checkpoint_file.exists()
        return own or self.newest_checkpoint is not None

    @property
    def newest_checkpoint(self) -> Path | None:
        """Newest file in a program's checkpoint folder."""
        with suppress(FileNotFoundError, NotADirectoryError):
            return max(self.checkpoints_folder.iterdir(), key=lambda each: each.lstat().st_mtime, default=None)
        return None

    def event_files(self) -> list[Path]:
        """TensorBoard's files, oldest first."""
        return sorted(self.path.glob("events.out.tfevents.*"))

    def create(self, config: AnyConfig) -> None:
        """Make the folder with its configuration; one that can be read keeps all but what is loose in it.

        Raises StorageError.
        """
        asked = _lines(config.nested())
        there = self._config_lines(asked)
        lines = [line for line in there or asked if line.partition(":")[0] not in LOOSE_KEYS]
        lines += _lines(config.loose())
        if lines != there:
            write_whole(self.config_file, "".join(f"{line}\n" for line in lines).encode())

    def _config_lines(self, asked: list[str]) -> list[str] | None:
        """The configuration as it is there; one that is damaged, and not what is asked, is set aside."""
        if not os.path.lexists(self.config_file):
            return None
        try:
            there = read_bytes(self.config_file).decode().splitlines()
            if there != asked:
                self._read_nested()
        except (InputError, FileNotFoundError, *NO_FILE, UnicodeDecodeError):
            set_aside_damaged(self.config_file)
            return None
        return there

    def read_config(self, code: Path | None = None) -> AnyConfig:
        """The resolved configuration, as this copy of the user's own code reads it, or else the run's own.

        Raises InputError when it cannot be read, and OSError.
        """
        nested = self._read_nested()
        if code is None and names_modules(nested):
            with suppress(FileNotFoundError):
                record = self.load_record()
                code = None if isinstance(record, str) else self.codes.here(record.code)
        with own_modules.used(code):
            config = read_any_config(nested)
        if isinstance(config, list):
            raise InputError(f"{self.config_file}: {config[0].key}: {config[0].found}; written by another version?")
        return config

    def runs_program(self) -> bool:
        """Check whether it is a run of a program, as far as its configuration can be read. Raises OSError."""
        with suppress(InputError):
            return "program" in self._read_nested()
        return False

    def _read_nested(self) -> dict[str, Any]:
        try:
            content = read_bytes(self.config_file).decode()
            nested = YAML(typ="safe").load(content)
        except (*NO_FILE, ValueError, YAMLError, RecursionError) as error:
            raise InputError(f"{self.config_file}: damaged ({why_damaged(error)})") from error
        if not is_config(nested):
            raise InputError(f"{self.config_file}: damaged (it holds no configuration)")
        return dict(nested)

    def load_record(self) -> RunRecord | str:
        """The record, or why it cannot be read. Raises OSError."""
        try:
            return RunRecord.model_validate_json(read_bytes(self.record_file))
        except (*NO_FILE, ValueError) as error:
            return why_damaged(error)

    def write_record(self, record: RunRecord, guard: Callable[[], None] | None = None) -> None:
        """Replace the record, unless `guard` raises. Raises StorageError."""
        content = record.model_dump_json(indent=1).encode() + b"\n"
        write_whole(self.record_file, content, guard=guard, make_folder=False)

    def read_metrics(self, *, windows: bool = True, tell: Callable[[str], None] = _unheard) -> list[dict[str, Any]]:
        """Every whole line of metrics, in order, up to a damaged one, of which `tell` hears; faster without windows."""
        try:
            content = read_bytes(self.metrics_file)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except NO_FILE as error:
            tell(f"{self.metrics_file} is damaged ({why_damaged(error)}): it tells nothing")
            return []
        found, damage = whole_lines(content if windows else without_windows(content))
        if damage is not None:
            tell(f"{self.metrics_file} is damaged ({damage}): what comes from there on does not count")
        return [line if windows else {key: line[key] for key in line if key != "windows"} for _, line in found]

    def last_attempt(self) -> int:
        """The number of the attempt that measured last: a record that is new may not know it."""
        lines = self.read_metrics(windows=False)
        return int(lines[-1].get("attempt", 0)) if lines else 0

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
        for file in (self.model_file, self.predictions_file, self.cut_file, *self.event_files()):
            file.unlink(missing_ok=True)
        for folder in (self.outputs_folder, self.checkpoints_folder, self.program_folder):
            kept = self.earlier_folder / folder.name
            if folder.is_dir() and self.earlier_folder.is_dir() and not kept.exists():
                folder.rename(kept)
            remove_folder(folder)

    def make_room_for_log(self) -> tuple[str, ...]:
        """Set aside what stands in the place of the log and is no file; a note of it. Raises StorageError."""
        with suppress(FileNotFoundError, NotADirectoryError):
            if not stat.S_ISREG(self.metrics_file.lstat().st_mode):
                return (f"{self.metrics_file.name} was no file: set aside as {set_aside_damaged(self.metrics_file)}",)
        return ()

    def set_aside_record(self, notes: tuple[str, ...]) -> None:
        """Begin a new record in the place of a damaged one, and keep the weights of which that told.

        The record gets these notes as well; only for who holds the claim. Raises StorageError.
        """
        record: RunRecord | str = RunRecord(run_id=self.run_id)
        with suppress(FileNotFoundError, NotADirectoryError):
            record = self.load_record()
        if isinstance(record, str):
            for file in () if self.has_checkpoint else (self.model_file, self.predictions_file):
                if file.exists():
                    notes = (*notes, f"{file.name} of before: kept as {set_aside_damaged(file)}")
            cause = f"{self.record_file.name} was damaged ({record})"
            notes = (f"{cause}: set aside as {set_aside_damaged(self.record_file)}", *notes)
            record = RunRecord(run_id=self.run_id, state=RunState.INTERRUPTED, cause=cause)
        if notes:
            self.write_record(record.model_copy(update={"notes": (*record.notes, *notes)}))
