"""The value of a metric that counts, out of the lines of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

# As W&B's define_metric names what it keeps in the summary: `val_acc.max`.
_SUMMARIES: Final = ("max", "min", "mean", "first", "last")


def value_that_counts(
    lines: Iterable[Mapping[str, Any]], metric: str, *, maximize: bool = True, best: bool = False
) -> float | None:
    """The last value of a metric, as with W&B, or with `best` its best; None where it never came.

    `lines` are in the order in which they were reported. `name.max` and the like are the summaries of `name`, where no
    metric is called so. A best one is never NaN, unless all are.
    """
    kept = [dict(line) for line in lines]
    values = _values(kept, metric)
    name, _, summary = metric.rpartition(".")
    if not values and name and summary in _SUMMARIES:
        values = _values(kept, name)
        return _summary(values, summary) if values else None
    if not values:
        return None
    return _summary(values, ("max" if maximize else "min") if best else "last")


def _values(lines: Iterable[Mapping[str, Any]], metric: str) -> list[float]:
    return [float(line[metric]) for line in lines if isinstance(line.get(metric), int | float)]


def _summary(values: list[float], summary: str) -> float:
    if summary in ("first", "last"):
        return values[0 if summary == "first" else -1]
    numbers = [value for value in values if not math.isnan(value)] or values
    return {"max": max, "min": min}[summary](numbers) if summary != "mean" else math.fsum(numbers) / len(numbers)
