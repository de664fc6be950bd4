"""Every distribution agrees with scipy's, and with the rules of W&B's format."""

from __future__ import annotations

import json
import math
from importlib.resources import files
from random import Random
from typing import Any

import pytest
from scipy import stats

from cnnjobs import registry
from cnnjobs.sweep.space.distributions import Distribution

DRAWS = 2000

CONTINUOUS: dict[str, tuple[dict[str, Any], Any]] = {
    "uniform": ({"min": -1.0, "max": 3.0}, stats.uniform(-1, 4)),
    "log_uniform": ({"min": -6.0, "max": 2.0}, stats.loguniform(math.exp(-6), math.exp(2))),
    "log_uniform_values": ({"min": 1e-5, "max": 0.1}, stats.loguniform(1e-5, 0.1)),
    "inv_log_uniform": ({"min": 1.0, "max": 4.0}, stats.loguniform(math.exp(-4), math.exp(-1))),
    "inv_log_uniform_values": ({"min": 0.01, "max": 5.0}, stats.loguniform(0.01, 5)),
    "normal": ({"mu": 2.0, "sigma": 3.0}, stats.norm(2, 3)),
    "log_normal": ({"mu": 0.5, "sigma": 0.75}, stats.lognorm(0.75, scale=math.exp(0.5))),
    "beta": ({"a": 2.0, "b": 5.0}, stats.beta(2, 5)),
}
ROUNDED: dict[str, tuple[dict[str, Any], Any]] = {
    "q_uniform": ({"min": 0.0, "max": 10.0, "q": 0.5}, stats.uniform(0, 10)),
    "q_log_uniform": ({"min": 1.0, "max": 4.0, "q": 2}, stats.loguniform(math.e, math.exp(4))),
    "q_log_uniform_values": ({"min": 1.0, "max": 64.0, "q": 4}, stats.loguniform(1, 64)),
    "q_normal": ({"mu": 1.0, "sigma": 4.0, "q": 1}, stats.norm(1, 4)),
    "q_log_normal": ({"mu": 1.0, "sigma": 0.5, "q": 0.25}, stats.lognorm(0.5, scale=math.e)),
    "q_beta": ({"a": 2.0, "b": 3.0, "q": 0.1}, stats.beta(2, 3)),
}
DISCRETE = {"constant", "categorical", "categorical_w_probabilities", "int_uniform"}


def build(name: str, **options: Any) -> Distribution:
    built: Distribution = registry.find("distribution", name).build(given={}, options=options)
    return built


def draws(distribution: Distribution, count: int = DRAWS) -> list[Any]:
    random = Random(3)
    return [distribution.draw(random) for _ in range(count)]


def test_every_distribution_of_wandb_is_there_and_tested() -> None:
    schema = json.loads((files("sweeps") / "config" / "schema.json").read_text(encoding="utf-8"))
    theirs = {
        name
        for form in schema["definitions"].values()
        for member in form.get("anyOf", [form])
        for name in member.get("properties", {}).get("distribution", {}).get("enum", [])
    }
    assert theirs <= set(registry.components("distribution")) == {*CONTINUOUS, *ROUNDED, *DISCRETE}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_draws_agree_with_scipy(name: str) -> None:
    options, expected = CONTINUOUS[name]
    distribution = build(name, **options)
    assert stats.kstest(draws(distribution), expected.cdf).pvalue > 0.01
    assert distribution.points is None


@pytest.mark.parametrize("name", CONTINUOUS)
def test_the_comparison_with_scipy_sees_a_wrong_distribution(name: str) -> None:
    options, expected = CONTINUOUS[name]
    assert stats.kstest([1.5 * value for value in draws(build(name, **options))], expected.cdf).pvalue < 0.01


@pytest.mark.parametrize("name", ROUNDED)
def test_rounded_draws_are_multiples_with_scipys_frequencies(name: str) -> None:
    options, expected = ROUNDED[name]
    q = options["q"]
    values = draws(build(name, **options))
    assert all(math.isclose(value / q, round(value / q), abs_tol=1e-9) for value in values)
    assert {type(value) for value in values} == {type(q)}
    cells = sorted(set(values))
    observed = [values.count(cell) for cell in cells]
    probability = [expected.cdf(cell + q / 2) - expected.cdf(cell - q / 2) for cell in cells]
    often = [number for number, share in enumerate(probability) if share * DRAWS >= 8]
    theirs = [probability[number] for number in often]
    ours = [observed[number] for number in often]
    scale = sum(ours) / sum(theirs)
    assert stats.chisquare(ours, [share * scale for share in theirs]).pvalue > 0.01


def test_whole_numbers_are_equally_likely_with_both_ends() -> None:
    values = draws(build("int_uniform", min=-2, max=3))
    assert sorted(set(values)) == [-2, -1, 0, 1, 2, 3]
    assert stats.chisquare([values.count(value) for value in range(-2, 4)]).pvalue > 0.01
    assert list(build("int_uniform", min=-2, max=3).points or ()) == [-2, -1, 0, 1, 2, 3]


def test_categories_come_with_their_probabilities() -> None:
    values = draws(build("categorical_w_probabilities", values=["a", "b", "c"], probabilities=[0.7, 0.3, 0.0]))
    assert stats.chisquare([values.count("a"), values.count("b")], [0.7 * DRAWS, 0.3 * DRAWS]).pvalue > 0.01
    assert "c" not in values
    even = draws(build("categorical", values=["a", "b"]))
    assert stats.chisquare([even.count("a"), even.count("b")]).pvalue > 0.01
    assert draws(build("constant", value=[1]), 2) == [[1], [1]]


@pytest.mark.parametrize(
    ("options", "points"),
    [
        ({"min": 0, "max": 1, "q": 0.1}, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]),
        ({"min": 8, "max": 32, "q": 8}, [8, 16, 24]),
        ({"min": 8, "max": 33, "q": 8}, [8, 16, 24, 32]),
        ({"min": 0.5, "max": 3}, [0.5, 1.5, 2.5]),
    ],
)
def test_a_grid_over_q_uniform_stops_before_max(options: dict[str, Any], points: list[float]) -> None:
    assert build("q_uniform", **options).points == points


def test_ranges_too_fine_for_a_grid_have_no_points() -> None:
    fine = build("q_uniform", min=0, max=1, q=1e-9)
    assert fine.points is None
    assert fine.why_no_grid == "has 1,000,000,000 values"


@pytest.mark.parametrize("name", ["log_uniform", "inv_log_uniform", "q_log_uniform"])
def test_exponents_that_look_like_values_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"exponents of e: 0.001 and 0.1 .* did you mean `{name}_values`\?$"):
        build(name, min=0.001, max=0.1)
    build(name, min=-7, max=-2)
    build(name, min=0, max=1)


@pytest.mark.parametrize("name", [name for name in (*CONTINUOUS, *ROUNDED, "int_uniform") if "uniform" in name])
def test_an_empty_range_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^min 3 is above max 2; swap them$"):
        build(name, min=3, max=2)
    with pytest.raises(ValueError, match=r"^min and max are both 3; for one value write value: 3$"):
        build(name, min=3, max=3)
