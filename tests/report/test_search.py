"""The section of a search in a report, and what other tables tell of runs that were stopped early."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import spearmanr

from cnnjobs.disk.run_folder import RunState
from cnnjobs.report.analysis.best_so_far import best_so_far, expected_best
from cnnjobs.report.build import build_report
from cnnjobs.report.plots import curves
from cnnjobs.report.plots.catalogue import Drawings
from cnnjobs.report.plots.metric_curves import Series, metric_figure
from cnnjobs.report.plots.search import search_figure
from cnnjobs.report.results.table import ResultsTable
from cnnjobs.report.sections.search import _ranks, search
from cnnjobs.report.sections.tables import results_grid, runs_grid, unfinished_grid
from cnnjobs.report.text.blocks import Details, Paragraph, Pictures, Table
from cnnjobs.search.folder import SearchFolder, Stopping
from cnnjobs.search.rule import StoppingRule, judge, seen_at

if TYPE_CHECKING:
    from conftest import Results

TEXT = """
name: searched
base: {dataset: fashion_mnist_mini, model: cnn, epochs: 4, validate_every: 0.5}
parameters: {lr: {values: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]}}
method: grid
early_terminate: {type: hyperband, min_iter: 2}
"""
RULE = StoppingRule(metric="validation.accuracy", goal="maximize", min_iter=2)
# The last one is first in the order of the search.
ORDER = (7, 0, 1, 2, 3, 4, 5, 6)
FINALS = (0.81, 0.82, 0.83, 0.84, 0.85, 0.86)


def judged(results: Results, finals: Sequence[float] = FINALS) -> ResultsTable:
    """The table of a search: runs finish with these values, the others are stopped at the first band, epoch 1."""
    runs = results.sweep.runs
    for run in runs[: len(finals)]:
        results.write(run, metrics={"validation.accuracy": finals[runs.index(run)], "validation.loss": 0.5})
    for run in runs[len(finals) :]:
        early = {"validation.accuracy": 0.4, "validation.loss": 1.5}
        results.write(run, RunState.STOPPED, epochs=1, cause="stopped early at iteration 2", metrics=early)
    folder = SearchFolder(results.store)
    folder.write_stopping(Stopping(rule=RULE, blocks=(tuple((runs[index].run_id,) for index in ORDER),)))
    table = results.table()
    values = {run.run_id: RULE.reported(table.lines[run.run_id]) for run in runs}
    seen = {
        place: seen_at(RULE, 2, {runs[index].run_id: values[runs[index].run_id]}) for place, index in enumerate(ORDER)
    }
    verdict = judge(RULE, 2, 0, [], seen)
    stopped = tuple(place for place, index in enumerate(ORDER) if index >= len(finals))
    folder.write_verdict(verdict.model_copy(update={"stopped": stopped, "threshold": 0.45}))
    return table


def section(table: ResultsTable) -> tuple[dict[str, Table], str, int]:
    """Tables by their names, all words, and the number of pictures of the section."""
    blocks = [*search(table, Drawings(table, table.store.report_folder / "figures"))]
    blocks += [inner for block in blocks if isinstance(block, Details) for inner in block.blocks]
    words = " ".join(span.text for block in blocks if isinstance(block, Paragraph) for span in block.spans)
    pictures = sum(len(block.items) for block in blocks if isinstance(block, Pictures))
    return {block.name: block for block in blocks if isinstance(block, Table)}, words, pictures


@pytest.fixture
def searched(make_results: Callable[..., Results]) -> Results:
    return make_results(TEXT)


def test_bands_and_who_was_stopped_where_and_with_what(searched: Results) -> None:
    table = judged(searched)
    tables, _, _ = section(table)
    bands, stopped = tables["bands"].grid, tables["stopped"].grid
    assert bands.columns == ("iteration", "epoch", "judged", "stopped", "kept", "threshold")
    assert bands.rows == (("2", "1", "8", "2", "6", "45.00 %"),)
    there = [f"{100 * table.lines[run.run_id][1]['validation.accuracy']:.2f} %" for run in searched.sweep.runs[6:]]
    assert stopped.rows == tuple(
        (lr, "0", "2", "epoch 1", value, "45.00 %") for lr, value in zip(("0.7", "0.8"), there, strict=True)
    )


def test_other_tables_tell_where_a_run_was_stopped(searched: Results) -> None:
    table = judged(searched)
    grid = results_grid(table, table.ranked())
    assert [row[1] for row in grid.rows] == ["1 of 1"] * 6 + ["stopped at epoch 1"] * 2
    every = runs_grid(table)
    state = every.columns.index("state")
    assert [row[state] for row in every.rows] == ["finished"] * 6 + ["stopped at epoch 1"] * 2
    assert unfinished_grid(table).rows == ()
    frame = table.aggregate()
    assert list(frame["stopped"]) == [0] * 6 + [1] * 2
    assert list(frame["stopped_at"])[5:] == [None, "epoch 1", "epoch 1"]
    assert list(table.runs["epochs_done"]) == [4.0] * 6 + [1.0] * 2


def test_a_configuration_of_which_one_seed_finished_tells_both(make_results: Callable[..., Results]) -> None:
    results = make_results(TEXT + "seeds: 2\n")
    first, second = results.sweep.runs[:2]
    results.write(first)
    results.write(second, RunState.STOPPED, epochs=1.5)
    table = results.table()
    grid = results_grid(table, table.ranked())
    assert [row[1] for row in grid.rows][:2] == ["1 of 2, stopped at epoch 1.5", "0 of 2"]


def test_tables_of_a_sweep_that_stops_none_are_as_before(results: Results) -> None:
    results.write_all()
    assert not {"stopped", "stopped_at"} & {*results.table().aggregate().columns}


def test_a_warning_where_ranks_at_a_band_and_at_the_end_disagree(searched: Results) -> None:
    table = judged(searched)
    runs = searched.sweep.runs[:6]
    early = [table.lines[run.run_id][1]["validation.accuracy"] for run in runs]
    agreeing = [0.8 + 0.01 * rank for rank in np.argsort(np.argsort(early))]
    assert "rank correlation" not in section(judged(searched, agreeing))[1]
    words = section(judged(searched, agreeing[::-1]))[1]
    rho = spearmanr(early, agreeing[::-1]).statistic
    assert rho < 0.6
    assert f"values at iteration 2 and final values have a rank correlation of {rho:.2f}" in words
    assert "Of the 6 configurations" in words


def test_four_runs_are_too_few_to_warn_of_and_to_draw_random_search_from(searched: Results) -> None:
    table = judged(searched)
    early = [table.lines[run.run_id][1]["validation.accuracy"] for run in searched.sweep.runs[:4]]
    reversed_ranks = [0.9 - 0.01 * rank for rank in np.argsort(np.argsort(early))]
    for run in searched.sweep.runs:
        searched.store.run(run.run_id).record_file.unlink()
    tables, words, pictures = section(judged(searched, reversed_ranks))
    assert len(tables["stopped"].grid.rows) == 4
    assert "rank correlation" not in words
    assert "No line for random search: it takes 5 configurations that finished." in words
    assert pictures == 1


@pytest.mark.parametrize("draws", [1, 2, 4])
def test_the_expected_best_is_the_mean_over_all_draws(draws: int) -> None:
    values = [0.3, 0.1, 0.1, 0.7, -2.0]
    every = fmean(max(drawn) for drawn in product(values, repeat=draws))
    assert expected_best(values, [draws]) == [pytest.approx(every, abs=1e-12)]


def test_the_best_so_far_goes_by_index_and_counts_the_epochs_of_stopped_runs(searched: Results) -> None:
    table = judged(searched, (0.85, 0.82, 0.83, 0.86, 0.81, 0.84))
    places = SearchFolder(searched.store).read_stopping()
    assert places is not None
    course = best_so_far(table, places.places(), None, lambda _: 0)
    assert course is not None
    # One epoch of the run that comes first and was stopped; one more at the end.
    best = [(5.0, 0.85), (9.0, 0.85), (13.0, 0.85), (17.0, 0.86), (21.0, 0.86), (25.0, 0.86), (26.0, 0.86)]
    assert [*course.points] == best
    expected = course.expected
    assert expected is not None
    assert (expected.n, expected.stopped, [epochs for epochs, _ in expected.better]) == (
        6,
        2,
        [4.0 * n for n in range(1, 7)],
    )
    assert expected.better[0][1] == pytest.approx(fmean((0.85, 0.82, 0.83, 0.86, 0.81, 0.84)))
    assert expected.worse[0][1] == pytest.approx(fmean((0.85, 0.82, 0.83, 0.86, 0.81, 0.84, 0.4, 0.4)))


def test_the_best_of_a_loss_is_the_lowest(make_results: Callable[..., Results]) -> None:
    results = make_results(TEXT, metric="validation.loss")
    for run, loss in zip(results.sweep.runs, (0.9, 0.5, 0.7, 0.4, 0.6, 0.8, 0.9, 1.0), strict=True):
        results.write(run, metrics={"validation.loss": loss})
    places = {run.run_id: number for number, run in enumerate(results.sweep.runs)}
    course = best_so_far(results.table(), places, None, lambda _: 0)
    assert course is not None
    assert course.expected is not None
    assert [value for _, value in course.points] == [0.9, 0.5, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]
    values = [value for _, value in course.expected.better]
    assert values[0] == pytest.approx(0.725)
    assert values == sorted(values, reverse=True)
    assert course.expected.worse == ()


def test_random_search_draws_from_what_was_drawn_at_random_alone(searched: Results) -> None:
    table = judged(searched, (0.5, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9))
    runs = [run.run_id for run in searched.sweep.runs]
    places = {run_id: number for number, run_id in enumerate(runs)}
    course = best_so_far(table, places, runs[:5], lambda _: 0)
    assert course is not None
    assert course.expected is not None
    assert {round(value, 9) for _, value in course.expected.better} == {0.5}
    fewer = best_so_far(table, places, runs[:4], lambda _: 0)
    assert fewer is not None
    assert fewer.expected is None


def test_the_figure_has_the_stair_and_the_range_of_random_search(searched: Results) -> None:
    table = judged(searched)
    places = {run.run_id: number for number, run in enumerate(searched.sweep.runs)}
    course = best_so_far(table, places, None, lambda _: 0)
    assert course is not None
    figure = search_figure(course)
    axes = figure.axes[0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "random search, expected",
        "this search, by index",
    ]
    stair = axes.lines[-2]
    assert stair.get_drawstyle() == "steps-post"
    assert [*zip(stair.get_xdata(), stair.get_ydata(), strict=True)] == [*course.points]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Epochs of all runs together", "Validation accuracy (%)")


def test_curves_of_stopped_runs_are_thin_and_say_so(searched: Results) -> None:
    table = judged(searched)
    figure = curves.training_curves("x", table.curves(searched.sweep.runs[-1:]), "loss")
    assert {line.get_linewidth() for line in figure.axes[0].lines} == {0.8}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "train, stopped early",
        "validation, stopped early",
    ]
    of_program = metric_figure(
        "m", [Series("a", [[(1, 2.0), (2, 3.0)]]), Series("b", [[(1, 2.0)]], "stopped early")], None
    )
    assert [line.get_linewidth() for line in of_program.axes[0].lines] == [1.6, 0.9]
    assert [text.get_text() for text in of_program.legends[0].get_texts()] == ["a", "b, stopped early"]


def test_a_report_has_the_section_its_tables_and_its_figure(searched: Results) -> None:
    build_report(judged(searched), formats=("md",))
    folder = searched.store.report_folder
    text = (folder / "report.md").read_text()
    assert "## Search" in text
    assert "Thin lines: runs that did not finish or were stopped early" in text
    assert {file.name for file in (folder / "figures").glob("search-*")} == {"search-best.png", "search-best.svg"}
    assert {"bands.csv", "stopped.csv"} <= {file.name for file in (folder / "tables").iterdir()}


def test_a_damaged_rule_is_told_and_is_no_end_of_the_report(searched: Results) -> None:
    table = judged(searched)
    SearchFolder(searched.store).stopping_file.write_text("{")
    tables, words, pictures = section(table)
    assert (tables, pictures) == ({}, 0)
    assert words.startswith("Not told: ")
    assert "stopping.json: damaged" in words


@pytest.mark.parametrize("seed", range(5))
def test_ranks_correlate_as_spearmans_do(seed: int) -> None:
    drawn = np.random.default_rng(seed).integers(0, 6, (2, 20)).astype(float)
    ours = np.corrcoef([_ranks(list(row)) for row in drawn])[0, 1]
    assert ours == pytest.approx(spearmanr(*drawn).statistic, abs=1e-12)
