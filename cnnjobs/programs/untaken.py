"""Reports of a program that its worker was killed before taking over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnjobs.disk.metric_lines import PROGRAM_FRAME, read_line
from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.programs.lines import Line, Lines
from cnnjobs.programs.metrics.channel import CHANNEL_SOURCES
from cnnjobs.programs.reported import Reported
from cnnjobs.system.opening import read_bytes


def attempt_file(folder: RunFolder, attempt: int) -> Path:
    """The file to which a program reports in one attempt."""
    return folder.program_folder / f"attempt-{attempt}.jsonl"


def untaken_lines(folder: RunFolder, attempt: int, reported: Sequence[Reported]) -> list[Line]:
    """The lines of what an attempt `reported` that the run's metrics do not hold; they are taken over in their order.

    Those of its own file are as many as were not taken over; of other files each number that is not there counts.
    Raises OSError.
    """
    if not reported:
        return []
    kept = [line for raw in read_bytes(folder.metrics_file).splitlines() if (line := read_line(raw)) is not None]
    own = [line for line in kept if line.get("attempt") == attempt]
    earlier = [line for line in folder.read_metrics() if line.get("attempt", 0) < attempt]
    seconds = max((float(line.get("seconds", 0.0)) for line in kept), default=0.0)
    goes_on = bool(own) and not any(line.get("anew") for line in own)
    lines: list[Line] = Lines(attempt, earlier, goes_on=goes_on, seconds=lambda: seconds).lines(reported)
    taken = sum(line.get("source") in CHANNEL_SOURCES for line in own)
    known = {told for line in own for told in _told(line)}
    left: list[Line] = []
    for line in lines:
        if line["source"] in CHANNEL_SOURCES:
            taken -= 1
            left += [line] if taken < 0 else []
        elif not known.issuperset(_told(line)):
            left.append(line)
    return left


def _told(line: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Numbers of a line, each with its source and step."""
    for name in line.keys() - PROGRAM_FRAME:
        yield line.get("source"), line["step"], name, line[name], line.get("nan", {}).get(name)
