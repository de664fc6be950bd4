from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from cnnjobs.report.analysis.factorial import effects, effects_grid
from cnnjobs.report.analysis.importance import parameters
from cnnjobs.report.plots.throughput import speeds, throughput

if TYPE_CHECKING:
    from conftest import Results

TWO_BY_TWO = """
name: two by two
base: {dataset: fashion_mnist_mini, model: cnn, epochs: 1}
parameters: {model.batch_norm: {values: [false, true]}, lr: {values: [0.1, 0.2]}}
method: grid
seeds: 3
"""


def written(results: Results, finished: int = 12) -> None:
    for run in results.sweep.runs[:finished]:
        norm, fast = bool(run.config.model.options.get("batch_norm")), run.config.lr == 0.2
        # The seed lifts all alike; the interaction differs from seed to seed.
        value = (
            0.5 + 0.1 * run.config.seed + 0.1 * norm - 0.02 * fast + (0.04 + 0.01 * run.config.seed) * (norm and fast)
        )
        results.write(run, metrics={"validation.accuracy": value, "test.accuracy": value})


def test_effects_of_a_two_by_two_design(make_results: Callable[..., Results]) -> None:
    results = make_results(TWO_BY_TWO, drawn=False)
    written(results)
    table = results.table()
    found = {frozenset(effect.names): effect.change for effect in effects(table, parameters(table, table.ranked()))}
    # By hand: batch norm 0.1 + half of 0.04, 0.05, 0.06; lr −0.02 + the same half; interaction that half.
    halves = (0.02, 0.025, 0.03)
    for names, plus in ((("model.batch_norm",), 0.1), (("lr",), -0.02), (("model.batch_norm", "lr"), 0.0)):
        change = found[frozenset(names)]
        assert change.mean == pytest.approx(plus + 0.025)
        # t(0.975, 2) = 4.3027, sd 0.005 over three seeds.
        assert (change.high - change.low) / 2 == pytest.approx(4.302653 * 0.005 / 3**0.5, rel=1e-6)
    assert sum(halves) / 3 == pytest.approx(0.025)
    rows = {
        row[0]: row[1:]
        for row in effects_grid(effects(table, parameters(table, table.ranked())), "validation.accuracy").rows
    }
    assert rows["model.batch_norm"] == (
        "false → true", "+12.50 points", "+11.26 to +13.74 points", "3", "differs from zero",
    )  # fmt: skip
    assert rows["lr"][:3] == ("0.1 → 0.2", "+0.50 points", "−0.74 to +1.74 points")
    assert rows["lr"][-1] == "no clear effect"
    ((name, interaction),) = ((name, row) for name, row in rows.items() if "×" in name)
    assert set(name.split(" × ")) == {"model.batch_norm", "lr"}
    assert interaction[:2] == ("interaction", "+2.50 points")


def test_no_effects_where_the_design_has_a_hole_or_more_values(make_results: Callable[..., Results]) -> None:
    results = make_results(TWO_BY_TWO, drawn=False)
    written(results, finished=9)
    table = results.table()
    assert effects(table, parameters(table, table.ranked())) == []
    three = make_results(TWO_BY_TWO.replace("[0.1, 0.2]", "[0.1, 0.2, 0.3]"), drawn=False)
    written(three, finished=18)
    table = three.table()
    assert effects(table, parameters(table, table.ranked())) == []


def test_images_per_second_over_the_batch_size(make_results: Callable[..., Results]) -> None:
    results = make_results("name: b\nbase: {dataset: fashion_mnist_mini, model: cnn, epochs: 1}\nmethod: grid\n"
                           "parameters: {batch_size: {values: [16, 64, 256]}}\n", drawn=False)  # fmt: skip
    results.write_all()
    ((name, points),) = speeds(results.table()).items()
    assert name.startswith("cnn")
    assert points == [(16, 540.0), (64, 540.0), (256, 540.0)]
    axes = throughput([(name, points)]).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["16", "64", "256"]
    alone = make_results("name: c\nbase: {dataset: fashion_mnist_mini, model: cnn, epochs: 1}\n", drawn=False)
    alone.write_all()
    assert speeds(alone.table()) == {}
