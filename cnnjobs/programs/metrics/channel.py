"""The run's own file of reports: what wandb and cnnjobs.log are given, and lines of programs in any language."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cnnjobs.disk.metric_lines import SUMMARY
from cnnjobs.programs.metrics.source import Notes
from cnnjobs.programs.metrics.tail import Tail
from cnnjobs.programs.reported import Reported

PLAIN: Final = "CNNJOBS_METRICS"
CHANNEL_SOURCES: Final = frozenset({PLAIN, SUMMARY, "cnnjobs.log", "wandb", "wandb (stand-in)"})
# C, R and awk write numbers that JSON does not have.
_NO_JSON: Final = re.compile(r"(?<=[:\s,\[])([-+]?)(nan|inf(?:inity)?)(?=\s*[,}\]])", re.IGNORECASE)
_SPELLINGS: Final = {"n": "NaN", "i": "Infinity"}


class Channel:
    """The lines of $CNNJOBS_METRICS.

    `files` are those that the Python processes of the program have opened to write and that may hold metrics, `shared`
    others that they have opened to write in the folder where they were started.
    """

    def __init__(self, path: Path) -> None:
        self._tail = Tail(path)
        self.notes = Notes()
        self.files: dict[Path, None] = {}
        self.shared: dict[Path, None] = {}
        self._asked: dict[str, str] = {}
        self._values: dict[str, list[float]] = {}
        self._begins: dict[str, float] = {}
        self._last: float = -1
        self._ranks: dict[str, int] = {}

    def look(self, *, at_the_end: bool) -> list[Reported]:
        """New reports in it; at the end also the summaries that define_metric has asked for."""
        lines = [line for raw in self._tail.lines(at_the_end=at_the_end) if (line := self._read(raw)) is not None]
        found = [one for line in lines if (one := self._reported(line)) is not None]
        summaries = self._summaries() if at_the_end else {}
        return [*found, Reported(SUMMARY, summaries)] if summaries else found

    def _read(self, raw: bytes) -> dict[str, Any] | None:
        text = raw.decode(errors="replace").strip("\x00 \t\r")
        if not text:
            return None
        try:
            line = _loaded(text)
        except (ValueError, RecursionError):
            line = None
        if isinstance(line, dict):
            return line
        shown = text if len(text) < 60 else f"{text[:60]}..."
        self.notes.add(f"{self._tail.path.name}: a line is no JSON object, passed over: {shown}")
        return None

    def _reported(self, line: Mapping[str, Any]) -> Reported | None:
        if "_wrote" in line:
            self.files.setdefault(Path(str(line["_wrote"])))
        elif "_shares" in line:
            self.shared.setdefault(Path(str(line["_shares"])))
        elif "_source" in line:
            return self._told(line)
        elif metrics := {name: math.nan if value is None else value for name, value in line.items() if name[:1] != "_"}:
            return Reported(PLAIN, metrics, step=_number(line.get("_step")), at=_number(line.get("_timestamp")))
        return None

    def _told(self, line: Mapping[str, Any]) -> Reported | None:
        source, data = str(line["_source"]), line.get("data") or {}
        self._asked |= line.get("_summary") or {}
        self.notes.passed(source, line.get("_passed") or {})
        if not data or self._is_double(source, line):
            return None
        for name in data.keys() & self._asked.keys() | {name for name in data if self._asked_for(name)}:
            self._values.setdefault(name, []).append(data[name])
        if line.get("_is_summary"):
            return Reported(SUMMARY, data, at=line.get("_at"))
        step, is_count = self._step(line)
        return Reported(source, data, step=step, at=line.get("_at"), is_count=is_count)

    def _is_double(self, source: str, line: Mapping[str, Any]) -> bool:
        """Check whether another process of the program reports, as its first one does."""
        rank = int(line.get("_rank") or 0)
        first = self._ranks[source] = min(rank, self._ranks.get(source, rank))
        if rank > first:
            self.notes.add(f"{source}: process {rank} reports too; what process {first} reports counts")
        return rank > first

    def _step(self, line: Mapping[str, Any]) -> tuple[float | None, bool]:
        """The step of a line, and whether it is W&B's count of calls."""
        said, run = line.get("_step"), line.get("_run")
        is_count = bool(line.get("_is_count"))
        if said is None or run is None:
            return said, is_count
        if run not in self._begins:
            # After a second wandb.init, or in a second process, counts begin anew.
            self._begins[run] = self._last + 1 if is_count and said == 0 else 0
        step = said + self._begins[run] if is_count else said
        if not is_count and step < self._last:
            self.notes.add(f"wandb: step {step} came after step {self._last:g}, where W&B drops it; here it counts")
        self._last = max(self._last, step)
        return step, is_count

    def _asked_for(self, name: str) -> str | None:
        for asked, summary in self._asked.items():
            if name == asked or (asked.endswith("*") and name.startswith(asked[:-1])):
                return summary
        return None

    def _summaries(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, values in self._values.items():
            for summary in (self._asked_for(name) or "").split(","):
                if (value := _summary(values, summary.strip())) is not None:
                    found[f"{name}.{summary.strip()}"] = value
        return found


def _summary(values: list[float], summary: str) -> float | None:
    numbers = [value for value in values if not math.isnan(value)] or values
    if summary == "mean":
        return math.fsum(numbers) / len(numbers)
    known = {"max": max, "min": min}
    return known[summary](numbers) if summary in known else values[0] if summary == "first" else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(_NO_JSON.sub(lambda found: found[1].strip("+") + _SPELLINGS[found[2][0].lower()], text))
