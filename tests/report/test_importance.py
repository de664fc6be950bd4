from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnjobs.disk.run_folder import RunState
from cnnjobs.report.analysis.importance import Factor, explained, parameters, parameters_grid

if TYPE_CHECKING:
    from conftest import Results


def grid(*levels: int) -> list[Factor]:
    """The factors of a full grid."""
    cells = list(itertools.product(*map(range, levels)))
    return [
        Factor(f"f{number}", tuple(range(count)), np.array([cell[number] for cell in cells]))
        for number, count in enumerate(levels)
    ]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(2, 4), min_size=1, max_size=3), st.integers(1, 4), st.integers(0, 10**6))
def test_shares_equal_brute_force(levels: list[int], num_seeds: int, seed: int) -> None:
    factors = grid(*levels)
    values = np.random.default_rng(seed).normal(0.8, 0.1, (len(factors[0].index), num_seeds))
    shares, _ = explained(factors, values)
    if num_seeds == 1 and len(levels) == 1:
        assert shares is None
        return
    assert shares is not None
    runs = [(cell, value) for cell, own in enumerate(values.tolist()) for value in own]
    mean = sum(value for _, value in runs) / len(runs)
    total = sum((value - mean) ** 2 for _, value in runs)
    for factor, share in zip(factors, shares.factors, strict=True):
        explains = 0.0
        for level in range(len(factor.levels)):
            own = [value for cell, value in runs if factor.index[cell] == level]
            explains += len(own) * (sum(own) / len(own) - mean) ** 2
        assert share == pytest.approx(explains / total, abs=1e-9)
    within = sum((value - float(values[cell].mean())) ** 2 for cell, value in runs) / total
    assert (shares.noise or 0.0) == pytest.approx(within, abs=1e-9)
    assert sum(shares.factors) + shares.interactions + (shares.noise or 0.0) == pytest.approx(1, abs=1e-9)


def test_what_adds_up_has_no_interactions_and_what_is_multiplied_has_nothing_else() -> None:
    factors = grid(2, 2)
    added, _ = explained(factors, np.array([[0.0], [1.0], [2.0], [3.0]]))
    assert added is not None
    assert added.factors == pytest.approx((0.8, 0.2))
    assert added.interactions == pytest.approx(0, abs=1e-12)
    multiplied, _ = explained(factors, np.array([[1.0], [-1.0], [-1.0], [1.0]]))
    assert multiplied is not None
    assert multiplied.interactions == pytest.approx(1)


def test_without_a_full_grid_or_a_difference_there_are_no_shares() -> None:
    factors = grid(2, 3)
    part = [Factor(each.name, each.levels, each.index[:-1]) for each in factors]
    assert explained(part, np.zeros((5, 2))) == (None, "not every value was combined with every other")
    assert explained(factors, np.full((6, 2), 0.1)) == (None, "all results are the same")


def test_a_sweep_tells_its_parameters(make_results: Callable[..., Results]) -> None:
    results = make_results(drawn=False)
    results.write_all()
    table = results.table()
    found = parameters(table, table.ranked())
    assert found.shares is not None
    # Made up so: batch normalisation is worth 4 points, the rate of learning 2.
    assert [found.factors[number].name for number in found.order] == ["model.batch_norm", "lr"]
    rows = parameters_grid(found).rows
    assert [row[0] for row in rows] == ["model.batch_norm", "lr", "interactions", "seeds"]
    assert rows[0][3].startswith("true: 8")
    assert [factor.levels for factor in found.factors] == [(0.01, 0.1), (False, True)]


def test_a_seed_that_has_not_finished_everywhere_does_not_count(make_results: Callable[..., Results]) -> None:
    results = make_results(drawn=False)
    results.write_all()
    table = results.table()
    two_seeds = parameters(table, table.ranked()).shares
    lost = next(run for run in results.sweep.runs if run.config.seed == 2)
    results.write(lost, RunState.FAILED, cause="diverged")
    table = results.table()
    assert parameters(table, table.ranked()).shares not in (None, two_seeds)
    for run in results.sweep.runs[:3]:
        results.write(run, RunState.FAILED, cause="diverged")
    table = results.table()
    found = parameters(table, table.ranked())
    assert (found.shares, found.why_no_shares) == (None, "not every configuration has finished")
    assert parameters_grid(found).columns[2] == "rank correlation"


TIED = """
base: {dataset: fashion_mnist_mini, epochs: 1}
parameters: {model: {values: [cnn, lenet5]}, lr: {values: [0.1, 0.01, 0.001]}, batch_size: {values: [32, 64, 128]}}
zip: [[lr, batch_size]]
method: grid
seeds: 2
"""
NAMED = """
base: {dataset: fashion_mnist_mini, model: cnn, epochs: 1}
variants: {small: {model.batch_norm: true, lr: 0.1}, large: {model.batch_norm: false, lr: 0.2}, other: {lr: 0.3}}
"""
DRAWN = """
base: {dataset: fashion_mnist_mini, model: cnn, epochs: 1}
parameters: {lr: {min: 1e-4, max: 1.0, distribution: log_uniform_values}, model.batch_norm: {values: [false, true]}}
method: random
run_cap: 6
"""


@pytest.mark.parametrize(
    ("text", "names", "full"),
    [
        (TIED, ["batch_size / lr", "model"], True),
        (NAMED, ["variant"], False),
        (DRAWN, ["lr", "model.batch_norm"], False),
    ],
)
def test_what_changes_together_is_one_parameter(
    text: str, names: list[str], full: bool, make_results: Callable[..., Results]
) -> None:
    results = make_results(text, drawn=False)
    results.write_all()
    table = results.table()
    found = parameters(table, table.ranked())
    assert sorted(factor.name for factor in found.factors) == names
    assert (found.shares is not None) == full


def test_a_random_search_has_importances(make_results: Callable[..., Results]) -> None:
    results = make_results(
        "base: {dataset: fashion_mnist_mini, model: cnn, epochs: 1}\nmethod: random\nrun_cap: 60\nparameters:\n"
        "  lr: {min: 1e-4, max: 1.0, distribution: log_uniform_values}\n  model.dropout: {min: 0.0, max: 0.5}\n"
    )
    for run in results.sweep.runs:
        accuracy = 0.9 - 0.1 * abs(math.log10(run.config.lr) + 2)
        results.write(run, epochs=0.5, metrics={"validation.accuracy": accuracy})
    table = results.table()
    found = parameters(table, table.ranked())
    assert found.weights is not None
    grid = parameters_grid(found)
    assert grid.columns[2:4] == ("importance", "rank correlation")
    assert [row[0] for row in grid.rows] == ["lr", "model.dropout"]
    assert sum(found.weights) == pytest.approx(1)
    assert found.weights[found.order[0]] > 0.7
