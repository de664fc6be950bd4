"""Files that a run has written since its attempt began, and no other run's."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from cnnjobs.programs.metrics.source import Notes
from cnnjobs.programs.reported import ProgramPlaces

_PID: Final = re.compile(r"events\.out\.tfevents\.\d+\.[^/]*?\.(\d+)\.")
_MOST_ENTRIES, _MOST_LEVELS = 20_000, 5
_LEFT_OUT: Final = frozenset({"node_modules", "site-packages", "__pycache__", "results", "wandb"})
# A time is kept by some file systems to the second only, and by others to two.
_SLACK_S: Final = 2.0
_FIRST_S, _PATIENCE_S = 1.0, 10.0


class FoundFiles:
    """Files by name: those in the run's folder, those that its Python processes tell, and of the folder in which other
    programs may work at the same time those that one of its processes has open or has put its number to, or that lie in
    a folder of the run's name.
    """

    def __init__(self, places: ProgramPlaces, told: Mapping[Path, None]) -> None:
        self._outputs, self._working, self._run_id = places.outputs, places.working_folder, places.run_id
        self._started, self._told = places.started, told
        self._is_own_place = places.outputs.parent in places.working_folder.parents
        self._mark = f"CNNJOBS_METRICS={places.metrics_file}".encode()
        self.notes = Notes()
        self._own: dict[Path, None] = {}
        self._foreign: dict[Path, None] = {}
        self._next, self._patience_s = 0.0, _FIRST_S
        self._walks = 0
        self._matches: dict[str, tuple[tuple[int, int], list[Path]]] = {}
        self._processes: set[int] = set()

    def look(self, *, at_the_end: bool) -> None:
        """Look for files that are new; the folders are not walked at every look, as they may be large."""
        for path in [path for path in self._told if path not in self._own]:
            self._own.setdefault(path)
        now = time.monotonic()
        if now < self._next and not at_the_end:
            return
        for path in self._recent(self._outputs):
            self._own.setdefault(path)
        if self._working.resolve() != self._outputs.resolve():
            for path in self._recent(self._working):
                if self._is_own_place:
                    self._own.setdefault(path)
                elif path not in self._own and _is_of_interest(path.name, path):
                    self._judge(path)
        # A walk that takes long is made more rarely.
        took = time.monotonic() - now
        self._next = time.monotonic() + max(self._patience_s, 50 * took)
        self._patience_s = min(_PATIENCE_S, 2 * self._patience_s)
        self._walks += 1

    def matching(self, wanted: Callable[[Path], bool]) -> list[Path]:
        """Files of the run that are wanted, in the order in which they were found."""
        return [path for path in self._own if wanted(path)]

    def of_pattern(self, pattern: str) -> list[Path]:
        """Files of a pattern, in the run's folder and the working folder, that were written since the start.

        Where processes have told of some of them, it is those.
        """
        state = (self._walks, len(self._told))
        if pattern not in self._matches or self._matches[pattern][0] != state:
            self._matches[pattern] = state, self._match(pattern)
        return self._matches[pattern][1]

    def _match(self, pattern: str) -> list[Path]:
        found: dict[Path, None] = {}
        for root in dict.fromkeys((self._outputs, self._working)):
            for path in root.glob(pattern) if not Path(pattern).is_absolute() else [Path(pattern)]:
                if path.is_file() and path.stat().st_mtime >= self._started - _SLACK_S:
                    found.setdefault(path)
        own = [path for path in found if path in self._own]
        return own or list(found)

    def tell_foreign(self) -> None:
        """Note the files that were passed over."""
        for path in self._foreign:
            if path not in self._own:
                hint = "write into $CNNJOBS_RUN_DIR, or set `workdir: run`"
                self.notes.add(f"{_shown(path, self._working)} was written meanwhile, perhaps by another run: {hint}")

    def _judge(self, path: Path) -> None:
        (self._own if self._run_id in path.parts or self._is_ours(path) else self._foreign).setdefault(path)

    def _is_ours(self, path: Path) -> bool:
        """Check whether a process of this run has its number in the name of the file, or has it open."""
        number = _PID.search(path.name)
        if number is not None:
            return int(number[1]) in self._processes | self._now()
        return path not in self._foreign and any(_has_open(pid, path) for pid in self._now())

    def _now(self) -> set[int]:
        """Numbers of the processes of this run."""
        found = {pid for pid in _numbers() if self._mark in _environment(pid)}
        self._processes |= found
        return found

    def _recent(self, root: Path) -> Iterator[Path]:
        left = _MOST_ENTRIES
        folders = [(root, 0)]
        while folders and left > 0:
            folder, level = folders.pop(0)
            try:
                entries = list(os.scandir(folder))
            except OSError:
                continue
            left -= len(entries)
            for entry in sorted(entries, key=lambda entry: entry.name):
                try:
                    if entry.is_dir(follow_symlinks=False):
                        if level < _MOST_LEVELS and entry.name[:1] != "." and entry.name not in _LEFT_OUT:
                            folders.append((Path(entry.path), level + 1))
                    elif entry.stat().st_mtime >= self._started - _SLACK_S:
                        yield Path(entry.path)
                except OSError:
                    continue


def is_events(path: Path) -> bool:
    """Check whether a file is TensorBoard's."""
    return path.name.startswith("events.out.tfevents.")


def is_table(path: Path) -> bool:
    """Check whether a file may be a table of metrics, as Lightning and Keras write one."""
    return path.suffix in {".csv", ".tsv", ".log"}


def is_trainer_state(path: Path) -> bool:
    """Check whether a file is the state of a Hugging Face Trainer."""
    return path.name == "trainer_state.json"


def is_database(path: Path) -> bool:
    """Check whether a file may be MLflow's database."""
    return path.suffix == ".db"


def is_mlflow(path: Path) -> bool:
    """Check whether a file is a metric in MLflow's file store."""
    return "metrics" in path.parts[-6:-1] and any((folder / "meta.yaml").exists() for folder in path.parents[:6])


def _is_of_interest(name: str, path: Path) -> bool:
    return is_events(path) or name.endswith((".csv", ".tsv")) or is_trainer_state(path) or is_mlflow(path)


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _numbers() -> list[int]:
    try:
        return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    except OSError:
        return []


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _has_open(pid: int, path: Path) -> bool:
    try:
        return any(os.path.realpath(each.path) == os.path.realpath(path) for each in os.scandir(f"/proc/{pid}/fd"))
    except OSError:
        return False
