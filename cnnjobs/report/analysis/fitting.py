"""Over- or underfitting: what a run's curves say, with the numbers that it rests on."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cnnjobs.report.results.table import Configuration, ResultsTable
from cnnjobs.report.text import numbers

# Shares of the lowest validation loss, and of images. A rise below the first is no more than noise.
RISE: Final = 0.05
GAP: Final = 0.05
WIDE_GAP: Final = 0.1
FALL: Final = 0.01
STEEP_FALL: Final = 0.05
_MOSTLY: Final = 0.5
_FEWEST: Final = 4
# Sums of the same numbers in another order differ in their last digits; at a limit is not beyond it.
_DIGITS: Final = 9
_RISING: Final = "loss rising"
_FALLING: Final = "loss still falling"


@dataclass(frozen=True)
class Fit:
    """Gap between training and validation.

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
        """The grade, and the numbers that decide it."""
        gap = f"gap {numbers.change('test.accuracy', self.gap).lstrip('+')}"
        if not math.isfinite(self.rise):
            return f"too few validations to tell: {gap}"
        grade, loss = self._overfitting, self._loss
        if grade:
            return f"{grade} overfitting: {gap}, {loss or 'loss not rising yet'}"
        fall = round(-self.slope, _DIGITS)
        if loss == _FALLING:
            grade = "strong" if fall > STEEP_FALL else "some"
            return f"{grade} underfitting: loss falls by {100 * fall:.1f} % an epoch, more epochs would help"
        return f"neither: {gap}, loss has levelled off"

    @property
    def _overfitting(self) -> str:
        """`strong`, `some` or none."""
        gap, rises = round(self.gap, _DIGITS), self._loss == _RISING
        if gap > WIDE_GAP or (rises and gap > GAP):
            return "strong"
        return "some" if gap > GAP or rises else ""

    @property
    def _loss(self) -> str:
        """Where the validation loss is going at the end; "" where it stays."""
        if round(self.rise, _DIGITS) > RISE:
            return _RISING
        return _FALLING if round(-self.slope, _DIGITS) > FALL and self.late >= _MOSTLY else ""


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
        return numbers.change("test.accuracy", fit.gap), numbers.NOTHING, numbers.NOTHING, fit.verdict
    rise, slope = (f"{100 * value:+.1f} %".replace("-", "−") for value in (fit.rise, fit.slope))
    return numbers.change("test.accuracy", fit.gap), rise, slope, fit.verdict
