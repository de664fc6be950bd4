"""Importance: the share of each parameter in the variance of results, exact where every value meets every other."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cnnjobs.report.analysis.ped_anova import Column, ped_anova
from cnnjobs.report.results.files import Grid
from cnnjobs.report.results.statistics import Summary, summarise
from cnnjobs.report.results.table import Choice, ResultsTable
from cnnjobs.report.text import numbers
from cnnjobs.sweep.labels import brief

# A parameter with more values is told by their range; values that span so many times the smallest, by their logarithms.
MOST_LEVELS: Final = 12
WIDE: Final = 30
_ABSENT: Final = "not set"
# A variance below this share of the squared mean is rounding.
_TINY: Final = 1e-24


@dataclass(frozen=True, eq=False)
class Factor:
    """A parameter of which the configurations have different values: its levels in order, and each one's level.

    `name` joins keys that always change together. `index` (configurations,) counts in `levels`.
    """

    name: str
    levels: tuple[Any, ...]
    index: NDArray[np.int64]

    @property
    def is_numeric(self) -> bool:
        """True if every level is a number."""
        return all(_is_number(level) for level in self.levels)

    @property
    def words(self) -> tuple[str, ...]:
        """The levels as readers see them."""
        words = tuple(brief(level) for level in self.levels)
        return words if len(set(words)) == len(words) else tuple(numbers.value_text(level) for level in self.levels)

    def split(self, values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """One value of each configuration (configurations,), parted by level."""
        return [values[self.index == number] for number in range(len(self.levels))]


@dataclass(frozen=True)
class Shares:
    """Shares of the variance over all runs; together they are 1.

    `noise` is that between runs that differ in nothing but the seed: None with one seed, where it is not to be told
    from the interactions.
    """

    factors: tuple[float, ...]
    interactions: float
    noise: float | None


@dataclass(frozen=True, eq=False)
class Parameters:
    """The parameters of a sweep's finished configurations, and the mean of its metric for each of these.

    Where `shares` is None, `why_no_shares` says why, and `weights` has what ped_anova() says of each factor, if there
    are enough configurations.
    """

    metric: str
    higher_is_better: bool
    choices: tuple[Choice, ...]
    factors: tuple[Factor, ...]
    means: NDArray[np.float64]
    shares: Shares | None
    why_no_shares: str
    weights: tuple[float, ...] | None = None

    @property
    def order(self) -> list[int]:
        """The places of the factors, what mattered most first; as in the file where that is not known."""
        order, known = range(len(self.factors)), self.weights if self.shares is None else self.shares.factors
        return [*order] if known is None else sorted(order, key=lambda number: -known[number])

    def levels(self, factor: Factor) -> list[Summary]:
        """Mean and spread over the configurations with each level of a factor; of a single one over its seeds."""
        places = [np.flatnonzero(factor.index == number) for number in range(len(factor.levels))]
        return [
            self.choices[own[0]].summary if len(own) == 1 else summarise(self.means[own].tolist()) for own in places
        ]


def parameters(table: ResultsTable, ranked: Sequence[Choice]) -> Parameters:
    """Parameters in which the finished configurations differ, and their effect on the sweep's metric."""
    metric = table.sweep.metric
    places = {id(configuration): place for place, configuration in enumerate(table.configurations)}
    in_file_order = sorted(ranked, key=lambda choice: places[id(choice.configuration)])
    choices = tuple(choice for choice in in_file_order if math.isfinite(choice.summary.mean))
    factors = _factors(table, choices)
    shares, why = None, "not every configuration has finished"
    if len(choices) == len(table.configurations):
        values = _common_seeds(table, choices)
        shares, why = explained(factors, values) if values.size else (None, "no seed has finished in all of them")
    means = np.array([choice.summary.mean for choice in choices])
    higher = metric.goal == "maximize"
    told = ped_anova(list(map(_column, factors)), means, higher_is_better=higher) if shares is None else None
    weights = None if told is None else tuple(told)
    return Parameters(metric.name, higher, choices, factors, means, shares, why, weights)


def _column(factor: Factor) -> Column:
    """A factor as ped_anova() takes it."""
    if not factor.is_numeric or len(factor.levels) <= MOST_LEVELS:
        return factor.index
    values = np.array(factor.levels, dtype=float)
    if values.min() > 0 and values.max() > WIDE * values.min():
        values = np.log(values)
    return np.asarray(((values - values.min()) / np.ptp(values))[factor.index], dtype=np.float64)


def explained(factors: Sequence[Factor], values: NDArray[np.float64]) -> tuple[Shares | None, str]:
    """Eta squared of each factor over `values` (configurations, seeds), or None and why not.

    https://en.wikipedia.org/wiki/Effect_size#Eta-squared_(η2)
    """
    num_cells, num_seeds = values.shape
    cells = set(zip(*(factor.index.tolist() for factor in factors), strict=True))
    if not factors or len(cells) != num_cells or num_cells != math.prod(len(factor.levels) for factor in factors):
        return None, "not every value was combined with every other"
    if num_seeds == 1 and len(factors) == 1:
        return None, "one parameter with one seed leaves no variance but its own"
    centred = values - values.mean()
    total = float((centred**2).sum())
    if total <= _TINY * float((values**2).sum()):
        return None, "all results are the same"
    cell_means = centred.mean(axis=1)
    between = [
        num_seeds * sum(len(own) * float(own.mean()) ** 2 for own in factor.split(cell_means)) / total
        for factor in factors
    ]
    within = float(((centred - cell_means[:, None]) ** 2).sum()) / total
    rest = max(0.0, 1 - sum(between) - within)
    return Shares(tuple(between), rest, None if num_seeds == 1 else within), ""


