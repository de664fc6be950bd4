from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_hex

from cnnjobs.disk.run_folder import RunState
from cnnjobs.figures.drawing import style
from cnnjobs.report.plots import curves
from cnnjobs.report.results.table import ResultsTable

if TYPE_CHECKING:
    from conftest import Results
    from matplotlib.figure import Figure


@pytest.fixture
def table(results: Results) -> ResultsTable:
    results.write_all()
    return ResultsTable.load(results.sweep, results.store)


def drawn(figure: Figure) -> list[tuple[str, str, int]]:
    """(colour, line, number of points) of every curve."""
    return [
        (to_hex(line.get_color()), str(line.get_linestyle()), len(line.get_xdata()))
        for line in figure.axes[0].lines
        if len(line.get_xdata())
    ]


def legend(figure: Figure) -> list[str]:
    found = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    return [text.get_text() for each in found for text in each.get_texts()]


def test_one_configuration_shows_train_validation_and_test(table: ResultsTable) -> None:
    histories = table.curves(table.configurations[0].runs)
    figure = curves.training_curves("plain", histories, "loss")
    train, validation, test = style.SPLIT_COLOURS.values()
    assert drawn(figure) == [(train, "-", 48), (validation, "--", 8), (test, "None", 3)]
    assert legend(figure) == ["train ± 1 sd", "validation ± 1 sd", "test"]
    axes = figure.axes[0]
    assert axes.get_title("left") == "plain"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Epochs", "Loss (mean per image)")
    above = axes.child_axes[0]
    assert above.get_xlabel() == "Training steps"
    assert list(axes.lines[2].get_ydata()) == [
        table.records[run.run_id].metrics["test.loss"] for run in table.configurations[0].runs
    ]


def test_before_and_after_are_four_curves_in_one_graph(table: ResultsTable) -> None:
    pair = table.sweep.pairs[0]
    figure = curves.before_after(
        "Batch norm\nfalse → true", table.curves(pair.before), table.curves(pair.after), "loss"
    )
    before, after = style.SIDE_COLOURS.values()
    assert [(colour, line) for colour, line, _ in drawn(figure)] == [
        (before, "-"), (before, "--"), (after, "-"), (after, "--"),
    ]  # fmt: skip
    assert legend(figure) == [
        "before: train ± 1 sd",
        "before: validation ± 1 sd",
        "after: train ± 1 sd",
        "after: validation ± 1 sd",
    ]
    assert figure.axes[0].get_title("left") == "Batch norm\nfalse → true"
    assert len(figure.axes) == 1


def test_the_overview_names_the_best_and_counts_the_others(table: ResultsTable) -> None:
    series = [(f"number {number}", table.curves(table.configurations[number % 4].runs)) for number in range(11)]
    figure = curves.overview(series, "accuracy")
    assert legend(figure) == [*(f"number {number}" for number in range(8)), "3 more"]
    assert len(set(drawn(figure))) == 9
    assert len(drawn(figure)) == 11


def test_seeds_that_ended_early_and_runs_that_did_not_finish_are_thin(results: Results) -> None:
    first, second, third = results.sweep.runs[:3]
    results.write(first, epochs=4)
    results.write(second, epochs=2)
    results.write(third, RunState.FAILED, epochs=3)
    table = ResultsTable.load(results.sweep, results.store)
    figure = curves.training_curves("x", table.curves([first, second, third]), "accuracy")
    widths = {line.get_linewidth() for line in figure.axes[0].lines if line.get_linestyle() != "None"}
    assert widths == {1.6, 0.8}
    assert legend(figure) == ["train ± 1 sd", "validation ± 1 sd", "test", "thin: one seed alone"]
    axes = figure.axes[0]
    thin = [line for line in axes.lines if line.get_linewidth() == 0.8]
    assert [line.get_xdata()[-1] for line in thin if line.get_linestyle() == "--"] == [4.0, 3.0]
    low, high = axes.get_ylim()
    assert all(low <= value <= high for value in thin[0].get_ydata())


