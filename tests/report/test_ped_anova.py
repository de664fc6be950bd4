from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnjobs.report.analysis.ped_anova import FEWEST, Column, ped_anova


def search(n: int, seed: int) -> list[Column]:
    """A random search of two numbers and a choice of three."""
    draws = np.random.default_rng(seed)
    return [draws.random(n), draws.random(n), draws.integers(0, 3, n)]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 2))
def test_what_decides_is_what_matters(seed: int, decides: int) -> None:
    columns = search(200, seed)
    values = columns[decides].astype(float)
    means = -((values - 0.3) ** 2) + 0.001 * np.random.default_rng(seed + 1).random(200)
    shares = ped_anova(columns, means, higher_is_better=True)
    assert shares is not None
    assert sum(shares) == pytest.approx(1)
    assert max(shares) == shares[decides] > 0.6
    assert ped_anova(columns, -means, higher_is_better=False) == shares


def test_of_values_without_an_order_it_is_the_divergence_of_their_counts() -> None:
    """By hand: 50 configurations with 25 of each value, the best 5 all of the first, 3 of them the other's first."""
    choice, other = np.repeat([0, 1], 25), np.tile([0, 1], 25)
    means = np.where(choice == 0, 1.0, 0.0) - 0.01 * np.arange(50)
    one = (5.5 / 6 / 0.5 - 1) ** 2
    two = sum(0.5 * (count / 6 / 0.5 - 1) ** 2 for count in (3.5, 2.5))
    assert ped_anova([choice, other], means, higher_is_better=True) == pytest.approx(
        [one / (one + two), two / (one + two)]
    )


def test_few_configurations_or_equal_values_tell_nothing() -> None:
    columns = search(FEWEST - 1, 0)
    assert ped_anova(columns, np.arange(FEWEST - 1.0), higher_is_better=True) is None
    assert ped_anova([np.zeros(30, np.int64)], np.arange(30.0), higher_is_better=True) is None
