"""Every distribution of W&B's sweep format: one function each, its keyword-only parameters are the YAML keys.

`min` and `max` of `log_uniform`, `inv_log_uniform` and `q_log_uniform` are exponents of e, those of the `..._values`
forms are the values themselves. `q` rounds to its multiples; a whole `q` gives whole numbers.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from statistics import NormalDist
from typing import Any, Final

from cnnjobs.registry import NonNegativeFloat, PositiveFloat, PositiveInt, register

_MOST_POINTS: Final = 100_000
_LARGEST_EXPONENT: Final = 700
_TAIL: Final = 1e-9
_BETA_DRAWS: Final = 10_001


@dataclass(frozen=True)
class Distribution:
    """Distribution of one parameter, and its values in a grid: None where a grid cannot list them.

    `quantile` gives the value below which a share of all draws lies; None where its values have no order.
    """

    draw: Callable[[Random], Any]
    points: Sequence[Any] | None = None
    why_no_grid: str = "is a continuous range"
    told: str = ""
    """What the bounds come to, where that is easily taken for something else."""
    quantile: Callable[[float], Any] | None = None


@register("distribution", "constant")
def constant(*, value: Any) -> Distribution:
    """One value."""
    return Distribution(lambda _: value, [value])


@register("distribution", "categorical")
def categorical(*, values: list[Any]) -> Distribution:
    """Each value as likely as the others."""
    return Distribution(lambda random: random.choice(values), values)


@register("distribution", "categorical_w_probabilities")
def categorical_w_probabilities(*, values: list[Any], probabilities: list[NonNegativeFloat]) -> Distribution:
    """Each value with its own probability."""
    if len(values) != len(probabilities):
        raise ValueError(f"{len(values)} values, {len(probabilities)} probabilities; give one for each value")
    if not math.isclose(sum(probabilities), 1, abs_tol=1e-6):
        raise ValueError(f"the probabilities add up to {sum(probabilities):g}; they must add up to 1")
    limits = list(accumulate(probabilities))
    return Distribution(
        lambda random: random.choices(values, cum_weights=limits)[0],
        why_no_grid="has probabilities, and a grid tries every value once",
        quantile=lambda share: values[min(bisect_right(limits, share * limits[-1]), len(values) - 1)],
    )


@register("distribution", "int_uniform")
def int_uniform(*, min: int, max: int) -> Distribution:
    """Whole numbers from `min` to `max`, both included."""
    _below(min, max)
    count = max - min + 1
    points = range(min, max + 1) if count <= _MOST_POINTS else None
    return Distribution(
        lambda random: random.randint(min, max),
        points,
        f"has {count:,} values",
        quantile=lambda share: min + _part(share, count),
    )


@register("distribution", "uniform")
def uniform(*, min: float, max: float) -> Distribution:
    """Any number between the two."""
    _below(min, max)
    return Distribution(lambda random: random.uniform(min, max), quantile=_line(min, max))


@register("distribution", "q_uniform")
def q_uniform(*, min: int | float, max: int | float, q: PositiveInt | PositiveFloat = 1) -> Distribution:
    """Uniform, rounded to multiples of `q`; a grid goes from `min` in steps of `q` and stops before `max` (as W&B)."""
    _below(min, max)
    steps = (max - min) / q
    points = [_tidy(min + step * q) for step in range(math.ceil(steps))] if steps <= _MOST_POINTS else None
    return Distribution(
        _rounded(lambda random: random.uniform(min, max), q),
        points,
        f"has {steps:,.0f} values",
        quantile=_at_multiples(_line(min, max), q),
    )


@register("distribution", "log_uniform")
def log_uniform(*, min: float, max: float) -> Distribution:
    """e to the power of a uniform number between the two exponents."""
    told = _exponents(min, max, "log_uniform")
    quantile = _exponential(_line(min, max))
    return Distribution(lambda random: math.exp(random.uniform(min, max)), told=told, quantile=quantile)


@register("distribution", "log_uniform_values")
def log_uniform_values(*, min: PositiveFloat, max: PositiveFloat) -> Distribution:
    """Between the two values, uniform in the logarithm."""
    _below(min, max)
    return Distribution(_between_values(min, max), quantile=_exponential(_line(math.log(min), math.log(max))))


@register("distribution", "q_log_uniform")
def q_log_uniform(*, min: float, max: float, q: PositiveInt | PositiveFloat = 1) -> Distribution:
    """`log_uniform`, rounded to multiples of `q`."""
    told = _exponents(min, max, "q_log_uniform")
    quantile = _at_multiples(_exponential(_line(min, max)), q)
    return Distribution(_rounded(lambda random: math.exp(random.uniform(min, max)), q), told=told, quantile=quantile)


@register("distribution", "q_log_uniform_values")
def q_log_uniform_values(*, min: PositiveFloat, max: PositiveFloat, q: PositiveInt | PositiveFloat = 1) -> Distribution:
    """`log_uniform_values`, rounded to multiples of `q`."""
    _below(min, max)
    quantile = _at_multiples(_exponential(_line(math.log(min), math.log(max))), q)
    return Distribution(_rounded(_between_values(min, max), q), quantile=quantile)


@register("distribution", "inv_log_uniform")
def inv_log_uniform(*, min: float, max: float) -> Distribution:
    """One divided by a `log_uniform` number."""
    told = _exponents(min, max, "inv_log_uniform", sign=-1)
    quantile = _exponential(_line(-max, -min))
    return Distribution(lambda random: math.exp(-random.uniform(min, max)), told=told, quantile=quantile)


@register("distribution", "inv_log_uniform_values")
def inv_log_uniform_values(*, min: PositiveFloat, max: PositiveFloat) -> Distribution:
    """Between the two values, one divided by it uniform in the logarithm."""
    _below(min, max)
    quantile = _exponential(_line(math.log(min), math.log(max)))
    return Distribution(lambda random: math.exp(-random.uniform(-math.log(max), -math.log(min))), quantile=quantile)


@register("distribution", "normal")
def normal(*, mu: float = 0.0, sigma: NonNegativeFloat = 1.0) -> Distribution:
    """Normal with mean `mu` and standard deviation `sigma`."""
    return Distribution(lambda random: random.normalvariate(mu, sigma), quantile=_normal(mu, sigma))


@register("distribution", "q_normal")
def q_normal(*, mu: float = 0.0, sigma: NonNegativeFloat = 1.0, q: PositiveInt | PositiveFloat = 1) -> Distribution:
    """`normal`, rounded to multiples of `q`."""
    quantile = _at_multiples(_normal(mu, sigma), q)
    return Distribution(_rounded(lambda random: random.normalvariate(mu, sigma), q), quantile=quantile)


@register("distribution", "log_normal")
def log_normal(*, mu: float = 0.0, sigma: NonNegativeFloat = 1.0) -> Distribution:
    """e to the power of a normal number."""
    told, quantile = _median(mu, sigma, "log_normal"), _exponential(_normal(mu, sigma))
    return Distribution(lambda random: random.lognormvariate(mu, sigma), told=told, quantile=quantile)


@register("distribution", "q_log_normal")
def q_log_normal(*, mu: float = 0.0, sigma: NonNegativeFloat = 1.0, q: PositiveInt | PositiveFloat = 1) -> Distribution:
    """`log_normal`, rounded to multiples of `q`."""
    told, quantile = _median(mu, sigma, "q_log_normal"), _at_multiples(_exponential(_normal(mu, sigma)), q)
    return Distribution(_rounded(lambda random: random.lognormvariate(mu, sigma), q), told=told, quantile=quantile)


@register("distribution", "beta")
def beta(*, a: PositiveFloat = 1.0, b: PositiveFloat = 1.0) -> Distribution:
    """Beta on [0, 1] with shapes `a` and `b`."""
    return Distribution(lambda random: random.betavariate(a, b), quantile=_beta(a, b))


@register("distribution", "q_beta")
def q_beta(*, a: PositiveFloat = 1.0, b: PositiveFloat = 1.0, q: PositiveInt | PositiveFloat = 1) -> Distribution:
    """`beta`, rounded to multiples of `q`."""
    quantile = _at_multiples(_beta(a, b), q)
    return Distribution(_rounded(lambda random: random.betavariate(a, b), q), quantile=quantile)


Quantile = Callable[[float], float]


def _below(low: float, high: float) -> None:
    if low > high:
        raise ValueError(f"min {low:g} is above max {high:g}; swap them")
    if low == high:
        raise ValueError(f"min and max are both {low:g}; for one value write value: {low:g}")


def _exponents(low: float, high: float, name: str, sign: int = 1) -> str:
    """The values that the exponents give, in words; bounds that are values themselves are refused."""
    _below(low, high)
    if max(abs(low), abs(high)) > _LARGEST_EXPONENT:
        largest = f"e to the power of {_LARGEST_EXPONENT}"
        raise ValueError(f"min {low:g} and max {high:g} are exponents of e; no number is larger than {largest}")
    ends = sorted((math.exp(sign * low), math.exp(sign * high)))
    values = f"values from {ends[0]:.4g} to {ends[1]:.4g}"
    told = f"min and max of `{name}` are exponents of e: {low:g} and {high:g} give {values}"
    if 0 < low < high <= 1:
        raise ValueError(f"{told}; did you mean `{name}_values`?")
    return f"{told}; `{name}_values` takes the values themselves"


def _median(mu: float, sigma: float, name: str) -> str:
    """The values that mean and deviation of the exponent give, in words."""
    if abs(mu) + 2 * sigma > _LARGEST_EXPONENT:
        largest = f"e to the power of {_LARGEST_EXPONENT}"
        raise ValueError(
            f"mu {mu:g} and sigma {sigma:g} are those of exponents of e; no number is larger than {largest}"
        )
    low, median, high = (math.exp(mu + side * sigma) for side in (-2, 0, 2))
    values = f"{median:.4g}, most between {low:.4g} and {high:.4g}"
    return f"mu and sigma of `{name}` are those of the exponent of e: half of the values are below {values}"


def _between_values(low: float, high: float) -> Callable[[Random], float]:
    return lambda random: math.exp(random.uniform(math.log(low), math.log(high)))


def _rounded(draw: Callable[[Random], float], q: int | float) -> Callable[[Random], int | float]:
    return lambda random: _tidy(round(draw(random) / q) * q)


def _tidy(value: int | float) -> int | float:
    """3 times 0.1 is 0.3 here, so that `exclude` and `compare` can name it."""
    return value if isinstance(value, int) else float(f"{value:.12g}")


def _line(low: float, high: float) -> Quantile:
    return lambda share: low + share * (high - low)


def _exponential(quantile: Quantile) -> Quantile:
    return lambda share: math.exp(quantile(share))


def _at_multiples(quantile: Quantile, q: int | float) -> Callable[[float], int | float]:
    return lambda share: _tidy(round(quantile(share) / q) * q)


def _part(share: float, count: int) -> int:
    """The part that a share lies in, of so many equal ones from 0 on."""
    return min(int(share * count), count - 1)


def _normal(mu: float, sigma: float) -> Quantile:
    inner = NormalDist(mu, sigma) if sigma else None
    return lambda share: mu if inner is None else inner.inv_cdf(min(max(share, _TAIL), 1 - _TAIL))


def _beta(a: float, b: float) -> Quantile:
    """By draws: it has no closed form."""
    random = Random(0)
    drawn = sorted(random.betavariate(a, b) for _ in range(_BETA_DRAWS))
    return lambda share: drawn[_part(share, _BETA_DRAWS)]
