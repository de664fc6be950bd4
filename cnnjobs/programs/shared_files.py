"""Files of the working folder that several runs write: found at the end of each, by what the others have told."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from cnnjobs.disk.project_files import WRITTEN
from cnnjobs.programs.working_folder import open_for_writing, written_since
from cnnjobs.system.opening import read_bytes, to_write

_MOST_TOLD: Final = 50
_NAMED: Final = 3
_LOOK_S: Final = 2.0
# A user edits these meanwhile, and programs write others.
_SOURCES: Final = frozenset({".py", ".ipynb", ".md", ".rst", ".toml", ".cfg", ".sh"})


class Written(BaseModel):
    """Files of a folder that a run may have written between two times, and those that it had open for that."""

    model_config = ConfigDict(frozen=True)
    run_id: str
    folder: str
    started: float
    ended: float
    changed: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()

    def shares(self, other: Written) -> set[str]:
        """Files that another run has written, too; of a simultaneous one only those both were seen to write."""
        if other.run_id == self.run_id or other.folder != self.folder:
            return set()
        is_beside = other.ended > self.started and self.ended > other.started
        mine, others = (self.opened, other.opened) if is_beside else (self.changed, other.changed)
        return {*mine} & {*others}


class SharedFiles:
    """The look at what one run of a sweep, whose results are in `store`, writes in its working folder."""

    def __init__(self, run_id: str, folder: Path, store: Path, started: float) -> None:
        self._run_id, self._folder, self._started = run_id, folder, started
        self._results, self._file = store.parent, store / WRITTEN
        self._opened: set[str] = set()
        self._looked_at = 0.0

    def look(self, pids: Callable[[], Iterable[int]]) -> None:
        """See what these processes have open, now and then."""
        if time.monotonic() - self._looked_at >= _LOOK_S:
            for pid in pids():
                self._opened |= open_for_writing(pid, self._folder)
            self._looked_at = time.monotonic()

    def finish(self, told: Iterable[Path]) -> str:
        """Leave word of what was written, by what processes have `told`, too; a note where another run has written it.

        Raises OSError.
        """
        self._opened |= {str(each.relative_to(self._folder)) for each in told if each.is_relative_to(self._folder)}
        changed = written_since(self._folder, self._results, self._started)
        own = Written(
            run_id=self._run_id,
            folder=str(self._folder),
            started=self._started,
            ended=time.time(),
            changed=_products(changed),
            opened=_products(sorted(self._opened)),
        )
        # First: of two that end together at least one is to see the other.
        if own.changed or own.opened:
            with open(self._file, "ab", opener=to_write) as file:
                os.write(file.fileno(), own.model_dump_json().encode() + b"\n")
        runs: dict[str, set[str]] = {}
        for other in self._others():
            for name in own.shares(other):
                runs.setdefault(name, set()).add(other.run_id)
        return _note(runs)

    def _others(self) -> list[Written]:
        found = []
        with suppress(FileNotFoundError):
            for line in read_bytes(self._file).splitlines():
                with suppress(ValidationError, json.JSONDecodeError):
                    found.append(Written.model_validate_json(line))
        return found


def _products(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if Path(name).suffix not in _SOURCES)[:_MOST_TOLD]


def _note(runs: dict[str, set[str]]) -> str:
    if not runs:
        return ""
    names = sorted(runs)
    files = ", ".join(f"`{name}`" for name in names[:_NAMED]) + (f" and {len(names) - _NAMED} more" * (len(names) > 3))
    others = sorted(set().union(*runs.values()))
    told = ", ".join(others[:_NAMED]) + (f" and {len(others) - _NAMED} more" * (len(others) > _NAMED))
    return (
        f"wrote {files} in the working folder, as {told} did: they overwrite each other; write to $CNNJOBS_RUN_DIR, or"
        " `workdir: run` gives each run a folder of its own"
    )
