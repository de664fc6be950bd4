"""A search replayed on learning curves that are known, and the epochs that it takes.

Workers train in step: in a round each one trains an epoch of its run, then all values are measured, then runs leave.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol

Curve = Sequence[float]
"""Accuracy after each epoch."""

NEVER = math.inf


class TableError(Exception):
    """A table of learning curves that cannot be replayed."""


class Search(Protocol):
    """A search as its workers meet it. Runs are numbered in the order in which they are proposed."""

    def take(self) -> int | None:
        """The run that a free worker trains next; None while there is none."""

    def measured(self, run: int, epoch: int, value: float) -> None:
        """Take note of the value of a run after an epoch."""

    def leaves(self, run: int) -> bool:
        """Check whether a run that is not at its end gives its worker up now."""


@dataclass
class Trace:
    """Replay of one search: its whole runs, each with epochs spent by then over all workers, and rounds.

    `epochs` is the number of epochs by run.
    """

    ends: list[tuple[int, int, float]] = field(default_factory=list)
    epochs: dict[int, int] = field(default_factory=dict)

    def reached(self, target: float) -> tuple[float, float]:
        """Epochs and rounds until the best final accuracy is at least this; infinite where it never is."""
        return next(((spent, rounds) for spent, rounds, value in self.ends if value >= target), (NEVER, NEVER))

    @property
    def spent(self) -> int:
        """Epochs in all."""
        return sum(self.epochs.values())

    @property
    def best(self) -> float:
        """The best final accuracy of a whole run; 0 where there is none."""
        return max((value for _, _, value in self.ends), default=0.0)


def replay(search: Search, workers: int, curves: Sequence[Curve]) -> Trace:
    """Train the curves, in their order, as a search has it."""
    trace, rounds = Trace(), 0
    held: list[int | None] = [None] * workers
    while True:
        held = [search.take() if run is None else run for run in held]
        trained = [run for run in held if run is not None]
        if not trained:
            return trace
        rounds += 1
        for run in trained:
            trace.epochs[run] = trace.epochs.get(run, 0) + 1
        spent = trace.spent
        for run in trained:
            epoch, curve = trace.epochs[run], curves[run]
            search.measured(run, epoch, curve[epoch - 1])
            if epoch == len(curve):
                trace.ends.append((spent, rounds, curve[-1]))
        for worker, run in enumerate(held):
            if run is not None and (trace.epochs[run] == len(curves[run]) or search.leaves(run)):
                held[worker] = None


def read_curves(file: Path) -> list[Curve]:
    """Curves of a table of JSON lines, each with a list `acc`. Raises TableError, which tells the line."""
    curves: list[Curve] = []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(f"{file}: cannot be read ({error})") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise TableError(f"{file}:{number}: no JSON ({error}); allowed: an object a line") from error
        curve = row.get("acc") if isinstance(row, Mapping) else None
        if not isinstance(curve, list) or not curve or not all(_is_accuracy(value) for value in curve):
            raise TableError(f'{file}:{number}: needs "acc", the list of accuracies (0 to 1) after each epoch')
        if curves and len(curve) != len(curves[0]):
            raise TableError(f"{file}:{number}: {len(curve)} epochs, the lines before have {len(curves[0])}")
        curves.append(curve)
    return curves


def _is_accuracy(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def orders(curves: Sequence[Curve], number: int) -> list[list[Curve]]:
    """The curves in so many orders, the same ones each time."""
    return [Random(seed).sample(curves, len(curves)) for seed in range(number)]


def expected_best(finals: Sequence[float], runs: int) -> float:
    """Mean of the best of so many values, over all ways to draw them without replacement."""
    ways = math.comb(len(finals), runs)
    return sum(value * math.comb(below, runs - 1) for below, value in enumerate(sorted(finals))) / ways


def reached_in_the_mean(traces: Sequence[Trace], target: float) -> float:
    """Epochs until the best final accuracy, in the mean over traces, is at least this; before a whole run it is 0."""
    best = [0.0] * len(traces)
    ends = sorted((spent, value, number) for number, each in enumerate(traces) for spent, _, value in each.ends)
    for spent, value, number in ends:
        best[number] = max(best[number], value)
        if math.fsum(best) >= target * len(best) - 1e-12:
            return spent
    return NEVER


def whole_search(searches: Sequence[tuple[float, float]], target: float) -> float:
    """Epochs of the search whose best is the target, between two of these searches (epochs, best) of growing size."""
    below: tuple[float, float] | None = None
    for epochs, best in searches:
        if best >= target:
            return epochs if below is None else below[0] + (epochs - below[0]) * (target - below[1]) / (best - below[1])
        below = epochs, best
    return NEVER


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile, each one of the values: some may be infinite."""
    ranked = sorted(values)
    low, middle, high = (ranked[math.ceil(share * len(ranked)) - 1] for share in (0.25, 0.5, 0.75))
    return low, middle, high
