"""Result of a program: the value that counts of each metric, with notes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from cnnjobs.disk.metric_lines import PROGRAM_FRAME, SUMMARY

NO_METRIC: Final = (
    "no metric was reported: call wandb.log({...}) or cnnjobs.log(...), append a JSON object a line to"
    " $CNNJOBS_METRICS, or name a file or a pattern in `collect:`"
)


class Outcome:
    """The values of a run's metrics, line by line: the last one counts, of W&B's summary before all others."""

    def __init__(self, lines: Iterable[Mapping[str, Any]] = ()) -> None:
        self._forget()
        for line in lines:
            self.add(line)

    def _forget(self) -> None:
        self._last: dict[str, Any] = {}
        self._summary: dict[str, Any] = {}
        self._odd: dict[str, str] = {}
        self._series: dict[str, list[tuple[float, float]]] = {}
        self.sources: dict[str, None] = {}
        self.number = 0

    def add(self, line: Mapping[str, Any]) -> None:
        """Take a line of metrics; one that begins `anew` lets go of those before."""
        if line.get("anew"):
            self._forget()
        odd: Mapping[str, str] = line.get("nan", {})
        place = float(line.get("epoch", line["step"]))
        for name in line.keys() - PROGRAM_FRAME | line.keys() & {"epoch"}:
            value = math.nan if name in odd else line[name]
            (self._summary if line["source"] == SUMMARY else self._last)[name] = value
            if name in odd:
                self._odd[name] = odd[name]
            elif isinstance(value, int | float):
                self._series.setdefault(name, []).append((place, float(value)))
        if line["source"]:
            self.number += 1
            self.sources[line["source"]] = None

    def metrics(self, best: str | None = None, *, maximize: bool = True) -> dict[str, float]:
        """The value that counts of each metric that is a number at the end; of `best` its best one."""
        told = {**self._last, **self._summary}
        found = {name: float(value) for name, value in told.items() if _is_finite(value)}
        if best in self._series:
            found[best] = self._best(best, maximize=maximize)[1]
        return found

    def place(self, metric: str | None, *, maximize: bool = True) -> float:
        """Epoch, or else step, of the best value of a metric; of the last line where that was never reported."""
        if metric in self._series:
            return self._best(metric, maximize=maximize)[0]
        return max((series[-1][0] for series in self._series.values()), default=0.0)

    def _best(self, metric: str, *, maximize: bool) -> tuple[float, float]:
        series = self._series[metric]
        return max(series, key=lambda each: each[1]) if maximize else min(series, key=lambda each: each[1])

    def notes(self, metric: str | None) -> Sequence[str]:
        """Notes on a run whose sweep looks at `metric`."""
        if not self.number:
            return (NO_METRIC,)
        names = sorted(({*self._last} | {*self._summary}) - {"epoch"})
        notes = []
        if metric and metric not in self._last and metric not in self._summary:
            shown = ", ".join(f"`{name}`" for name in names[:20])
            notes.append(f"metric `{metric}` was never reported; reported: {shown}{' and more' if names[20:] else ''}")
        odd = [
            f"`{name}` ended with {self._odd[name]}"
            for name in names
            if isinstance(value := {**self._last, **self._summary}[name], float) and not math.isfinite(value)
        ]
        return [*notes, *odd, f"metrics came by {', '.join(self.sources)}"]


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