def test_runs_that_are_all_unfinished_are_shown_as_such(results: Results) -> None:
    results.write(results.sweep.runs[0], RunState.RUNNING, epochs=0.5)
    table = ResultsTable.load(results.sweep, results.store)
    histories = table.curves(results.sweep.runs[:3])
    assert legend(curves.training_curves("x", histories, "loss")) == ["train, not finished", "validation, not finished"]
    assert legend(curves.overview([("x", histories)], "loss")) == ["x, not finished"]


def test_the_limits_are_those_asked_for(table: ResultsTable) -> None:
    histories = table.curves(table.configurations[0].runs)
    assert curves.training_curves("x", histories, "loss", (0.5, 2)).axes[0].get_ylim() == (0.5, 2)


def test_a_loss_that_starts_high_does_not_flatten_the_rest(results: Results) -> None:
    run = results.sweep.runs[0]
    results.write(run)
    (history,) = ResultsTable.load(results.sweep, results.store).curves([run])
    history.train.iloc[0, history.train.columns.get_loc("loss")] = 50.0
    axes = curves.training_curves("x", [history], "loss").axes[0]
    assert axes.get_ylim()[1] < 5
    assert [text.get_text() for text in axes.texts] == ["starts near 50.1"]


def test_an_accuracy_that_starts_low_does_not_flatten_the_rest(results: Results) -> None:
    run = results.sweep.runs[0]
    results.write(run)
    (history,) = ResultsTable.load(results.sweep, results.store).curves([run])
    history.train["accuracy"] = [0.1, 0.3] + [0.98] * (len(history.train) - 2)
    history.validation["accuracy"] = 0.97
    axes = curves.training_curves("x", [history], "accuracy").axes[0]
    assert axes.get_ylim()[0] > 0.6
    assert [text.get_text() for text in axes.texts] == ["starts near 10 %"]


def test_runs_with_other_batch_sizes_share_no_axis_of_steps(table: ResultsTable) -> None:
    from dataclasses import replace

    one, two = table.curves(table.configurations[0].runs)[:2]
    figure = curves.before_after("x", [one], [replace(two, steps_per_epoch=42)], "loss")
    assert not figure.axes[0].child_axes


HOSTILE = '_a <script>alert("x")</script> & $\\alpha$ %_ \x1b日本語 id="b" #0072b2'


def test_any_name_is_shown_as_it_is(table: ResultsTable) -> None:
    histories = table.curves(table.configurations[0].runs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = curves.overview([(HOSTILE, histories), ("b", histories)], "loss")
        svg = style.svg_text(figure)
        png = style.png_bytes(figure)
    assert png.startswith(b"\x89PNG")
    texts = [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text")]
    shown = " ".join(text for text in texts if text and text.strip().startswith(("_a", "%_", "日", "id")))
    inline = style.inline_svg(svg, "name", HOSTILE)
    assert '<script>alert("x")</script>' in shown
    assert "<script>" not in inline
    assert "#0072b2" in re.sub(r"<[^>]*>", "", inline)


def test_an_inline_figure_has_names_and_colours_of_its_own(table: ResultsTable) -> None:
    histories = table.curves(table.configurations[0].runs)
    svg = style.svg_text(curves.training_curves("x", histories, "loss"))
    inline = style.inline_svg(svg, "one", 'loss "over" epochs')
    assert inline.startswith('<svg role="img" aria-label="loss &quot;over&quot; epochs"')
    assert "http" not in inline
    assert set(re.findall(r'id="(\w+-)', inline)) == {"one-"}
    assert re.findall(r'(?:url\(|href=")#(?!one-)', inline) == []
    assert "var(--train)" in inline
    assert "var(--font)" in inline
    assert not set(style.COLOUR_NAMES) & set(re.findall(r"#[0-9a-f]{6}", inline))


def test_figures_are_the_same_bytes_each_time(table: ResultsTable) -> None:
    histories = table.curves(table.configurations[0].runs)
    first, second = (curves.training_curves("x", histories, "accuracy") for _ in range(2))
    assert style.svg_text(first) == style.svg_text(second)
    assert style.png_bytes(first) == style.png_bytes(second)


def test_before_and_after_differ_in_lightness_too() -> None:
    # Whoever does not see hues, and a black-and-white print, has lightness left.
    def luminance(colour: str) -> float:
        channels = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    before, after = map(luminance, style.SIDE_COLOURS.values())
    assert (max(before, after) + 0.05) / (min(before, after) + 0.05) > 2
