"""The targets of a sweep file: which configurations reach them, with how many seeds, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cnnjobs.report.analysis.significance import wilson_interval
from cnnjobs.report.results.files import Grid
from cnnjobs.report.results.table import Choice, Configuration, ResultsTable
from cnnjobs.report.sections.tables import label_cells
from cnnjobs.report.text import numbers

_MOST_NAMED: Final = 5


@dataclass(frozen=True)
class Held:
    """One configuration against a target: how many of its `n` finished seeds reach it, and what the `weakest` comes to.

    `bound` is the lower end of Wilson's 95 % interval of the weakest, where the metric is a share of images.
    """

    wanted: float
    reached: int
    n: int
    weakest: float
    bound: float | None

    @property
    def consistently(self) -> bool:
        """True if every seed reaches it, and even the lower bound of the weakest does."""
        return self.reached == self.n and self.bound is not None and self.bound >= self.wanted

    @property
    def verdict(self) -> str:
        """In a word or two."""
        if self.reached in (0, self.n):
            return "reached" if self.reached else "missed"
        return f"reached by {self.reached} of {self.n} seeds"


@dataclass(frozen=True)
class Target:
    """A target, what the best configuration comes to (None before a run has finished), and who else reaches it."""

    text: str
    best: Held | None
    others: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """`reached`, `missed`, or by how many seeds of the best configuration."""
        return "open: no run has finished" if self.best is None else self.best.verdict

    @property
    def detail(self) -> str:
        """Certainty of that, and other configurations that reach it with every seed."""
        told, best = [], self.best
        if best is not None and best.bound is not None and best.reached == best.n:
            held = "consistently: even" if best.consistently else "but not consistently:"
            share = numbers.number("test.accuracy", best.bound)
            told.append(f"{held} the lower 95 % bound of the weakest seed is {share}")
        if self.others:
            named = numbers.listed(self.others)
            if len(self.others) > _MOST_NAMED:
                named = f"{len(self.others):,} other configurations"
            told.append(f"with every seed also by {named}")
        return "; ".join(told)


def targets(table: ResultsTable, ranked: Sequence[Choice]) -> list[Target]:
    """The targets of the sweep file, held against every seed of the best configuration."""
    found = []
    for metric, wanted in _all(table):
        best, *rest = [_held(table, choice.configuration, metric, wanted) for choice in ranked] or [None]
        pairs = zip(ranked[1:], rest, strict=True)
        others = tuple(choice.configuration.label for choice, held in pairs if held and held.reached == held.n)
        found.append(Target(_text(metric, wanted), best, others))
    return found


def targets_grid(table: ResultsTable, ranked: Sequence[Choice]) -> Grid:
    """A row per configuration with a finished run, the best first; a verdict for each target."""
    columns, label = label_cells(table)
    metrics = table.sweep.report.targets
    rows = []
    for choice in ranked if metrics else ():
        verdicts, cells = [], []
        for metric, values in metrics.items():
            held = [_held(table, choice.configuration, metric, wanted) for wanted in values]
            verdicts += [_word(each) for each in held]
            last = held[-1]
            weakest, bound = (last.weakest, last.bound) if last is not None else (None, None)
            cells += [numbers.number(metric, weakest), numbers.number(metric, bound)]
        rows.append((*label(choice.configuration, choice.configuration.runs[0]), *verdicts, *cells))
    wanted = [_text(metric, value) for metric, value in _all(table)]
    ends = [
        f"{what}: {numbers.metric_name(metric)}" for metric in metrics for what in ("weakest seed", "its 95 % bound")
    ]
    return Grid((*columns, *wanted, *ends), tuple(rows), labels=len(columns) + len(wanted))


def _word(held: Held | None) -> str:
    if held is None:
        return numbers.NOTHING
    return "reached, consistently" if held.consistently else held.verdict


def _all(table: ResultsTable) -> list[tuple[str, float]]:
    return [(metric, wanted) for metric, values in table.sweep.report.targets.items() for wanted in values]


def _higher(metric: str) -> bool:
    return not metric.endswith("loss")


def _text(metric: str, wanted: float) -> str:
    return f"{numbers.metric_name(metric)} {'≥' if _higher(metric) else '≤'} {numbers.number(metric, wanted)}"


def _held(table: ResultsTable, configuration: Configuration, metric: str, wanted: float) -> Held | None:
    """None where no run has finished with the metric."""
    values, higher = table.values(configuration.runs, metric), _higher(metric)
    if not values:
        return None
    reached = sum(value >= wanted if higher else value <= wanted for value in values)
    bound = _lower_bound(table, configuration, metric) if numbers.is_share(metric) else None
    return Held(wanted, reached, len(values), min(values) if higher else max(values), bound)


def _lower_bound(table: ResultsTable, configuration: Configuration, metric: str) -> float | None:
    """The lower end of the 95 % interval of the weakest seed's share of images; None where their number is unknown."""
    split = metric.partition(".")[0]
    counted = [
        (record.metrics[metric], record.num_images[split])
        for record in table.finished(configuration.runs)
        if metric in record.metrics and record.num_images.get(split)
    ]
    return min((wilson_interval(round(share * n), n)[0] for share, n in counted), default=None)
