from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from cnnjobs.report.analysis.rates import changing_rates
from cnnjobs.report.plots import curves

if TYPE_CHECKING:
    from conftest import Results

TEXT = """
base: {dataset: fashion_mnist_mini, model: cnn, epochs: 4}
parameters: {model.dropout: {values: [0.0, 0.1]}, schedule: {values: [constant, cosine]}}
method: grid
"""


def test_every_rate_that_changes_is_drawn_once(make_results: Callable[..., Results]) -> None:
    results = make_results(TEXT)
    for number, run in enumerate(results.sweep.runs):
        results.write(run, epochs=4 - number % 3)
        file = results.store.run(run.run_id).metrics_file
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        if run.config.schedule.name == "cosine":
            lines = [{**line, "lr": 0.1 / line["epoch"]} for line in lines]
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    table = results.table()
    ((label, points),) = changing_rates(table, table.configurations)
    assert label == "cosine, lr 0.05: 2 configurations"
    assert (len(points), points[0], points[-1]) == (8, (0.5, 0.2), (4.0, 0.025))
    (line, *_) = curves.rates([(label, points)]).axes[0].lines
    assert [*zip(*line.get_data(), strict=True)] == [*points]
