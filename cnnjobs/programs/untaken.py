"""Reports of a program that its worker was killed before taking over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cnnjobs.disk.metric_lines import read_line
from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.programs.lines import Line, Lines
from cnnjobs.programs.metrics.channel import Channel
from cnnjobs.system.opening import read_bytes


def attempt_file(folder: RunFolder, attempt: int) -> Path:
    """The file to which a program reports in one attempt."""
    return folder.program_folder / f"attempt-{attempt}.jsonl"


def untaken_lines(folder: RunFolder, attempt: int) -> list[Line]:
    """The lines that the file of an attempt holds and the run's metrics do not; they are taken over in their order.

    Raises OSError.
    """
    reported = Channel(attempt_file(folder, attempt)).look(at_the_end=True)
    if not reported:
        return []
    kept = [line for raw in read_bytes(folder.metrics_file).splitlines() if (line := read_line(raw)) is not None]
    sources = {each.source for each in reported}
    own = [line for line in kept if line.get("attempt") == attempt and line.get("source") in sources]
    earlier = [line for line in folder.read_metrics() if line.get("attempt", 0) < attempt]
    seconds = max((float(line.get("seconds", 0.0)) for line in kept), default=0.0)
    goes_on = bool(own) and not any(line.get("anew") for line in own)
    lines: list[dict[str, Any]] = Lines(attempt, earlier, goes_on=goes_on, seconds=lambda: seconds).lines(reported)
    return lines[len(own) :]
