"""Files that hold a whole history: Hugging Face's trainer state, JSON that `collect:` names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cnnjobs.programs.metrics.source import Notes, reported
from cnnjobs.programs.metrics.tail import stamp_of
from cnnjobs.programs.reported import Reported

TRAINER_STATE: Final = "trainer_state.json"


class TrainerStates:
    """The log_history of a Hugging Face Trainer, out of whichever of its files has the longest.

    With `as_wandb` metrics are called as its W&B callback calls them, `eval/loss`; otherwise as in the file.
    """

    def __init__(self, paths: Callable[[], Sequence[Path]], *, as_wandb: bool) -> None:
        self._paths, self._as_wandb = paths, as_wandb
        self.notes = Notes()
        self._read: dict[Path, tuple[int, int]] = {}
        self._given = 0

    def look(self, *, at_the_end: bool) -> list[Reported]:
        """Entries of the history that are new."""
        found: list[Reported] = []
        for path in self._states():
            document = _document(path, self._read, self.notes if at_the_end else None)
            history = document.get("log_history") if isinstance(document, dict) else None
            if isinstance(history, list):
                for row in filter(lambda row: isinstance(row, dict), history[self._given :]):
                    found.append(reported(TRAINER_STATE, self._renamed(row), self.notes))
                self._given = max(self._given, len(history))
        return found

    def _states(self) -> list[Path]:
        """The files, the newest last; a checkpoint may have been written under another name first."""
        paths = (
            path if path.exists() else path.parent.with_name(_final(path.parent.name)) / path.name
            for path in self._paths()
        )
        return sorted({*paths}, key=stamp_of)

    def _renamed(self, row: Mapping[str, Any]) -> dict[str, Any]:
        if not self._as_wandb:
            return dict(row)
        return {name if name in ("step", "epoch") else as_wandb(name): value for name, value in row.items()}


def _final(folder: str) -> str:
    return folder.removeprefix("tmp-")


def as_wandb(name: str) -> str:
    """The name of a Trainer's metric in its callback for W&B."""
    for split in ("eval", "test"):
        if name.startswith(f"{split}_"):
            return f"{split}/{name.removeprefix(f'{split}_')}"
    return f"train/{name}"


class JsonFiles:
    """JSON files: a list of rows, columns of numbers, one mapping of metrics, or a row a line."""

    def __init__(self, paths: Callable[[], Sequence[Path]], shown: Callable[[Path], str]) -> None:
        self._paths, self._shown = paths, shown
        self.notes = Notes()
        self._read: dict[Path, tuple[int, int]] = {}
        self._given: dict[Path, int] = {}
        self._last: dict[Path, Any] = {}

    def look(self, *, at_the_end: bool) -> list[Reported]:
        """Rows that are new."""
        found: list[Reported] = []
        for path in self._paths():
            source, given = f"JSON {self._shown(path)}", self._given.get(path, 0)
            rows = _rows(_document(path, self._read, self.notes if at_the_end else None))
            if rows is None or rows == self._last.get(path):
                continue
            if len(rows) == 1 == given:
                # One mapping that is written anew with each epoch.
                given = 0
            self._last[path] = rows
            for index, row in enumerate(rows[given:], given):
                found.append(reported(source, row, self.notes, count=index))
            self._given[path] = len(rows)
        return found


def _rows(document: Any) -> list[dict[str, Any]] | None:
    if isinstance(document, list):
        return [row for row in document if isinstance(row, dict)]
    if not isinstance(document, dict):
        return None
    columns = {name: values for name, values in document.items() if isinstance(values, list)}
    if not columns:
        return [document]
    length = max(map(len, columns.values()))
    return [{name: values[i] for name, values in columns.items() if i < len(values)} for i in range(length)]


def _document(path: Path, read: dict[Path, tuple[int, int]], notes: Notes | None) -> Any:
    """The content of a file that is another than at the last look; None for one that is in the writing, or damaged."""
    stamp = stamp_of(path)
    if stamp == (0, 0) or read.get(path) == stamp:
        return None
    try:
        text = path.read_text(encoding="utf-8")
        document = (
            json.loads(text) if "\n{" not in text.strip() else [json.loads(line) for line in text.splitlines() if line]
        )
    except (OSError, ValueError) as error:
        if notes is not None:
            notes.add(f"{path.name} cannot be read as JSON ({error})")
        return None
    read[path] = stamp
    return document
