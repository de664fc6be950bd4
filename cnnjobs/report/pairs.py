"""What a change does: before and after, paired by seed, in words that follow the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cnnjobs.report import wording
from cnnjobs.report.results import ResultsTable, is_finished
from cnnjobs.report.statistics import Summary, summarise
from cnnjobs.spec.sweep import Metric, Pair

# With fewer pairs not even the same sign in all of them has less than 5 % chance in an exact test.
ENOUGH_SEEDS: Final = 6


@dataclass(frozen=True)
class Difference:
    """A final metric before and after, and the difference after - before within each seed."""

    metric: str
    before: Summary
    after: Summary
    change: Summary


@dataclass(frozen=True)
class PairedResult:
    """A pair with the differences of all metrics over the seeds that finished on both sides."""

    pair: Pair
    differences: tuple[Difference, ...]
    verdict: str

    @property
    def differing(self) -> str:
        """`model.batch_norm: false → true`."""
        parts = [
            f"{key}: {wording.value_text(before)} → {wording.value_text(after)}"
            for key, (before, after) in self.pair.differing.items()
        ]
        return ", ".join(parts)


def paired_result(pair: Pair, table: ResultsTable) -> PairedResult:
    """The differences that a pair makes, and a verdict on the sweep's metric."""
    records = [
        (table.records[before.run_id].metrics, table.records[after.run_id].metrics)
        for before, after in zip(pair.before, pair.after, strict=True)
        if is_finished(table.records[before.run_id]) and is_finished(table.records[after.run_id])
    ]
    differences = {}
    for metric in table.metrics:
        values = [(before[metric], after[metric]) for before, after in records if metric in before and metric in after]
        differences[metric] = Difference(
            metric,
            summarise([before for before, _ in values]),
            summarise([after for _, after in values]),
            summarise([after - before for before, after in values]),
        )
    chosen = table.sweep.metric
    return PairedResult(pair, tuple(differences.values()), verdict(chosen, differences[chosen.name].change))


def verdict(metric: Metric, change: Summary) -> str:
    """What a difference over so many seeds allows to say."""
    if not change.n:
        return "No seed has finished on both sides yet."
    name, amount = wording.metric_name(metric.name), wording.change(metric.name, change.mean)
    if change.n == 1:
        return f"One seed alone: {name} {amount}. One pair of runs cannot tell a change from chance."
    evidence = f"{name} {amount}, 95 % interval {wording.interval(metric.name, change)}"
    if not change.excludes_zero:
        return f"Can't be told apart with {change.n} seeds: {evidence}."
    better = (change.mean > 0) == (metric.goal == "maximize")
    said = f"{'Better' if better else 'Worse'} after the change: {evidence}, {change.n} seeds."
    if change.n < ENOUGH_SEEDS:
        said += f" So few seeds give a hint; it takes {ENOUGH_SEEDS} or more to show it."
    return said
