"""Significance: exact tests on few seeds and on one test set."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cnnjobs.report.results.statistics import Summary, t_quantile

_MOST_EXACT: Final = 20
_DRAWS: Final = 100_000
_MOST_SEEDS: Final = 1000
# Sums of the same numbers in another order differ in their last digits.
_TIE: Final = 1e-12


def wilson_interval(right: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of a share of `n` images (Wilson 1927, https://doi.org/10.2307/2276774)."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, spread = right / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p of the mean of paired differences: how many flips of their signs give as large a mean (Fisher 1935).

    Exact up to 20 differences, drawn with a fixed seed above. With 3 pairs it is never below 0.25, with 5 never below
    0.0625. NaN without differences.
    """
    values = np.abs(np.asarray(differences, dtype=float))
    n = len(values)
    if not n:
        return math.nan
    seen = abs(math.fsum(differences)) - _TIE * float(values.sum())
    if n > _MOST_EXACT:
        signs = np.random.default_rng(0).choice((-1.0, 1.0), size=(_DRAWS, n))
        return (1 + int((np.abs(signs @ values) >= seen).sum())) / (1 + _DRAWS)
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate((sums + value, sums - value))
    return float((np.abs(sums) >= seen).mean())


@dataclass(frozen=True)
class McNemar:
    """Two networks on the same images: how many each alone tells right, and the exact two-sided p of that."""

    only_before: int
    only_after: int
    p: float


def mcnemar(before_right: NDArray[np.bool_], after_right: NDArray[np.bool_]) -> McNemar:
    """The exact test on the images (N,) that one network tells right and the other wrong (McNemar 1947).

    https://doi.org/10.1007/BF02295996
    """
    only_before = int((before_right & ~after_right).sum())
    only_after = int((after_right & ~before_right).sum())
    n, fewer = only_before + only_after, min(only_before, only_after)
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    # Whole numbers divided once: exact however many images there are.
    return McNemar(only_before, only_after, min(1.0, tail / (1 << n) * 2) if n else 1.0)


def seeds_needed(change: Summary) -> int | None:
    """About how many seeds would tell a change of this mean and spread from nothing; None when not even 1,000."""
    if change.n < 2 or not change.mean:
        return None
    if not change.sd:
        return change.n

    def tells(n: int) -> bool:
        return t_quantile(0.975, n - 1) * change.sd / math.sqrt(n) < abs(change.mean)

    found = bisect.bisect_left(range(_MOST_SEEDS + 1), True, lo=change.n, key=tells)
    return found if found <= _MOST_SEEDS else None
