"""Statistics of repeats over seeds: mean, spread and interval."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

_TINY = 1e-300


@dataclass(frozen=True)
class Summary:
    """`n` values: their mean, standard deviation (ddof 1) and 95 % t interval; NaN where n is too small to tell."""

    n: int
    mean: float
    sd: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """True if the interval is known and leaves out zero."""
        return self.low > 0 or self.high < 0


def summarise(values: Sequence[float], confidence: float = 0.95) -> Summary:
    """The summary of independent values, normally distributed for the interval to hold."""
    n = len(values)
    if n < 2:
        return Summary(n, values[0] if n else math.nan, math.nan, math.nan, math.nan)
    mean, sd = statistics.fmean(values), statistics.stdev(values)
    half = t_quantile(0.5 + confidence / 2, n - 1) * sd / math.sqrt(n)
    return Summary(n, mean, sd, mean - half, mean + half)


@cache
def t_quantile(probability: float, degrees: int) -> float:
    """The value below which Student's t with `degrees` of freedom falls with `probability`."""
    if probability < 0.5:
        return -t_quantile(1 - probability, degrees)
    low, high = 0.0, 1.0
    while t_probability(high, degrees) < probability:
        low, high = high, 2 * high
    while True:
        middle = (low + high) / 2
        if not low < middle < high:
            return middle
        low, high = (middle, high) if t_probability(middle, degrees) < probability else (low, middle)


def t_probability(t: float, degrees: int) -> float:
    """The probability that Student's t with `degrees` of freedom falls below `t`."""
    # Of the two sides of the same identity, the one whose argument is not near 1 keeps its digits.
    if t * t < degrees:
        return 0.5 + math.copysign(_incomplete_beta(t * t / (degrees + t * t), 0.5, degrees / 2) / 2, t)
    tail = _incomplete_beta(degrees / (degrees + t * t), degrees / 2, 0.5) / 2
    return 1 - tail if t > 0 else tail


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by Lentz's continued fraction (Numerical Recipes, section 6.4)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    factor = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, 1000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            fraction *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return factor * fraction / a


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
