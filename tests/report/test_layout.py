"""Parts that would be hidden, cut or overprinted on a narrow page."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cnnjobs.figures.methods.calibration import calibration
from cnnjobs.figures.methods.score_charts import reliability_chart
from cnnjobs.report.build import build_report
from cnnjobs.report.pages.pdf import source
from cnnjobs.report.plots import curves
from cnnjobs.report.results.files import Grid
from cnnjobs.report.text.blocks import Chapter, Report, Section, Table

if TYPE_CHECKING:
    from conftest import Results
    from matplotlib.figure import Figure

ONE_SEED = """
name: one seed
base: {dataset: fashion_mnist_mini, model: cnn, epochs: 2}
parameters: {model.batch_norm: {values: [false, true]}}
method: grid
compare: [{title: Batch normalisation, before: {model.batch_norm: false}, after: {model.batch_norm: true}}]
"""


def test_every_cell_of_a_broad_table_says_its_name(results: Results) -> None:
    results.write_all()
    text = build_report(results.table(), formats=["html"]).page.read_text(encoding="utf-8")
    table = text[text.index("Results of every configuration") - 400 : text.index("Every run (")]
    assert 'class="sortable broad"' in table
    row = table[table.index('<tr class="marked">') : table.index("</tr>", table.index('<tr class="marked">'))]
    assert re.findall('data-name="([^"]*)"', row)[-1] == "test accuracy"
    assert row.count("<td") == row.count("data-name")
    assert not Grid(("key", "value"), (("epochs", "8"),)).is_broad


def test_no_word_of_the_pdf_is_longer_than_its_column() -> None:
    columns = ("model.depth", "model.width", "augmentation", *(f"metric {n}" for n in range(14)))
    grid = Grid(columns, (("16", "2", "x" * 40, *["0.1234 ± 0.0021"] * 14),), labels=3)
    text = source(Report("r", (Chapter("c", "", "", (), (Section("s", (Table(grid, "t"),)),)),)))
    shares = [float(share) for share in re.findall(r"([\d.]+)fr", text)]
    size = float(re.search(r"size: ([\d.]+)pt", text)[1])  # type: ignore[index]
    header = re.findall(r'\[#"([^"]*)";\]', re.search("header: (.*)", text)[1])  # type: ignore[index]
    # 120 letters of 9 points fill the page.
    room = [share / sum(shares) * 120 * 9 / size for share in shares]
    assert len(header) == len(room) == len(columns)
    for name, letters in zip(header, room, strict=True):
        assert max(map(len, re.split("[\u200b ]", name))) * 1.1 <= letters
    assert [name.replace("\u200b", "") for name in header] == [*columns]


def test_headings_of_many_runs_break_between_words_alone() -> None:
    columns = ("batch_size", "run", "state", "seed", "epochs", "best epoch", "train accuracy", "validation loss")
    columns += ("validation accuracy", "test loss", "test accuracy", "training time")
    row = ("16", "lenet5-fashion_mnist_mini-sgd-lr0.05-s0-11c96f9e", "finished", "0", "3 of 3", "3", "49.00 %")
    grid = Grid(columns, ((*row, "1.4233", "48.83 %", "1.4882", "46.40 %", "3 s"),), labels=3)
    text = source(Report("r", (Chapter("c", "", "", (), (Section("s", (Table(grid, "t"),)),)),)))
    header = re.findall(r'\[#"([^"]*)";\]', re.search("header: (.*)", text)[1])  # type: ignore[index]
    assert header == [*columns]


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_spread_over_seeds_is_told_where_there_are_several(make_results: Callable[..., Results], seeds: int) -> None:
    results = make_results(ONE_SEED + f"seeds: {seeds}\n")
    results.write_all()
    table = results.table()
    series = [(each.label, table.validation_curves(each.runs)) for each in table.configurations]
    title = curves.overview(series, "loss").axes[0].get_title("left")
    assert ("over seeds" in title) == (seeds > 1)
    text = build_report(table, formats=["md"]).page.read_text(encoding="utf-8")
    assert ("standard deviation over the seeds" in text) == (seeds > 1)
    assert ("Lines are means over seeds" in text) == (seeds > 1)
    assert ("differences are means over seeds" in text) is False


def test_the_title_of_a_comparison_stands_over_it_once(make_results: Callable[..., Results]) -> None:
    results = make_results(ONE_SEED + "seeds: 2\nreport: {figures: [compare]}\n")
    results.write_all()
    text = build_report(results.table(), formats=["md"]).page.read_text(encoding="utf-8")
    own = text[: text.index("The sweep file")]
    assert [line for line in own.splitlines() if "Batch normalisation" in line] == ["### Batch normalisation"]


def hides(figure: Figure) -> list[str]:
    """Legends that lie over an axes."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = [axes.get_window_extent() for axes in figure.axes]
    assert not [axes for axes in figure.axes if axes.get_legend()]
    within = figure.bbox
    found = [legend.get_window_extent() for legend in figure.legends]
    assert found
    assert all(within.x0 <= box.x0 and box.x1 <= within.x1 and within.y0 <= box.y0 for box in found)
    return [str(box) for box in found for other in boxes if box.overlaps(other)]


def test_no_legend_lies_over_a_curve_or_beyond_the_figure(results: Results) -> None:
    results.write_all()
    table = results.table()
    pair = table.sweep.pairs[0]
    before, after = (table.curves(side) for side in (pair.before, pair.after))
    for quantity in ("loss", "accuracy"):
        assert hides(curves.before_after("Title", before, after, quantity)) == []  # type: ignore[arg-type]
        assert hides(curves.training_curves("Title", before, quantity)) == []  # type: ignore[arg-type]
        assert hides(curves.training_curves("Title", before[:1], quantity)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("with_temperature", [False, True])
def test_the_legend_of_a_calibration_lies_beside_it(with_temperature: bool) -> None:
    confidence = np.linspace(0.1, 1, 200)
    found = calibration(confidence, confidence > 0.2)
    assert hides(reliability_chart(found, found if with_temperature else None, "Title", "test")) == []
