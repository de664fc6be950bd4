"""One way in which metrics are found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from cnnjobs.programs.metrics.child import cnnjobs_channel as channel
from cnnjobs.programs.reported import Reported

# By which a line without a step is placed, the first that it has.
_COUNTERS = ("step", "global_step", "epoch", "iteration")


class Source(Protocol):
    """Something that is looked at again and again for what is new in it."""

    @property
    def notes(self) -> Iterable[str]:
        """Notes on unreadable parts and values that are no numbers, each once."""

    def look(self, *, at_the_end: bool) -> list[Reported]:
        """New reports, in their order. Raises OSError."""


class Notes:
    """Notes in their order, each once, and not too many; what is no number is one note for each source."""

    def __init__(self, most: int = 20) -> None:
        self._notes: dict[str, None] = {}
        self._passed: dict[str, dict[str, str]] = {}
        self._most = most

    def __iter__(self) -> Iterator[str]:
        yield from self._notes
        for source, kinds in self._passed.items():
            told = [f"{name} ({kind})" for name, kind in kinds.items()]
            more = f" and {len(told) - self._most} more" if len(told) > self._most else ""
            yield f"{source}: no numbers and so no metrics: {', '.join(told[: self._most])}{more}"

    def add(self, note: str) -> None:
        """Keep a note."""
        if len(self._notes) < self._most:
            self._notes.setdefault(note)

    def passed(self, source: str, kinds: Mapping[str, str]) -> None:
        """Keep names of what is no number, and of which kind each is."""
        if kinds:
            self._passed.setdefault(source, {}).update(kinds)


def as_number(text: str) -> float | int | None:
    """The number that a text is; None for what is none."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def reported(source: str, row: Mapping[str, Any], notes: Notes, *, at: float | None = None, count: int = 0) -> Reported:
    """Metrics of a flat row; its step is what it calls so, else its epoch, else the `count` of rows before it."""
    numbers, passed = channel.flat(row)
    notes.passed(source, passed)
    step = next((numbers[name] for name in _COUNTERS if _is_whole(numbers.get(name))), count)
    return Reported(source, {name: value for name, value in numbers.items() if name != "step"}, step=step, at=at)


def _is_whole(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
