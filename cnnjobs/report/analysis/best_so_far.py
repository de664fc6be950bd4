"""Best result of a search over what it has trained, and what random search would come to for as much."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from cnnjobs.report.results.table import Configuration, ResultsTable

ENOUGH: Final = 5
_MOST_POINTS: Final = 200

Points = tuple[tuple[float, float], ...]
"""(epochs spent by all runs together, value)."""


@dataclass(frozen=True)
class RandomSearch:
    """Expected best of random search by epochs spent, each configuration trained to its end.

    `better` takes values from the `n` configurations that finished; `worse` from the `stopped` ones, too, as if they
    had stayed at what they were when they were stopped; none where none was.
    """

    n: int
    stopped: int
    better: Points
    worse: Points


@dataclass(frozen=True)
class BestSoFar:
    """Best final mean over seeds after each configuration, in the order of their indices, by epochs spent.

    Of programs that tell no epochs, reported values take their place. `expected` is None where fewer than ENOUGH
    configurations that were drawn at random have finished.
    """

    metric: str
    unit: str
    points: Points
    expected: RandomSearch | None


def best_so_far(
    table: ResultsTable, places: Mapping[str, int], drawn: Collection[str] | None, reported: Callable[[str], int]
) -> BestSoFar | None:
    """The course of a search; None before a run has finished.

    `places` are the indices of configurations by run id, `drawn` the runs of those drawn at random (None: all);
    `reported` counts the values that a run has reported.
    """
    known = [each for each in table.configurations if each.runs[0].run_id in places]
    known.sort(key=lambda each: places[each.runs[0].run_id])
    unit, spent = _spent(table, reported)
    metric = table.sweep.metric
    best_of = max if metric.goal == "maximize" else min
    total, points = 0.0, list[tuple[float, float]]()
    for configuration in known:
        total += sum(spent[run.run_id] for run in configuration.runs)
        values = table.values(configuration.runs, metric.name)
        if values:
            best = fmean(values)
            points.append((total, best_of(best, points[-1][1]) if points else best))
    if not points:
        return None
    points.append((total, points[-1][1]))
    pool = [each for each in known if drawn is None or each.runs[0].run_id in drawn]
    return BestSoFar(metric.name, unit, tuple(points), _random_search(table, pool, spent, total))


def _spent(table: ResultsTable, reported: Callable[[str], int]) -> tuple[str, dict[str, float]]:
    """Amount that each run has trained, and its unit."""
    if table.sweep.is_of_program:
        return "iterations", {run_id: float(reported(run_id)) for run_id in table.records}
    done = zip(table.runs["run_id"], table.runs["epochs_done"], strict=True)
    return "epochs", {run_id: float(epochs) for run_id, epochs in done}


def _random_search(
    table: ResultsTable, pool: Sequence[Configuration], spent: Mapping[str, float], total: float
) -> RandomSearch | None:
    """Random search among a pool of configurations, for as much as was spent in all."""
    metric = table.sweep.metric
    sign = 1.0 if metric.goal == "maximize" else -1.0
    finished, stopped, costs = list[float](), list[float](), list[float]()
    for configuration in pool:
        values = table.values(configuration.runs, metric.name)
        if values:
            finished.append(sign * fmean(values))
            costs.append(fmean(spent[each.run_id] for each in table.finished(configuration.runs)))
            costs[-1] *= len(configuration.runs)
        elif kept := [value for run in configuration.runs if (value := _when_stopped(table, run.run_id)) is not None]:
            stopped.append(sign * fmean(kept))
    cost = fmean(costs) if costs else 0.0
    if len(finished) < ENOUGH or not cost:
        return None
    most = max(1, int(total / cost))
    draws = range(1, most + 1, 1 + most // _MOST_POINTS)
    better, worse = expected_best(finished, draws), expected_best([*finished, *stopped], draws)
    epochs = [draw * cost for draw in draws]
    return RandomSearch(
        len(finished),
        len(stopped),
        tuple((spent, sign * value) for spent, value in zip(epochs, better, strict=True)),
        tuple((spent, sign * value) for spent, value in zip(epochs, worse, strict=True)) if stopped else (),
    )


def _when_stopped(table: ResultsTable, run_id: str) -> float | None:
    """The metric that a run had when it was stopped early."""
    return table.records[run_id].metrics.get(table.sweep.metric.name) if table.stopped_at(run_id) else None


def expected_best(values: Sequence[float], draws: Sequence[int]) -> list[float]:
    """Expected highest of so many draws with replacement: exact, by the shares up to each value in their order."""
    ordered, n = sorted(values), len(values)
    return [
        sum(value * ((place / n) ** draw - ((place - 1) / n) ** draw) for place, value in enumerate(ordered, 1))
        for draw in draws
    ]
