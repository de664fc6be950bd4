"""Main effects and interaction of parameters with two values each, with intervals over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from cnnjobs.report.analysis.importance import Factor, Parameters
from cnnjobs.report.results.files import Grid
from cnnjobs.report.results.statistics import Summary, summarise
from cnnjobs.report.results.table import ResultsTable
from cnnjobs.report.text import numbers

_MOST_FACTORS: Final = 4


@dataclass(frozen=True)
class Effect:
    """Effect of one parameter, averaged over all others; of two, their interaction.

    `change` is over the seeds, which are the repeats: within each one the runs differ in nothing else.
    """

    names: tuple[str, ...]
    words: str
    change: Summary


def effects(table: ResultsTable, found: Parameters) -> list[Effect]:
    """Main effects, then interactions of two; none unless every pair of values was combined, in a common seed."""
    factors = found.factors
    if not 2 <= len(factors) <= _MOST_FACTORS or any(len(factor.levels) != 2 for factor in factors):
        return []
    cells = list(zip(*(factor.index.tolist() for factor in factors), strict=True))
    if len(set(cells)) != len(cells) or len(cells) != 2 ** len(factors):
        return []
    values = _by_seed(table, found, cells)
    if not values:
        return []
    chosen = [(number,) for number in range(len(factors))] + [*combinations(range(len(factors)), 2)]
    return [_effect([factors[number] for number in places], places, values) for places in chosen]


def _by_seed(
    table: ResultsTable, found: Parameters, cells: Sequence[tuple[int, ...]]
) -> list[Mapping[tuple[int, ...], float]]:
    """The metric of each cell, seed by seed, of those that finished in all cells."""
    own = [
        {run.config.seed: table.records[run.run_id].metrics.get(found.metric) for run in choice.configuration.runs}
        for choice in found.choices
    ]
    whole: list[Mapping[tuple[int, ...], float]] = []
    for seed in own[0]:
        measured = [each.get(seed) for each in own]
        known = [value for value in measured if value is not None and math.isfinite(value)]
        if len(known) == len(cells):
            whole.append(dict(zip(cells, known, strict=True)))
    return whole


def _effect(
    factors: Sequence[Factor], places: tuple[int, ...], values: Sequence[Mapping[tuple[int, ...], float]]
) -> Effect:
    """The mean over the cells with the second level minus that over the others; signs multiply in an interaction.

    An interaction is half the difference between two effects, so that all are on one scale (Box, Hunter and Hunter).
    """
    changes = []
    for own in values:
        signed = sum(value * math.prod(2 * cell[number] - 1 for number in places) for cell, value in own.items())
        changes.append(signed / (len(own) / 2))
    names = tuple(factor.name for factor in factors)
    words = " → ".join(factors[0].words) if len(factors) == 1 else "interaction"
    return Effect(names, words, summarise(changes))


def effects_grid(found: Sequence[Effect], metric: str) -> Grid:
    """A row per effect, with what its interval allows to say."""
    rows = []
    for effect in found:
        interval = numbers.interval(metric, effect.change)
        clear = "" if effect.change.n < 2 else "differs from zero" if effect.change.excludes_zero else "no clear effect"
        change = numbers.change(metric, effect.change.mean)
        rows.append((" × ".join(effect.names), effect.words, change, interval, str(effect.change.n), clear))
    return Grid(
        ("effect of", "change", numbers.metric_name(metric), "95 % interval", "seeds", ""), tuple(rows), labels=2
    )
