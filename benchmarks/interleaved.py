"""Live processes that work in turn, a window of time each, and what the ratios of their windows say.

Two loops that are timed one after the other are timed on two machines: another process comes, a clock changes. Here all
sides are alive at once and work in short windows one after the other, in an order that rotates; a ratio is taken within
a round. A window in which others took cores that the side needed is disturbed, and its round does not count for it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final, Self

import psutil

ROOT: Final = Path(__file__).parent.parent
# Cores that others may take beyond those that the side leaves free: accounting is in ticks of 10 ms.
_TOLERATED: Final = 0.1
_PATIENCE: Final = 2
_PAUSE_S: Final = 0.02


@dataclass(frozen=True)
class Window:
    """`steps` in `seconds`, of which the process itself (without workers) computed `processor_s`, over all threads.

    Meanwhile other processes kept `others` cores busy; `disturbed` when they were in the way.
    """

    steps: float
    seconds: float
    processor_s: float
    others: float
    disturbed: bool

    @property
    def rate(self) -> float:
        """Steps per second."""
        return self.steps / self.seconds


@dataclass(frozen=True)
class Spread:
    """`n` values: median and quartiles. `disturbed` windows are among them only where there was nothing else."""

    n: int
    median: float
    low: float
    high: float
    disturbed: bool = False

    def __str__(self) -> str:
        """As tables show it."""
        if not self.n:
            return "not measured"
        mark = ", disturbed" if self.disturbed else ""
        if self.n == 1:
            return f"{_told(self.median)} (n = 1{mark})"
        return f"{_told(self.median)} ({_told(self.low)} to {_told(self.high)}, n = {self.n}{mark})"


def _told(number: float) -> str:
    """With three digits, and never as a power of ten."""
    return f"{number:.3g}" if abs(number) < 999.5 else f"{number:,.0f}"


def spread(values: Sequence[float], *, disturbed: bool = False) -> Spread:
    """Median and quartiles."""
    if not values:
        nan = float("nan")
        return Spread(0, nan, nan, nan)
    low, _, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else (values[0],) * 3
    return Spread(len(values), median(values), low, high, disturbed)


class SideError(Exception):
    """A side could not do its work; the text is what it said last."""


class Side:
    """A process that does one piece of work at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._cores, self._preparing = 1, False
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (as long as the process)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.side"],
            cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def prepare(self, work: str, *, cores: int = 1, **settings: Any) -> Self:
        """Let it get ready for `work`, which needs so many cores for itself, up to the first step. Raises SideError."""
        self.wait()
        self._cores, self._preparing = cores, True
        self._order({"work": work, **settings})
        return self

    def wait(self) -> None:
        """Until it is ready. Raises SideError."""
        if self._preparing:
            self._preparing = False
            self.answer()

    def window(self, seconds: float) -> Window:
        """Work for `seconds` and to the end of the step."""
        self.wait()
        cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
        before = busy_seconds(cpus), self._seconds()
        started = time.perf_counter()
        self.begin(seconds)
        found = self.answer()
        wall = time.perf_counter() - started
        others = max(0.0, (busy_seconds(cpus) - before[0]) - (self._seconds() - before[1])) / wall
        crowded = others > max(0, len(cpus) - self._cores) + _TOLERATED
        return Window(**found, others=others, disturbed=crowded)

    def begin(self, seconds: float) -> None:
        """Start a window; `answer` waits for its end."""
        self._order({"seconds": seconds})

    def answer(self) -> dict[str, Any]:
        """Answer of the process to the last order. Raises SideError."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = json.loads(line) if line else {"error": self._last_words()}
        if "error" in found:
            raise SideError(f"{self.name}: {found['error']}")
        return found

    def close(self) -> None:
        """Let the process end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def _order(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise SideError(f"{self.name}: {self._last_words()}") from None

    def _last_words(self) -> str:
        self._errors.seek(0)
        return f"ended with exit code {self._process.wait()}: {self._errors.read()[-2000:]}"

    def _seconds(self) -> float:
        """Processor time of the process and its workers so far."""
        total = 0.0
        for process in (psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system + times.children_user + times.children_system
        return total


def busy_seconds(cpus: Sequence[int]) -> float:
    """Time so far in which these cores did not idle, what a hypervisor took away included."""
    each = psutil.cpu_times(percpu=True)
    return sum(sum(each[cpu][:8]) - each[cpu].idle - getattr(each[cpu], "iowait", 0.0) for cpu in cpus)


@dataclass(frozen=True)
class Rounds:
    """The windows of every side by its name, one of each in every round."""

    windows: dict[str, list[Window]]

    def rate(self, name: str) -> Spread:
        """Steps per second of a side."""
        return self._over((name,), lambda windows: windows[0].rate)

    def ratio(self, upper: str, lower: str, factor: float = 1.0) -> Spread:
        """Ratio of the steps per second of `upper`, round by round."""
        return self._over((upper, lower), lambda windows: factor * windows[0].rate / windows[1].rate)

    def extra_ms(self, upper: str, lower: str) -> Spread:
        """Milliseconds by which a step of `upper` is longer, round by round."""
        return self._over((upper, lower), lambda windows: 1e3 * (1 / windows[0].rate - 1 / windows[1].rate))

    def extra_processor_ms(self, upper: str, lower: str) -> Spread:
        """The same in processor time, which others cannot disturb."""
        spent = (self.windows[upper], self.windows[lower])
        each = zip(*([window.processor_s / window.steps for window in own] for own in spent), strict=True)
        return spread([1e3 * (above - below) for above, below in each])

    def good(self, *names: str) -> int:
        """Rounds in which none of these was disturbed."""
        return sum(not any(window.disturbed for window in windows) for windows in self._together(names))

    def _together(self, names: Sequence[str]) -> list[tuple[Window, ...]]:
        return list(zip(*(self.windows[name] for name in names), strict=True))

    def _over(self, names: Sequence[str], number: Callable[[tuple[Window, ...]], float]) -> Spread:
        together = self._together(names)
        quiet = [windows for windows in together if not any(window.disturbed for window in windows)]
        return spread([number(windows) for windows in quiet or together], disturbed=not quiet)


def measure(sides: Mapping[str, Side], *, seconds: float, pairs: int) -> Rounds:
    """Rounds of windows until the first side has `pairs` undisturbed ones with each other side, or patience ends."""
    names = list(sides)
    for side in sides.values():
        side.wait()
    for side in sides.values():
        side.window(seconds / 2)  # caches fill, the allocator grows
    rounds = Rounds({name: [] for name in names})
    for number in range(_PATIENCE * pairs):
        if all(rounds.good(names[0], name) >= pairs for name in names):
            break
        start = number % len(names)
        for name in (*names[start:], *names[:start]):
            time.sleep(_PAUSE_S)
            rounds.windows[name].append(sides[name].window(seconds))
    return rounds
