from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnjobs.report.analysis.significance import mcnemar, seeds_needed, sign_flip_p, wilson_interval
from cnnjobs.report.results.statistics import summarise

stats = pytest.importorskip("scipy.stats", reason="scipy is the oracle here")


@settings(deadline=None)
@given(st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_equals_scipy(counts: tuple[int, int], confidence: float) -> None:
    right, n = counts
    expected = stats.binomtest(right, n).proportion_ci(confidence, method="wilson")
    assert wilson_interval(right, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-1000, 1000).map(lambda value: value / 8), min_size=1, max_size=9))
def test_sign_flips_equal_brute_force(differences: list[float]) -> None:
    seen = abs(sum(differences))
    flips = itertools.product((-1, 1), repeat=len(differences))
    sums = [abs(sum(sign * each for sign, each in zip(signs, differences, strict=True))) for signs in flips]
    assert sign_flip_p(differences) == sum(each >= seen for each in sums) / len(sums)


@pytest.mark.parametrize(("n", "smallest"), [(3, 0.25), (5, 0.0625), (6, 0.03125)])
def test_few_seeds_cannot_show_much(n: int, smallest: float) -> None:
    assert sign_flip_p([0.1] * n) == smallest


def test_many_differences_are_drawn_with_a_fixed_seed() -> None:
    differences = np.random.default_rng(1).normal(0.3, 1, 40).tolist()
    expected = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=50_000)
    assert sign_flip_p(differences) == sign_flip_p(differences) == pytest.approx(expected.pvalue, abs=0.01)


def test_no_difference_has_no_p() -> None:
    assert math.isnan(sign_flip_p([]))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=300))
def test_mcnemar_equals_the_binomial_test(pairs: list[tuple[bool, bool]]) -> None:
    before, after = (np.array(column) for column in zip(*pairs, strict=True))
    found = mcnemar(before, after)
    n = found.only_before + found.only_after
    assert (found.only_before, found.only_after) == (pairs.count((True, False)), pairs.count((False, True)))
    assert found.p == pytest.approx(stats.binomtest(found.only_before, n).pvalue if n else 1.0, rel=1e-9)


def test_mcnemar_holds_for_whole_test_sets() -> None:
    before, after = np.arange(10_000) % 4 != 0, np.arange(10_000) % 5 != 0
    found = mcnemar(before, after)
    n = found.only_before + found.only_after
    assert n > 3000
    assert found.p == pytest.approx(stats.binomtest(found.only_before, n).pvalue, rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.floats(-1, 1), st.floats(0.01, 0.5), st.integers(2, 6))
def test_seeds_needed_would_tell(mean: float, sd: float, n: int) -> None:
    values = summarise(np.linspace(mean - sd, mean + sd, n).tolist())
    needed = seeds_needed(values)
    if needed is not None and values.sd:
        half = stats.t.ppf(0.975, needed - 1) * values.sd / math.sqrt(needed)
        assert half <= abs(values.mean) * (1 + 1e-9)
        if needed > n:
            fewer = stats.t.ppf(0.975, needed - 2) * values.sd / math.sqrt(needed - 1)
            assert fewer >= abs(values.mean) * (1 - 1e-9)


def test_one_seed_cannot_tell_how_many_it_takes() -> None:
    assert seeds_needed(summarise([0.1])) is None


def test_twenty_pairs_are_counted_out_and_more_are_drawn_with_the_seen_one_among_them() -> None:
    assert sign_flip_p([1.0] * 20) == 2 / 2**20
    assert sign_flip_p([1.0] * 15 + [-1.0] * 2) == 2 * (1 + 17 + 136) / 2**17
    # None of the draws is as far out as what was seen, which counts itself: never zero.
    assert sign_flip_p([1.0] * 60) == 1 / 100_001
