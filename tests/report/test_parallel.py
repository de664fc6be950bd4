from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from cnnjobs.figures.drawing.style import svg_text
from cnnjobs.report.analysis.importance import Parameters, parameters, parameters_grid
from cnnjobs.report.plots.marginals import marginal
from cnnjobs.report.plots.parallel import parallel, parallel_lines

if TYPE_CHECKING:
    from conftest import Results

MANY = """
base: {dataset: fashion_mnist_mini, model: cnn, epochs: 1}
parameters: {lr: {min: 1e-4, max: 1.0, distribution: log_uniform_values}, model.batch_norm: {values: [false, true]}}
method: random
run_cap: 30
"""


def found_in(results: Results) -> Parameters:
    results.write_all()
    table = results.table()
    return parameters(table, table.ranked())


def lines(found: Parameters) -> list[np.ndarray]:
    """The lines of the figure, from the worst to the best."""
    (axes,) = parallel(found).axes
    drawn = [each for each in axes.collections if isinstance(each, LineCollection)]
    return [segment for each in drawn for segment in each.get_segments()]


@pytest.mark.parametrize("metric", ["validation.accuracy", "validation.loss"])
def test_every_configuration_has_a_line_and_the_best_ends_on_top(
    metric: str, make_results: Callable[..., Results]
) -> None:
    found = found_in(make_results(metric=metric, drawn=False))
    drawn = lines(found)
    assert len(drawn) == 4
    ends = [line[-1, 1] for line in drawn]
    assert ends == sorted(ends)
    assert (ends[0], ends[-1]) == pytest.approx((0, 1))
    # lr of two values, then batch normalisation, which mattered more, in front.
    assert [line[0, 1] > 0.5 for line in drawn] == [False, False, True, True]


def test_many_values_are_heights_of_their_own(make_results: Callable[..., Results]) -> None:
    found = found_in(make_results(MANY, drawn=False))
    drawn = lines(found)
    assert len(drawn) == 30
    (lr,) = (factor for factor in found.factors if factor.name == "lr")
    order = np.argsort(found.means, kind="stable")
    values = np.log(np.array(lr.levels)[lr.index][order])
    heights = np.array([line[0, 1] for line in drawn])
    assert heights == pytest.approx((values - values.min()) / np.ptp(values))
    told = json.loads(parallel_lines(found))
    assert [line["at"] for line in told["lines"]] == [pytest.approx(line[:, 1], abs=1e-4) for line in drawn]
    assert told["lines"][-1]["label"] == found.choices[int(np.argmax(found.means))].configuration.label
    assert [axis["name"] for axis in told["axes"]] == ["lr", "model.batch_norm", "validation accuracy"]
    assert [word for _, word in told["axes"][1]["marks"]] == ["false", "true"]


def test_what_a_parameter_comes_to_is_drawn_as_it_is_told(make_results: Callable[..., Results]) -> None:
    found = found_in(make_results(drawn=False))
    factor = found.factors[1]
    (axes,) = marginal(found, factor).axes
    (bars,) = axes.containers
    assert bars[0].get_ydata() == pytest.approx([level.mean for level in found.levels(factor)])
    text = svg_text(marginal(found, factor))
    assert all(word in text for word in ("model.batch_norm", "false", "true", "Validation accuracy (%)"))


def test_of_a_single_configuration_the_spread_is_that_of_its_seeds(make_results: Callable[..., Results]) -> None:
    text = "base: {dataset: fashion_mnist_mini, model: cnn, epochs: 1}\nparameters: {lr: {values: [0.1, 0.2]}}\n"
    found = found_in(make_results(f"{text}method: grid\nseeds: 3\n", drawn=False))
    assert [row[0] for row in parameters_grid(found).rows] == ["lr", "seeds"]
    assert found.levels(found.factors[0]) == [choice.summary for choice in found.choices]
