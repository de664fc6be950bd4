"""The lines of a run's metrics.jsonl: which of them count, and where the file is damaged.

Lines of a program name their `source`. All that one attempt has reported counts, several lines of one step and steps
that go back among them. An attempt that went on replaces, of each metric, what earlier ones reported from its own first
step on; the first line of one that began `anew` replaces everything.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

# As MetricsLog writes it: one mapping of lists of numbers.
_WINDOWS: Final = re.compile(rb'"windows": \{("[a-z]+": \[[-+.0-9e, ]*\](, )?)*\}, ')
_NUMBERS: Final = ("attempt", "step", "epoch", "seconds", "images_per_s", "lr")
_PROGRAM_NUMBERS: Final = ("attempt", "step", "seconds")
SUMMARY: Final = "wandb.summary"
# What is no metric in a line of a program.
PROGRAM_FRAME: Final = frozenset({"attempt", "step", "epoch", "seconds", "source", "anew", "nan"})

Line = dict[str, Any]


def without_windows(content: bytes) -> bytes:
    """Lines of metrics without the windows of their training, nine tenths of them; a damaged one stays, to be told."""
    return _WINDOWS.sub(b"", content)


def whole_lines(content: bytes) -> tuple[list[tuple[int, Line]], str | None]:
    """The lines that count, where each ends and what it says, up to the first that is none; and what that one is.

    A last one without its end is still in the writing, or was cut off, and is no damage. Two copies of a run may have
    written for an instant: nothing that an older attempt adds beside a newer one counts.
    """
    kept: list[tuple[int, Line]] = []
    seen: set[str] = set()
    end = 0
    for number, raw in enumerate(content.splitlines(keepends=True), 1):
        if not raw.endswith(b"\n"):
            break
        end += len(raw)
        line = read_line(raw)
        if line is None or "step" not in line or not _has_windows(line):
            return kept, f"line {number} holds no metrics"
        if kept and line.get("attempt", 0) < kept[-1][1].get("attempt", 0):
            continue
        if "source" in line:
            kept, seen = _without_replaced(kept, seen, line)
        while "source" not in line and kept and line["step"] <= kept[-1][1]["step"]:
            kept.pop()
        kept.append((end, line))
    return kept, None


def _without_replaced(
    kept: list[tuple[int, Line]], seen: set[str], line: Line
) -> tuple[list[tuple[int, Line]], set[str]]:
    """Earlier lines without those that a program's line replaces, and the metrics of its attempt with it."""
    is_first = not kept or kept[-1][1].get("attempt", 0) < line.get("attempt", 0)
    if line.get("anew"):
        kept = []
    seen = set() if is_first else seen
    names = line.keys() - PROGRAM_FRAME - seen
    if names and kept and kept[0][1].get("attempt", 0) < line.get("attempt", 0):
        kept = [(end, left) for end, old in kept if (left := _less(old, names, line)) is not None]
    return kept, seen | names


def _less(old: Line, names: set[str], line: Line) -> Line | None:
    """A line without these metrics where a newer attempt has them from its step on; None where no other is left."""
    if old.get("attempt", 0) >= line.get("attempt", 0) or old["step"] < line["step"] or names.isdisjoint(old):
        return old
    left = {name: value for name, value in old.items() if name not in names}
    return left if left.keys() - PROGRAM_FRAME else None


def read_line(raw: bytes) -> Line | None:
    """The metrics of one line; None for what is none."""
    try:
        line: Any = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict):
        return None
    return line if (_fits_program(line) if "source" in line else all(map(_fits, line.items()))) else None


def _has_windows(line: Line) -> bool:
    """Check whether the windows of training are lists, where there are any."""
    windows = {} if "source" in line else line.get("windows", {})
    return isinstance(windows, dict) and all(isinstance(each, list) for each in windows.values())


def _fits(item: tuple[str, Any]) -> bool:
    name, value = item
    if "." in name:
        return value is None or _is_number(value)
    return name not in _NUMBERS or _is_number(value)


def _fits_program(line: Line) -> bool:
    """The same for a line of a program, whose metrics have the names and values that it likes."""
    return all(_is_number(line[name]) for name in _PROGRAM_NUMBERS if name in line)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
