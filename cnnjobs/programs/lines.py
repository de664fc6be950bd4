"""Reports of a program as lines of the run's metrics: each with a step, its attempt, and numbers that JSON has."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from cnnjobs.disk.metric_lines import PROGRAM_FRAME, SUMMARY
from cnnjobs.programs.reported import Reported

Line = dict[str, Any]

# Of W&B's summary: what it says of a metric is its result.
# Where a program stands, by the names that are usual; the first of them that it reports tells where it goes on.
_PROGRESS: Final = (
    *("global_step", "trainer/global_step", "train/global_step", "iteration", "iter", "epoch"),
    *("train/epoch", "num_timesteps"),
)
_TAKEN: Final = PROGRAM_FRAME - {"epoch", "step"} | {"windows", "images_per_s"}
_MOST_TEXT: Final = 200


class Lines:
    """Lines of one attempt, number `attempt`, after `earlier` ones of the run that count.

    `seconds` tells the training time so far. The run `goes_on` from a checkpoint, as far as is known beforehand; else
    the first line shows it: a program that is further than its first line ever was goes on, too.
    """

    def __init__(
        self, attempt: int, earlier: Sequence[Mapping[str, Any]], *, goes_on: bool, seconds: Callable[[], float]
    ) -> None:
        self.notes: dict[str, None] = {}
        self.goes_on = goes_on
        self._attempt, self._seconds, self._earlier = attempt, seconds, list(earlier)
        self._known = {_fingerprint(line) for line in earlier}
        self._steps: dict[str, float] = {}
        self._counts_from: dict[str, float] = {}
        self._is_first = True

    def lines(self, reported: Sequence[Reported]) -> list[Line]:
        """Reported lines, except those that an earlier attempt has reported word for word from the same file."""
        made = (self._line(each) for each in reported)
        return [line for line in made if line is not None]

    def began_anew(self) -> list[Line]:
        """A line that sets aside what earlier attempts reported, where this one began anew and reported nothing."""
        if not self._is_first or self.goes_on or not self._earlier:
            return []
        return [{"attempt": self._attempt, "step": 0, "seconds": self._seconds(), "source": "", "anew": True}]

    def _line(self, reported: Reported) -> Line | None:
        metrics = dict(self._metrics(reported.metrics))
        explicit = reported.step if reported.step is not None else metrics.get("step")
        count = reported.step if reported.is_count else None
        # A step that is said beside another one is a metric.
        if "step" in metrics:
            said = metrics.pop("step")
            metrics |= {"step_": said} if reported.step is not None and said != explicit else {}
        explicit = explicit if _is_number(explicit) and count is None else None
        begins_anew = self._is_first and bool(self._earlier) and not self._is_further(explicit, metrics)
        if begins_anew:
            self._earlier = []
        step = self._step(reported.source, explicit, metrics) if count is None else self._counted(reported, metrics)
        line: Line = {"attempt": self._attempt, "step": step, "seconds": self._seconds(), "source": reported.source}
        line |= {"anew": True} if begins_anew else {}
        odd = {name: repr(value) for name, value in metrics.items() if not _is_plain(value)}
        line |= {name: None if name in odd else value for name, value in metrics.items()}
        line |= {"nan": odd} if odd else {}
        if explicit is not None and _fingerprint(line) in self._known:
            return None
        self._is_first = False
        self._steps[reported.source] = step
        return line

    def _is_further(self, explicit: float | None, metrics: Mapping[str, Any]) -> bool:
        """Check whether the first line of this attempt goes on from the earlier ones."""
        if self.goes_on:
            return True
        first = self._earlier[0]
        if explicit is not None:
            self.goes_on = bool(explicit > first["step"])
        elif name := _progress_in(metrics):
            past = next((line[name] for line in self._earlier if _is_number(line.get(name))), math.inf)
            self.goes_on = bool(metrics[name] > past)
        return self.goes_on

    def _step(self, source: str, explicit: float | None, metrics: Mapping[str, Any]) -> float:
        """The step that was said, else the next one; the first of an attempt that goes on is that of its progress."""
        if explicit is not None:
            return explicit
        if source == SUMMARY:
            return max(self._steps.values(), default=_step_of(self._earlier[-1]) if self._earlier else 0)
        if source in self._steps:
            return self._steps[source] + 1
        before = [line for line in self._earlier if line["source"] == source]
        if not before:
            return 0
        name = _progress_in(metrics)
        if name is None:
            self.notes[
                f"attempt {self._attempt} reported neither step nor epoch: its lines follow those of before, of which"
                " some may be there twice; report a step"
            ] = None
        else:
            # An attempt between may have left lines of this place behind those that it replaced.
            past = [line for line in before if _is_number(line.get(name)) and line[name] >= metrics[name]]
            if past:
                return min(map(_step_of, past))
        return max(map(_step_of, before)) + 1

    def _counted(self, reported: Reported, metrics: Mapping[str, Any]) -> float:
        """The step of a count of reports, after where this attempt goes on."""
        assert reported.step is not None
        if reported.source not in self._counts_from:
            self._counts_from[reported.source] = self._step(reported.source, None, metrics) - reported.step
        return self._counts_from[reported.source] + reported.step

    def _metrics(self, metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
        """Metrics by name, those of a mapping by `name.key`; what is neither number nor short text is left out."""
        for key, value in metrics.items():
            name = f"{prefix}{key}"
            if isinstance(value, Mapping):
                yield from self._metrics(value, f"{name}.")
            elif isinstance(value, bool | int | float) or value is None:
                yield f"{name}_" if name in _TAKEN else name, int(value) if isinstance(value, bool) else value
            elif isinstance(value, str) and len(value) <= _MOST_TEXT and name != "epoch":
                yield f"{name}_" if name in _TAKEN else name, value
            else:
                kind = f"a text of {len(value)} characters" if isinstance(value, str) else f"a {type(value).__name__}"
                self.notes[f"reported `{name}`: {kind} is no metric, left out"] = None


def _step_of(line: Mapping[str, Any]) -> float:
    step: float = line["step"]
    return step


def _progress_in(metrics: Mapping[str, Any]) -> str | None:
    return next((name for name in _PROGRESS if _is_number(metrics.get(name))), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_plain(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _fingerprint(line: Mapping[str, Any]) -> str:
    """Fingerprint of a line, without its time and attempt."""
    told = {name: value for name, value in line.items() if name not in ("attempt", "seconds", "anew")}
    return json.dumps(told, sort_keys=True, default=str)
