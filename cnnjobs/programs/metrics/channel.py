"""The run's own file of reports: what wandb and cnnjobs.log are given, and lines of programs in any language."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cnnjobs.programs.metrics.child.cnnjobs_channel import number
from cnnjobs.programs.metrics.source import Notes, reported
from cnnjobs.programs.metrics.tail import Tail
from cnnjobs.programs.reported import Reported

PLAIN: Final = "$CNNJOBS_METRICS"
# C, R and awk write numbers that JSON does not have.
_NO_JSON: Final = re.compile(r"(?<=[:\s,\[])([-+]?)(nan|inf(?:inity)?)(?=\s*[,}\]])", re.IGNORECASE)
_SPELLINGS: Final = {"n": "NaN", "i": "Infinity"}
_BEYOND: Final = -1


class Channel:
    """The lines of $CNNJOBS_METRICS.

    `earlier` are lines of metrics that stay from earlier attempts: what counts its steps by itself goes on after them,
    or at the one whose epoch it repeats. `files` are those that the program's Python processes have opened to write.
    """

    def __init__(self, path: Path, earlier: Sequence[Mapping[str, Any]] = ()) -> None:
        self._tail, self._earlier = Tail(path), list(earlier)
        self.notes = Notes()
        self.files: dict[Path, None] = {}
        self._offsets: dict[str, int] = {}
        self._last = max((int(line["step"]) for line in self._earlier), default=_BEYOND)
        self._counts: dict[str, int] = {}
        self._ranks: dict[str, int] = {}

    def look(self, *, at_the_end: bool) -> list[Reported]:
        """What is new in it."""
        found: list[Reported] = []
        for raw in self._tail.lines(at_the_end=at_the_end):
            line = self._read(raw)
            if line is None:
                continue
            if "_wrote" in line:
                self.files.setdefault(Path(str(line["_wrote"])))
            elif "_source" in line:
                found += self._told(line)
            else:
                found.append(self._plain(line))
        return found

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
        self.notes.add(f"{PLAIN}: a line is no JSON object and does not count: {shown}")
        return None

    def _plain(self, line: Mapping[str, Any]) -> Reported:
        at = line.get("_timestamp")
        kept = {name: float("nan") if value is None else value for name, value in line.items() if name[:1] != "_"}
        one = reported(PLAIN, kept, self.notes, at=number(at), count=self._counts.get(PLAIN, self._last + 1))
        assert one.step is not None
        self._counts[PLAIN] = int(one.step) + 1
        return one

    def _told(self, line: Mapping[str, Any]) -> Iterable[Reported]:
        source, data = str(line["_source"]), line.get("data") or {}
        for name, summary in (line.get("_summary") or {}).items():
            asked = f"{name}: define_metric asks for its {summary} (`{name}.{summary}`)"
            self.notes.add(
                f"{asked}; {name} itself counts by its last value, or by its best with `metric: {{best: true}}`"
            )
        self.notes.passed(source, line.get("_passed") or {})
        if not data or self._is_double(source, line):
            return ()
        return (Reported(source, _renamed(data, self.notes), step=self._step(line, data), at=line.get("_at")),)

    def _is_double(self, source: str, line: Mapping[str, Any]) -> bool:
        """Whether another process of the program reports, as its first one does."""
        rank = int(line.get("_rank") or 0)
        first = self._ranks.setdefault(source, rank)
        if rank < first:
            self._ranks[source] = first = rank
        if rank > first:
            self.notes.add(f"{source}: process {rank} reports too; those of process {first} count")
        return rank > first

    def _step(self, line: Mapping[str, Any], data: Mapping[str, Any]) -> float:
        run = str(line.get("_run", line["_source"]))
        counts_itself = bool(line.get("_implicit")) or line.get("_step") is None
        said = line.get("_step")
        if said is None:
            said = self._counts.get(run, 0)
        if run not in self._offsets:
            # A second wandb.init, or a second process, goes on where the first one ended.
            self._offsets[run] = self._begins_at(data) - int(said) if counts_itself else 0
        self._counts[run] = int(said) + 1 if line.get("_run") is None else 0
        step: float = said + self._offsets[run] if counts_itself else said
        if not counts_itself and step < self._last and line.get("_run"):
            self.notes.add(
                f"wandb: step {step} was logged after step {self._last}; W&B drops such a line, here it counts"
            )
        self._last = max(self._last, int(step))
        return step

    def _begins_at(self, data: Mapping[str, Any]) -> int:
        """The step at which a count of steps begins: after what is there, or where its epoch was reported before."""
        for name in ("epoch", "global_step", "step", "iteration", "trainer/global_step", "train/global_step"):
            if (now := data.get(name)) is not None:
                for line in self._earlier:
                    if (before := line.get(name)) is not None and before >= now:
                        return int(line["step"])
        return self._last + 1


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(_NO_JSON.sub(lambda found: found[1].strip("+") + _SPELLINGS[found[2][0].lower()], text))


def _renamed(data: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """Metrics by names that a line of metrics has room for: `step` is its own."""
    for name in ("step", "attempt", "windows"):
        if name in data:
            notes.add(f"the metric `{name}` is kept as `logged.{name}`, as a line of metrics has a {name} of its own")
    return {f"logged.{key}" if key in ("step", "attempt", "windows") else key: value for key, value in data.items()}
