"""Importance in a random search: where the values of the best configurations lie, against those of all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64] | NDArray[np.int64]
"""A parameter's value in each configuration: places in [0, 1], or whole numbers for values without an order."""

FEWEST: Final = 50
_BEST: Final = 0.1
_FEWEST_BEST: Final = 5
_POINTS: Final = 50


def ped_anova(columns: Sequence[Column], means: NDArray[np.float64], *, higher_is_better: bool) -> list[float] | None:
    """The importance of each column for being among the best tenth; together 1. None with few configurations.

    Watanabe et al. 2023, https://arxiv.org/abs/2304.10255: Pearson's divergence of two densities, that of the best
    configurations and that of all.
    """
    if len(means) < FEWEST:
        return None
    order = np.argsort(-means if higher_is_better else means, kind="stable")
    best = order[: max(_FEWEST_BEST, math.ceil(_BEST * len(means)))]
    found = []
    for column in columns:
        of_all, of_best = _density(column, column), _density(column[best], column)
        found.append(float((of_all * (of_best / of_all - 1) ** 2).sum()))
    total = sum(found)
    return [each / total for each in found] if total > 0 else None


def _density(values: Column, every: Column) -> NDArray[np.float64]:
    """Density of each value, or of some points between the ends; one more value, anywhere, keeps it above 0."""
    n = len(values)
    if np.issubdtype(every.dtype, np.integer):
        levels = int(every.max()) + 1
        counts = np.bincount(values.astype(np.int64), minlength=levels)
        return np.asarray((counts + 1 / levels) / (n + 1), dtype=np.float64)
    points = np.linspace(0, 1, _POINTS)
    low, high = np.quantile(values, (0.25, 0.75))
    # Scott's rule, as in https://doi.org/10.1002/9780470316849; never finer than the points.
    width = max(1.06 * min(float(values.std()), float(high - low) / 1.34) * n**-0.2, 1 / (_POINTS - 1))
    kernels = np.exp(-0.5 * ((points - values[:, None]) / width) ** 2)
    kernels /= kernels.sum(axis=1, keepdims=True)
    return np.asarray((kernels.sum(axis=0) + 1 / _POINTS) / (n + 1), dtype=np.float64)
