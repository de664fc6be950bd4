"""Over- or underfitting: what a run's curves say, with the numbers that it rests on."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cnnjobs.report import wording
from cnnjobs.report.results import Configuration, ResultsTable

# A rise of the loss below this share of its minimum is no more than its noise.
_RISE: Final = 0.05
_GAP: Final = 0.05
_WIDE_GAP: Final = 0.1
_SLOPE: Final = 0.01
_MOSTLY: Final = 0.5
_FEWEST: Final = 4


@dataclass(frozen=True)
class Fit:
    """How training and validation part.

    `gap` is training − validation accuracy with the best weights; `rise` that of the validation loss from its lowest to
    its last value, `slope` that of an epoch over its last third: both as shares of the lowest. `late` is 1 where the
    lowest value lies in that third; over several runs it is their share.
    """

    gap: float
    rise: float
    slope: float
    late: float

    @property
    def verdict(self) -> str:
        """In words."""
        if not math.isfinite(self.rise):
            return "too few validations to tell"
        if self.rise > _RISE and self.gap > _GAP:
            return "overfits: the validation loss rises while training goes on"
        if self.gap > _WIDE_GAP:
            return "overfits: training is far ahead of validation"
        if self.slope < -_SLOPE and self.late >= _MOSTLY:
            return "underfits: the validation loss still falls, more epochs would help"
        return "neither: the validation loss has levelled off"


def fit_of_run(lines: Sequence[Mapping[str, Any]], metrics: Mapping[str, float]) -> Fit | None:
    """The fit of a finished run from its lines of metrics and its final ones; None without validation images."""
    if not {"train.accuracy", "validation.accuracy"} <= metrics.keys():
        return None
    gap = metrics["train.accuracy"] - metrics["validation.accuracy"]
    seen = [(line["epoch"], line["validation.loss"]) for line in lines if "validation.loss" in line]
    if len(seen) < _FEWEST:
        return Fit(gap, math.nan, math.nan, math.nan)
    lowest = min(loss for _, loss in seen)
    last = seen[-max(3, len(seen) // 3) :]
    slope = statistics.linear_regression([epoch for epoch, _ in last], [loss for _, loss in last]).slope
    late = float(min(loss for _, loss in last) == lowest)
    return Fit(gap, seen[-1][1] / lowest - 1, slope / lowest, late)


def fit_of(table: ResultsTable, configuration: Configuration) -> Fit | None:
    """The mean fit of a configuration's finished runs; None where there is none."""
    records = table.finished(configuration.runs)
    found = [fit_of_run(table.lines[record.run_id], record.metrics) for record in records]
    fits = [fit for fit in found if fit is not None]
    if not fits:
        return None
    return Fit(*(statistics.fmean(getattr(fit, name) for fit in fits) for name in ("gap", "rise", "slope", "late")))


def fit_row(fit: Fit) -> tuple[str, str, str, str]:
    """Gap, rise and slope as readers see them, and the verdict."""
    if not math.isfinite(fit.rise):
        return wording.change("accuracy", fit.gap), wording.NOTHING, wording.NOTHING, fit.verdict
    rise, slope = (f"{100 * value:+.1f} %".replace("-", "−") for value in (fit.rise, fit.slope))
    return wording.change("accuracy", fit.gap), rise, slope, fit.verdict
