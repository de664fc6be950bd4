from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from cnnjobs.report.results.statistics import Summary, summarise, t_probability, t_quantile

VALUES = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12).filter(lambda values: statistics.stdev(values) > 1e-6)


@settings(deadline=None)
@given(probability=st.floats(0.001, 0.999), degrees=st.integers(1, 500))
def test_the_quantile_is_that_of_scipy(probability: float, degrees: int) -> None:
    assert t_quantile(probability, degrees) == pytest.approx(stats.t.ppf(probability, degrees), rel=1e-8, abs=1e-8)


@settings(deadline=None)
@given(t=st.floats(-50, 50), degrees=st.integers(1, 500))
@example(t=6e-8, degrees=4)
@example(t=-6e-8, degrees=4)
def test_the_probability_is_that_of_scipy(t: float, degrees: int) -> None:
    # SciPy itself is off by some 2e-9 close to 0, as the closed form below shows.
    near = 1e-13 if abs(t) > 1e-6 else 1e-8
    assert t_probability(t, degrees) == pytest.approx(stats.t.cdf(t, degrees), rel=1e-9, abs=near)


@given(t=st.floats(-50, 50))
@example(t=9.162591680787231e-09)
def test_with_one_degree_of_freedom_the_probability_is_that_of_cauchy(t: float) -> None:
    assert t_probability(t, 1) == pytest.approx(0.5 + math.atan(t) / math.pi, rel=1e-12, abs=1e-15)


@settings(deadline=None)
@given(values=VALUES)
def test_a_summary_is_that_of_scipy(values: list[float]) -> None:
    found = summarise(values)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=statistics.fmean(values), scale=stats.sem(values))
    assert (found.n, found.mean, found.sd) == (len(values), statistics.fmean(values), statistics.stdev(values))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-7, abs=1e-7)


def test_known_quantiles() -> None:
    assert t_quantile(0.975, 1) == pytest.approx(12.7062047362)
    assert t_quantile(0.975, 2) == pytest.approx(4.3026527299)
    assert t_quantile(0.025, 2) == pytest.approx(-4.3026527299)
    assert t_quantile(0.5, 7) == pytest.approx(0, abs=1e-9)


def test_one_value_has_no_spread_and_none_has_no_mean() -> None:
    one, none = summarise([0.7]), summarise([])
    assert (one.n, one.mean) == (1, 0.7)
    assert math.isnan(one.sd)
    assert math.isnan(one.low)
    assert not one.excludes_zero
    assert none.n == 0
    assert math.isnan(none.mean)


def test_an_interval_leaves_out_zero_only_when_all_of_it_is_on_one_side() -> None:
    assert summarise([1.0, 1.1, 1.2]).excludes_zero
    assert summarise([-1.0, -1.1, -1.2]).excludes_zero
    assert not summarise([-0.1, 0.2, 0.3]).excludes_zero
    assert summarise([0.5, 0.5]).excludes_zero


def test_an_interval_that_ends_at_zero_does_not_leave_it_out() -> None:
    assert not Summary(3, 0.5, 0.2, 0.0, 1.0).excludes_zero
    assert not Summary(3, -0.5, 0.2, -1.0, 0.0).excludes_zero
    assert Summary(3, 0.5, 0.2, 0.1, 0.9).excludes_zero
