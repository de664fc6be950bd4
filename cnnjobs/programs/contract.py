"""The bare contract: a program appends one JSON object a line to $CNNJOBS_METRICS, in any language."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cnnjobs.programs.reported import Reported

SOURCE = "CNNJOBS_METRICS"


class ContractFile:
    """A collector of the lines of one attempt's file."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset, self._pending = path, 0, b""
        self.sources: Sequence[str] = ()
        self.notes: Sequence[str] = ()

    def hear(self, line: str) -> None:
        """Nothing of the output is looked at."""

    def poll(self) -> list[Reported]:
        """What is new since the last look."""
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(self._offset)
            content = file.read()
            self._offset += len(content)
            *lines, self._pending = (self._pending + content).split(b"\n")
            return [found for line in lines if (found := self._read(line)) is not None]
        return []

    def close(self) -> list[Reported]:
        """The same for a program that has ended."""
        last = self.poll()
        found = self._read(self._pending)
        self._pending = b""
        return last if found is None else [*last, found]

    def _read(self, raw: bytes) -> Reported | None:
        with suppress(ValueError):
            told = json.loads(raw)
            if isinstance(told, dict):
                self.sources = (SOURCE,)
                step = told.pop("_step", None)
                return Reported(SOURCE, {name: told[name] for name in told if not name.startswith("_")}, step=step)
        if raw.strip():
            self.notes = (f"{self._path.name}: a line is no JSON object, passed over",)
        return None