def parameters_grid(found: Parameters) -> Grid:
    """A row per parameter, what mattered most first, and what is left to interactions and to chance."""
    shares = found.shares
    rows = []
    for number in found.order:
        factor = found.factors[number]
        share = [numbers.share(shares.factors[number])] if shares else [_correlation(found, factor)]
        if found.weights is not None:
            share.insert(0, numbers.share(found.weights[number]))
        rows.append((factor.name, _told(factor), *share, *_extremes(found, factor)))
    if shares is not None and len(found.factors) > 1:
        left = "interactions" if shares.noise is not None else "interactions and chance"
        rows.append((left, "", numbers.share(shares.interactions), "", ""))
    if shares is not None and shares.noise is not None:
        rows.append(("seeds", "", numbers.share(shares.noise), "", ""))
    middle = (
        ["share of the variance"] if shares else ["importance"] * (found.weights is not None) + ["rank correlation"]
    )
    names = ("parameter", "values", *middle, "best value: mean ± sd", "worst value: mean ± sd")
    return Grid(names, tuple(rows), labels=2)


def _factors(table: ResultsTable, choices: Sequence[Choice]) -> tuple[Factor, ...]:
    """The keys that differ; what another one decides goes with it, what changes together is one factor."""
    runs = [choice.configuration.runs[0] for choice in choices]
    # Where each draw has a value of its own, that one key's value comes with another's says nothing.
    most = len(runs) - 1 if table.sweep.method == "random" else len(runs)
    found: dict[str, Factor] = {}
    for key in table.label_keys:
        column = [run.overrides.get(key, _ABSENT) if key != "variant" else run.variant or _ABSENT for run in runs]
        factor = _factor(key, column)
        if len(factor.levels) < 2:
            continue
        twin = next(
            (each for each in found.values() if _decides(each, factor, most) and _decides(factor, each, most)), None
        )
        if twin is not None and _are_peers(twin, factor):
            found[twin.name] = _joined(twin, factor)
        elif twin is None and not any(_decides(each, factor, most) for each in found.values()):
            found = {name: each for name, each in found.items() if not _decides(factor, each, most)}
            found[key] = factor
    return tuple(found.values())


def _decides(one: Factor, other: Factor, most: int) -> bool:
    """Check whether configurations that agree in one factor of at most so many levels always agree in the other."""
    pairs = set(zip(one.index.tolist(), other.index.tolist(), strict=True))
    return len(pairs) == len(one.levels) and (len(one.levels) <= most or one.name == "variant")


def _are_peers(one: Factor, other: Factor) -> bool:
    """Check whether neither comes with the other: no setting of a variant, no option of a component."""
    options = other.name.startswith(f"{one.name}.") or _ABSENT in (*one.levels, *other.levels)
    return one.name != "variant" and not options


def _joined(one: Factor, other: Factor) -> Factor:
    """Two that always change together."""
    with_it = dict(zip(one.index.tolist(), other.index.tolist(), strict=True))
    levels = tuple(f"{word} / {other.words[with_it[number]]}" for number, word in enumerate(one.words))
    return Factor(f"{one.name} / {other.name}", levels, one.index)


def _factor(key: str, column: Sequence[Any]) -> Factor:
    texts = [json.dumps(value, sort_keys=True) for value in column]
    levels = dict(zip(texts, column, strict=True))
    if all(_is_number(level) for level in levels.values()):
        levels = dict(sorted(levels.items(), key=lambda item: item[1]))
    places = {text: number for number, text in enumerate(levels)}
    return Factor(key, tuple(levels.values()), np.array([places[text] for text in texts], dtype=np.int64))


def _common_seeds(table: ResultsTable, choices: Sequence[Choice]) -> NDArray[np.float64]:
    """The metric (configurations, seeds) of the seeds that finished in every configuration."""
    name = table.sweep.metric.name
    found: list[dict[int | None, float]] = []
    for choice in choices:
        metrics = {run.config.seed: table.records[run.run_id].metrics.get(name) for run in choice.configuration.runs}
        found.append({seed: value for seed, value in metrics.items() if value is not None and math.isfinite(value)})
    common = [seed for seed in found[0] if all(seed in own for own in found)] if found else []
    return np.array([[own[seed] for seed in common] for own in found], dtype=float)


def _told(factor: Factor) -> str:
    if len(factor.levels) <= MOST_LEVELS:
        return ", ".join(factor.words)
    if factor.is_numeric:
        return f"{len(factor.levels)} values from {factor.words[0]} to {factor.words[-1]}"
    return f"{len(factor.levels)} values"


def _extremes(found: Parameters, factor: Factor) -> tuple[str, str]:
    """The levels with the best and the worst mean."""
    if len(factor.levels) > MOST_LEVELS:
        return numbers.NOTHING, numbers.NOTHING
    sign = -1 if found.higher_is_better else 1
    pairs = zip(factor.words, found.levels(factor), strict=True)
    order = sorted(pairs, key=lambda pair: sign * pair[1].mean)
    best, worst = (f"{word}: {numbers.mean_and_sd(found.metric, summary)}" for word, summary in (order[0], order[-1]))
    return best, worst


def _correlation(found: Parameters, factor: Factor) -> str:
    """Spearman's, of a parameter that is a number."""
    if not factor.is_numeric or len(factor.index) < 3 or not np.ptp(found.means):
        return numbers.NOTHING
    ranks = [_ranks(factor.index), _ranks(found.means)]
    return f"{np.asarray(np.corrcoef(ranks))[0, 1]:+.2f}".replace("-", "−")


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """The place of each value in their order; equal ones share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_rank: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return mean_rank


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
