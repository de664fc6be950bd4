"""The lines of a run's metrics.jsonl: which of them count, and where the file is damaged."""

from __future__ import annotations

import json
import re
from typing import Any, Final

# As MetricsLog writes it: one mapping of lists of numbers.
_WINDOWS: Final = re.compile(rb'"windows": \{("[a-z]+": \[[-+.0-9e, ]*\](, )?)*\}, ')
_NUMBERS: Final = ("attempt", "step", "epoch", "seconds", "images_per_s", "lr")

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
        while kept and line["step"] <= kept[-1][1]["step"]:
            kept.pop()
        kept.append((end, line))
    return kept, None


def read_line(raw: bytes) -> Line | None:
    """The metrics of one line; None for what is none."""
    try:
        line: Any = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) and all(map(_fits, line.items())) else None


def _has_windows(line: Line) -> bool:
    """Whether the windows of training are lists, where there are any."""
    windows = line.get("windows", {})
    return isinstance(windows, dict) and all(isinstance(each, list) for each in windows.values())


def _fits(item: tuple[str, Any]) -> bool:
    name, value = item
    if "." in name:
        return value is None or _is_number(value)
    return name not in _NUMBERS or _is_number(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
