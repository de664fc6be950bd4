"""Tables of metrics that grow: Lightning's and Keras' CSV files, and those that `collect:` names."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from cnnjobs.programs.metrics.source import Notes, as_number, reported
from cnnjobs.programs.metrics.tail import Tail, stamp_of
from cnnjobs.programs.reported import Reported

_COUNTERS: Final = frozenset({"step", "epoch", "iteration", "iter", "global_step"})
# More is no history of training, but data.
_MOST_ROWS: Final = 100_000


class Table:
    """One file: a header and rows. With a new column it is written anew, and its rows are those that it had."""

    def __init__(self, path: Path, source: str, notes: Notes, *, is_named: bool) -> None:
        self._tail, self._source, self._notes, self._is_named = Tail(path), source, notes, is_named
        self._header: list[str] | None = None
        self._given = self._seen = self._restarts = 0
        self._first = b""
        self._delimiter = ","
        self._is_other = False

    def look(self, *, at_the_end: bool) -> list[Reported]:
        """Rows that are new."""
        found: list[Reported] = []
        for raw in self._lines(at_the_end):
            text = raw.decode("utf-8-sig", errors="replace").strip("\r")
            if self._is_other:
                break
            if not text.strip() or (self._header is None and text.startswith("#")):
                continue
            cells = next(csv.reader([text], delimiter=self._delimiter))
            if self._header is None:
                self._is_other = not self._begin(text)
            elif (row := self._row(cells)) is not None:
                found.append(row)
        return found

    def _lines(self, at_the_end: bool) -> list[bytes]:
        """New lines, or all of them where the header is another by now."""
        first = _first_line(self._tail.path)
        if self._first and first != self._first:
            self._tail = Tail(self._tail.path)
            self._begin_anew()
        self._first = first
        lines = self._tail.lines(at_the_end=at_the_end)
        if self._tail.restarts != self._restarts:
            self._restarts = self._tail.restarts
            self._begin_anew()
        return lines

    def _begin_anew(self) -> None:
        self._header, self._seen, self._is_other = None, 0, False

    def _begin(self, text: str) -> bool:
        """Take the header; False for one of something else."""
        self._delimiter = max(",;\t", key=text.count)
        names = [name.strip() for name in next(csv.reader([text], delimiter=self._delimiter))]
        numbers = [name for name in names if as_number(name) is not None]
        if self._is_named and numbers:
            self._notes.add(f"{self._source}: its first line is no header with names of metrics: {text[:60]}")
        if numbers or len(names) < 2 or not (self._is_named or _COUNTERS.intersection(names)):
            return False
        self._header = names
        return True

    def _row(self, cells: Sequence[str]) -> Reported | None:
        self._seen += 1
        if self._seen <= self._given or self._header is None:
            return None
        self._given = self._seen
        if not self._is_named and self._seen > _MOST_ROWS:
            self._is_other = True
            self._notes.add(f"{self._source}: only its first {_MOST_ROWS:,} rows count; `collect:` takes all of a file")
            return None
        row = {
            name: number
            for name, cell in zip(self._header, cells, strict=False)
            if (number := as_number(cell)) is not None
        }
        texts = {
            name: "text" for name, cell in zip(self._header, cells, strict=False) if cell.strip() and name not in row
        }
        self._notes.passed(self._source, texts)
        return reported(self._source, row, self._notes, count=self._seen - 1) if row else None


class Tables:
    """All tables among the files that `paths` finds."""

    def __init__(self, paths: Callable[[], Sequence[Path]], shown: Callable[[Path], str], *, is_named: bool) -> None:
        self._paths, self._shown, self._is_named = paths, shown, is_named
        self.notes = Notes()
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._tables: dict[Path, Table] = {}

    def look(self, *, at_the_end: bool) -> list[Reported]:
        """New reports in any of them."""
        found = []
        for path in self._paths():
            stamp = stamp_of(path)
            if stamp == self._stamps.get(path) and not at_the_end:
                continue
            self._stamps[path] = stamp
            source = f"CSV {self._shown(path)}"
            table = self._tables.setdefault(path, Table(path, source, self.notes, is_named=self._is_named))
            found += table.look(at_the_end=at_the_end)
        return found


def _first_line(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.readline(1 << 16)
    except FileNotFoundError:
        return b""
