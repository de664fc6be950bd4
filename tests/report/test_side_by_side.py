from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cnnjobs.report.build import build_report
from cnnjobs.report.sections.side_by_side import side_by_side
from cnnjobs.report.text.blocks import Details, Table

if TYPE_CHECKING:
    from conftest import Results

ONE = "name: one\nbase: {dataset: fashion_mnist_mini, model: cnn, epochs: 1}\nmethod: grid\nseeds: 2\n"
ONE += "parameters: {model.batch_norm: {values: [false, true]}}\n"
TWO = "name: two\nbase: {dataset: mnist, model: lenet5, epochs: 1}\n"
THREE = "name: three\nbase: {dataset: mnist, model: cnn, epochs: 1}\n"


def test_the_best_of_each_sweep_stands_in_one_table(make_results: Callable[..., Results]) -> None:
    one, two, three = (make_results(text) for text in (ONE, TWO, THREE))
    for run in one.sweep.runs:
        accuracy = 0.5 + 0.2 * bool(run.config.model.options.get("batch_norm")) + 0.01 * run.config.seed
        one.write(run, metrics={"validation.accuracy": accuracy, "test.accuracy": accuracy - 0.1})
    two.write(two.sweep.runs[0], metrics={"validation.accuracy": 0.9, "test.accuracy": 0.8})
    _, best, differ, every = side_by_side([each.table() for each in (one, two, three)])
    assert isinstance(best, Table)
    assert [row[:4] for row in best.grid.rows] == [
        ("one", "batch_norm=true", "fashion_mnist_mini", "2 seeds"),
        ("two", "lenet5", "mnist", "1 seed"),
        ("three", "no run has finished yet", "", ""),
    ]
    assert dict(zip(best.grid.columns, best.grid.rows[0], strict=True))["test accuracy"] == "60.50 ± 0.71 %"
    assert dict(zip(best.grid.columns, best.grid.rows[1], strict=True))["validation accuracy"] == "90.00 %"
    assert "fashion_mnist_mini and mnist" in str(differ)
    assert isinstance(every, Details)
    assert every.title == "Every configuration of all sweeps (3)"


def test_it_comes_first_in_every_format_and_has_files(make_results: Callable[..., Results]) -> None:
    made = [make_results(text, drawn=False) for text in (ONE, TWO)]
    for each in made:
        each.write_all()
    built = build_report(*(each.table() for each in made), formats=["html", "md"])
    for page in built.pages.values():
        text = page.read_text(encoding="utf-8")
        assert text.index("The best of each sweep") < text.index("Results of every configuration")
    assert (built.folder / "tables" / "sweeps.csv").is_file()
    assert "tables/sweeps.csv" in (built.folder / "manifest.json").read_text()


def test_one_sweep_has_no_such_table(make_results: Callable[..., Results]) -> None:
    two = make_results(TWO, drawn=False)
    two.write_all()
    built = build_report(two.table(), formats=["md"])
    assert "best of each sweep" not in built.page.read_text(encoding="utf-8")
