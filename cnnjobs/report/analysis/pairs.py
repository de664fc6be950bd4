"""Effect of a change: before and after, paired by seed, in words that follow the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cnnjobs.report.analysis.significance import McNemar, mcnemar, seeds_needed, sign_flip_p
from cnnjobs.report.results.statistics import Summary, summarise
from cnnjobs.report.results.table import ResultsTable, is_finished
from cnnjobs.report.text import numbers
from cnnjobs.sweep.file import Metric, Pair, SweepRun
from cnnjobs.sweep.labels import brief
from cnnjobs.training.data.test_predictions import read_outcome

# With fewer pairs not even the same sign in all of them has less than 5 % chance in an exact test.
ENOUGH_SEEDS: Final = 6
_CLEAR: Final = 0.05
P_VALUE: Final = (
    f"p is that of exact sign flips, from {ENOUGH_SEEDS} seeds on: with fewer it cannot fall below {_CLEAR}."
)


@dataclass(frozen=True)
class Difference:
    """A final metric before and after, and the difference after - before within each seed."""

    metric: str
    before: Summary
    after: Summary
    change: Summary


@dataclass(frozen=True)
class PairedResult:
    """A pair with the differences of all metrics over the seeds that finished on both sides.

    `of_seeds` are those of the sweep's metric. `images` holds seed and exact test of those seeds whose networks were
    asked the same test images.
    """

    pair: Pair
    differences: tuple[Difference, ...]
    verdict: str
    of_seeds: tuple[float, ...]
    images: tuple[tuple[int | None, McNemar], ...]

    def change(self, metric: str) -> Summary:
        """The differences of one metric."""
        return next((each.change for each in self.differences if each.metric == metric), summarise([]))

    @property
    def differing(self) -> str:
        """`model.batch_norm: false → true`."""
        return ", ".join(f"{key}: {_told(*sides)}" for key, sides in self.pair.differing.items())

    @property
    def p(self) -> float:
        """Exact, of the differences in the sweep's metric; NaN without any."""
        return sign_flip_p(self.of_seeds)


def paired_result(pair: Pair, table: ResultsTable) -> PairedResult:
    """The differences that a pair makes, and a verdict on the sweep's metric."""
    finished = [
        (before, after)
        for before, after in zip(pair.before, pair.after, strict=True)
        if is_finished(table.records[before.run_id]) and is_finished(table.records[after.run_id])
    ]
    metrics = [
        (table.records[before.run_id].metrics, table.records[after.run_id].metrics) for before, after in finished
    ]
    changes: dict[str, list[float]] = {}
    differences = []
    for metric in table.metrics:
        values = [(before[metric], after[metric]) for before, after in metrics if metric in before and metric in after]
        changes[metric] = [after - before for before, after in values]
        sides = (summarise([before for before, _ in values]), summarise([after for _, after in values]))
        differences.append(Difference(metric, *sides, summarise(changes[metric])))
    chosen = table.sweep.metric
    images = tuple(_image_by_image(table, finished))
    own = changes[chosen.name]
    return PairedResult(pair, tuple(differences), verdict(chosen, own), tuple(own), images)


def _told(before: Any, after: Any) -> str:
    """`false → true`; components by their names, where these tell them apart."""
    words = [brief(each) for each in (before, after)]
    return " → ".join(words if words[0] != words[1] else map(numbers.value_text, (before, after)))


def _image_by_image(
    table: ResultsTable, finished: Sequence[tuple[SweepRun, SweepRun]]
) -> Iterator[tuple[int | None, McNemar]]:
    for before, after in finished:
        try:
            outcomes = [read_outcome(table.store.run(run.run_id)) for run in (before, after)]
        except ValueError:
            # The metrics stand; only this comparison needs the file.
            continue
        one, two = outcomes
        if one is not None and two is not None and np.array_equal(one.labels, two.labels):
            yield before.config.seed, mcnemar(one.right, two.right)


def verdict(metric: Metric, changes: Sequence[float]) -> str:
    """Verdict that the differences within so many seeds allow: the interval decides, and few seeds say less."""
    change = summarise(changes)
    if not change.n:
        return "No seed has finished on both sides yet."
    name, amount = numbers.metric_name(metric.name), numbers.change(metric.name, change.mean)
    if change.n == 1:
        return f"One seed alone: {name} {amount}. One pair of runs cannot tell a change from chance."
    evidence = f"{name} {amount}, 95 % interval {numbers.interval(metric.name, change)}, {change.n} seeds"
    if change.n >= ENOUGH_SEEDS:
        evidence += f", p = {sign_flip_p(changes):.2g} by exact sign flips"
    if not change.excludes_zero:
        needed = seeds_needed(change)
        needs = f"about {needed} seeds" if needed else "more than a thousand seeds"
        return f"No clear difference: {evidence}. It would take {needs} to tell one of this size from chance."
    better = (change.mean > 0) == (metric.goal == "maximize")
    if change.n >= ENOUGH_SEEDS and sign_flip_p(changes) < _CLEAR:
        return f"{'Helps' if better else 'Hurts'}: {evidence}."
    said = f"{'Seems to help' if better else 'Seems to hurt'}: {evidence}."
    return said + (f" It takes {ENOUGH_SEEDS} or more seeds to show it." if change.n < ENOUGH_SEEDS else "")


def by_gain(results: Sequence[PairedResult], metric: Metric) -> list[PairedResult]:
    """Pairs by gain, largest first; pairs that no seed has finished last."""
    sign = -1 if metric.goal == "maximize" else 1

    def gain(result: PairedResult) -> tuple[bool, float]:
        change = result.change(metric.name)
        return not change.n, sign * change.mean if change.n else 0.0

    return sorted(results, key=gain)


def multiplicity(pairs: int) -> str:
    """Note on several changes that are compared at once; "" for one."""
    if pairs < 2:
        return ""
    return (
        f"{pairs} comparisons: where nothing differs, one interval in twenty leaves out zero all the same,"
        f" so about {pairs / 20:.2g} of these would by chance."
    )
