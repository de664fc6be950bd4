"""Metrics that a program prints, by patterns of the sweep file."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cnnjobs.programs.metrics.source import Notes, as_number, reported
from cnnjobs.programs.reported import Reported

SOURCE = "stdout"


class Output:
    """Lines of a program's output in which `patterns` find named numbers."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [(pattern, re.compile(pattern)) for pattern in patterns]
        self.notes = Notes()
        self._found: list[Reported] = []
        self._counts = dict.fromkeys(patterns, 0)
        self._heard, self._last = 0, ""

    def hear(self, line: str) -> None:
        """Take a line."""
        if not self._patterns:
            return
        self._heard, self._last = self._heard + 1, line.strip() or self._last
        for pattern, compiled in self._patterns:
            for match in compiled.finditer(line):
                texts = {name: text for name, text in match.groupdict().items() if text is not None}
                row = {name: number for name, text in texts.items() if (number := as_number(_plain(text))) is not None}
                self.notes.passed(SOURCE, {name: repr(text) for name, text in texts.items() if name not in row})
                if row:
                    self._found.append(reported(SOURCE, row, self.notes, count=self._counts[pattern]))
                    self._counts[pattern] += 1

    def look(self, *, at_the_end: bool) -> list[Reported]:
        """Metrics in the lines since the last look."""
        found, self._found = self._found, []
        if at_the_end:
            for pattern, count in self._counts.items():
                if not count:
                    last = f"; the last one: {self._last[:80]}" if self._last else ""
                    self.notes.add(f"collect: stdout: {pattern} matches none of {self._heard} lines{last}")
        return found


def _plain(text: str) -> str:
    return (
        text.strip().removesuffix("%").replace(",", ".")
        if text.count(",") == 1 and "." not in text
        else text.strip(" %")
    )
