from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from cnnjobs.disk.run_folder import RunState, RunStore
from cnnjobs.report.build import build_report
from cnnjobs.report.pages import html as html_page
from cnnjobs.report.results.table import ResultsTable
from cnnjobs.sweep.file import read_sweep

if TYPE_CHECKING:
    from conftest import Results

torch.set_num_threads(1)


class Page(HTMLParser):
    """Page with its resources, scripts, ids and visible text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.text: list[str] = []
        self.cells: list[list[str]] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "data", "poster")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.tags and self.tags[-1] in ("td", "th") and data.strip():
            self.cells[-1][-1] += data

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def row(self, first: str) -> list[str]:
        return next(row for row in self.cells if row and row[0] == first)


def build_page(table: ResultsTable) -> Path:
    """The page of a report without the formats that take longer."""
    return build_report(table, formats=["html"]).page


SMALL = """
name: small
base: {dataset: fashion_mnist_mini, model: cnn, epochs: 1}
parameters: {model.batch_norm: {values: [false, true]}}
method: grid
seeds: 2
compare: [{title: Batch normalisation, before: {model.batch_norm: false}, after: {model.batch_norm: true}}]
report: {targets: {test.accuracy: 0.7}}
"""


@pytest.fixture(scope="module")
def small(module_results: Callable[[str], Results]) -> Path:
    """The report of a small sweep that has finished."""
    results = module_results(SMALL)
    results.write_all()
    return build_page(results.table())


def test_what_does_not_fit_into_the_page_is_linked(
    make_results: Callable[..., Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    results = make_results(SMALL)
    results.write_all()
    monkeypatch.setattr(html_page, "MOST_BYTES", 50_000)
    path = build_page(results.table())
    page = Page(path)
    linked = [link for link in page.links if link.startswith("figures/")]
    assert len(linked) + page.tags.count("svg") == 9
    assert linked
    assert all((path.parent / link).is_file() for link in linked)
    assert f"{len(linked)} of the figures are linked" in page.words


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_finished_sweep(small: Path) -> None:
    page = Page(small)
    assert small.parts[-3:] == ("small", "report", "report.html")
    assert "4 runs: 4 finished · state of 2026-03-01 09:02 UTC" in page.words
    assert "Best by validation accuracy: batch_norm=true" in page.words
    assert "Target test accuracy ≥ 70.00 %: reached" in page.words
    assert "Batch normalisation model.batch_norm: false → true " in page.words
    assert page.tags.count("svg") == 2 + 2 + 2 * 2 + 1
    assert [row[1:] for row in page.cells if row and row[0] == "conv1"][:2] == [
        ["Conv2d", "32", "5×5", "1", "2", "ReLU"],
        ["Conv2d", "1×28×28", "32×28×28", "832", "627,200"],
    ]
    assert page.row("images") == ["images", "5,400 train, 600 validation and 1,000 test"]
    assert page.row("code") == ["code", "git 0123456789ab"]
    assert "unfinished" not in page.ids
    found = files(small.parent)
    assert {name for name in found if "/" not in name} == {
        "report.html", "results.csv", "history.csv", "best.yaml", "manifest.json",
    }  # fmt: skip
    names = ("results", "runs", "parameters", "fitting", "shared", "environment", "network-1")
    assert {"tables/results.csv", *(f"tables/{name}{end}" for name in names for end in (".md", ".tex"))} <= set(found)
    stems = {name.rpartition(".")[0] for name in found if name.startswith("figures/")}
    assert len(stems) == 9
    assert all(f"{stem}.svg" in found and f"{stem}.png" in found for stem in stems)


def test_the_page_loads_nothing_and_runs_its_own_script_alone(small: Path) -> None:
    page, text = Page(small), small.read_text(encoding="utf-8")
    assert [link for link in page.links if not link.startswith(("#", "data:"))] == []
    # The names of a policy and of a kind of markup, which nobody fetches.
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in text.replace("url(#", "")
    assert "@import" not in text
    assert not {"iframe", "object", "embed", "img"} & set(page.tags)
    scripts = re.findall("<script>(.*?)</script>", text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert "script-src " + " ".join(f"'sha256-{digest}'" for digest in digests) + '"' in html.unescape(text)
    for script in scripts:
        text = text.replace(script, "")
    assert not re.search(r"\son\w+=", text)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)


def test_rendering_twice_gives_the_same_bytes(small: Path) -> None:
    first = files(small.parent)
    store = RunStore(small.parents[1])
    assert files(build_page(ResultsTable.load(read_sweep(store.sweep_file), store)).parent) == first


def test_runs_without_a_result_are_listed_with_their_cause(make_results: Callable[..., Results]) -> None:
    results = make_results(drawn=False)
    failed, stopped, *rest = results.sweep.runs
    results.write(failed, RunState.FAILED, epochs=1, cause="diverged at step 99", traceback="Traceback: <frame>")
    results.write(stopped, RunState.INTERRUPTED, epochs=0, cause="stopped")
    for run in rest[:-1]:
        results.write(run, notes=("stopped early",))
    path = build_page(results.table())
    page = Page(path)
    assert "12 runs: 9 finished, 1 failed, 1 interrupted, 1 not started" in page.words
    assert "3 of 12 runs have no result" in page.words
    assert ["0.1", "false", "0", "failed", "diverged at step 99", failed.run_id] in page.cells
    assert ["0.1", "false", "1", "interrupted", "stopped", stopped.run_id] in page.cells
    assert ["0.01", "true", "2", "not started", "", rest[-1].run_id] in page.cells
    assert "Traceback: <frame>" in page.words
    assert "stopped early (9 runs)" in page.words
    assert "Best by validation accuracy so far" in page.words


def test_nothing_has_started(results: Results) -> None:
    page = Page(build_page(results.table()))
    assert "12 runs: 12 not started" in page.words
    assert "No run has finished yet." in page.words
    assert "Target test accuracy ≥ 80.00 %: open: no run has finished" in page.words
    assert "No seed has finished on both sides yet." in page.words
    assert "the size of its images is known once a run of it has started" in page.words
    assert "curves" not in page.ids
    assert "svg" not in page.tags


def test_a_single_run(make_results: Callable[..., Results]) -> None:
    results = make_results("base: {dataset: fashion_mnist_mini, model: lenet5, epochs: 2}\n")
    results.write_all()
    page = Page(build_page(results.table()))
    assert "1 run: 1 finished" in page.words
    assert "one network: its spread is not known 1 seed" in page.words
    assert page.tags.count("svg") == 2
    assert {"compare", "unfinished"}.isdisjoint(page.ids)
    assert "What differs" not in page.words


HOSTILE = """
name: 'a_100% & <script> "q" 日本語'
description: '<img src=x onerror=alert(2)> {{ 7 * 7 }} $\\alpha$'
base: {dataset: fashion_mnist_mini, model: lenet5, epochs: 1}
variants:
  '_<script>alert(3)</script> & "q" %': {}
  '=1+1 | 日本語 $x$ </text></svg><script>': {lr: 0.01}
compare:
  - title: '</title><script>alert(4)</script>'
    before: {lr: 0.05}
    after: {lr: 0.01}
report:
  titles: {results: '<b>Task 3b</b>'}
"""


def test_names_are_shown_as_they_are_and_never_executed(make_results: Callable[..., Results]) -> None:
    results = make_results(HOSTILE)
    results.write(results.sweep.runs[0], notes=("<u>note</u>",))
    results.write(results.sweep.runs[1], RunState.FAILED, epochs=1, cause="<i>&amp;</i>")
    path = build_page(results.table())
    page = Page(path)
    assert not {"img", "b", "i", "u", "iframe"} & set(page.tags)
    assert page.tags.count("script") == 2
    for shown in (
        results.sweep.name,
        results.sweep.description,
        '_<script>alert(3)</script> & "q" %',
        "=1+1 | 日本語 $x$ </text></svg><script>",
        "</title><script>alert(4)</script>",
        "<b>Task 3b</b>",
        "<u>note</u>",
        "<i>&amp;</i>",
    ):
        assert shown in page.words
    assert ",'=1+1 | 日本語" in (path.parent / "results.csv").read_text(encoding="utf-8")
    assert "<script>" not in (path.parent / "tables" / "results.md").read_text(encoding="utf-8")
    names = [file.name for file in (path.parent / "figures").iterdir()]
    assert all(re.fullmatch(r"[\w.-]+", name, re.ASCII) for name in names)


def test_figures_titles_and_limits_are_those_of_the_file(make_results: Callable[..., Results]) -> None:
    text = """
base: {dataset: fashion_mnist_mini, model: lenet5, epochs: 1}
parameters: {lr: {values: [0.1, 0.01]}}
method: grid
report:
  figures: [overview]
  ylim: {overview.loss: [0, 2]}
  titles: {curves: 'Task 2 a: curves', fitting: 'Task 2 a: the fit'}
  order: [fitting, curves]
"""
    results = make_results(text)
    results.write_all()
    path = build_page(results.table())
    page = Page(path)
    assert sorted(file.stem for file in (path.parent / "figures").glob("*.svg")) == [
        "overview-accuracy",
        "overview-loss",
    ]
    assert "Task 2 a: curves" in page.words
    assert page.ids[:3] == ["fitting", "task-2-a", "curves"]
    assert [id_ for id_ in page.ids if id_ in ("task-2-a", "results")] == ["task-2-a", "results"]


def test_figures_of_an_earlier_report_go_and_what_is_not_ours_stays(results: Results) -> None:
    figures = results.store.report_folder / "figures"
    figures.mkdir(parents=True)
    for name in ("curves-99-gone-loss.svg", "mine.svg", "curves-notes.txt"):
        (figures / name).touch()
    build_page(results.table())
    assert not (figures / "curves-99-gone-loss.svg").exists()
    assert (figures / "mine.svg").exists()
    assert (figures / "curves-notes.txt").exists()


def test_runs_that_left_the_file_are_named(results: Results, make_results: Callable[..., Results]) -> None:
    left = results.sweep.runs[-1]
    results.write(left)
    smaller = make_results(results.sweep.text.replace("[0.1, 0.01]", "[0.1]"))
    page = Page(build_page(ResultsTable.load(smaller.sweep, results.store)))
    assert "6 runs: 6 not started" in page.words
    assert f"1 run on disk, not in the sweep file any more and in no table here: {left.run_id}" in page.words


@pytest.mark.parametrize("target", [0.5, 0.845, 0.99])
def test_a_target_is_held_against_every_seed_of_the_best(make_results: Callable[..., Results], target: float) -> None:
    results = make_results(
        "base: {dataset: fashion_mnist_mini, model: lenet5, epochs: 1}\nseeds: 3\n"
        f"report: {{targets: {{validation.accuracy: {target}}}}}\n"
    )
    for run, accuracy in zip(results.sweep.runs, (0.83, 0.85, 0.87), strict=True):
        results.write(run, metrics={"validation.accuracy": accuracy})
    page = Page(build_page(results.table()))
    verdict = {0.5: "reached", 0.845: "reached by 2 of 3 seeds", 0.99: "missed"}[target]
    assert f"Target validation accuracy ≥ {100 * target:.2f} %: {verdict} " in page.words


def test_many_values_are_told_by_their_range(make_results: Callable[..., Results]) -> None:
    results = make_results(
        "base: {dataset: fashion_mnist_mini, model: lenet5, epochs: 1}\nmethod: random\nrun_cap: 14\n"
        "parameters: {lr: {min: 0.01, max: 0.5}}\nreport: {figures: [compare]}\n"
    )
    results.write(results.sweep.runs[0])
    page = Page(build_page(results.table()))
    found = sorted(run.config.lr for run in results.sweep.runs)
    assert ["lr", f"14 values from {found[0]:.6g} to {found[-1]:.6g}"] in page.cells
    assert "Of 14 configurations" not in page.words


def test_a_target_says_how_sure_it_is_and_who_else_reaches_it(make_results: Callable[..., Results]) -> None:
    results = make_results(
        "base: {dataset: fashion_mnist_mini, model: lenet5, epochs: 1}\nseeds: 2\n"
        "parameters: {lr: {values: [0.1, 0.2, 0.3]}}\nmethod: grid\nreport: {targets: {test.accuracy: 0.8}}\n"
    )
    for run, accuracy in zip(results.sweep.runs, (0.83, 0.84, 0.9, 0.81, 0.79, 0.85), strict=True):
        results.write(run, metrics={"validation.accuracy": accuracy, "test.accuracy": accuracy})
    page = Page(build_page(results.table()))
    said = "reached but not consistently: the lower 95 % bound of the weakest seed is 78.45 %"
    assert f"Target test accuracy ≥ 80.00 %: {said}; with every seed also by lr=0.1" in page.words
    assert page.row("lr")[:3] == ["lr", "seeds", "train loss"]
    for row in (
        ["0.1", "reached, consistently", "83.00 %", "80.55 %"],
        ["0.2", "reached", "81.00 %", "78.45 %"],
        ["0.3", "reached by 1 of 2 seeds", "79.00 %", "76.37 %"],
    ):
        assert row in page.cells


def test_many_runs_without_a_result_are_told_by_cause(make_results: Callable[..., Results]) -> None:
    results = make_results(
        "base: {dataset: fashion_mnist_mini, model: lenet5, epochs: 1}\nseeds: 15\nreport: {order: [results]}\n"
    )
    for run in results.sweep.runs[:13]:
        cause = "the loss is nan" if run.config.seed else "out of memory"
        results.write(run, RunState.FAILED, cause=cause, traceback=f"File x\n{cause}")
    page = Page(build_page(results.table()))
    assert "15 of 15 runs have no result" in page.words
    assert page.ids[:2] == ["unfinished", "results"]
    assert ["failed", "the loss is nan", "12"] in page.cells
    assert ["not started", "", "2"] in page.cells
    assert len([row for row in page.cells if row[2:4] == ["failed", "the loss is nan"]]) == 12
    first = results.sweep.runs[1].run_id
    assert page.words.count("Traceback of") == 2
    assert f"Traceback of {first} and 11 more" in page.words


def test_several_changes_stand_in_one_table(make_results: Callable[..., Results]) -> None:
    text = "base: {dataset: fashion_mnist_mini, model: lenet5, epochs: 1}\nmethod: grid\nseeds: 2\n"
    text += "parameters: {lr: {values: [0.1, 0.2, 0.3]}}\ncompare:\n"
    text += "".join(f"  - {{title: to {lr}, before: {{lr: 0.1}}, after: {{lr: {lr}}}}}\n" for lr in (0.2, 0.3))
    results = make_results(text)
    for run, accuracy in zip(results.sweep.runs, (0.5, 0.51, 0.6, 0.61), strict=False):
        results.write(run, metrics={"validation.accuracy": accuracy, "test.accuracy": accuracy})
    page = Page(build_page(results.table()))
    assert page.row("to 0.2")[:4] == ["to 0.2", "lr: 0.1 → 0.2", "Seems to help", "+10.00"]
    assert page.row("to 0.3")[2] == "No seed has finished on both sides yet."


FIVE = """
name: five
base: {dataset: fashion_mnist_mini, model: cnn, epochs: 1}
parameters: {lr: {values: [0.1, 0.05, 0.02, 0.01, 0.005]}}
method: grid
"""


@pytest.mark.parametrize(("written", "drawn"), [("", 3), ("1", 1), ("all", 5)])
def test_curves_beyond_the_best_are_drawn_on_request(
    make_results: Callable[..., Results], written: str, drawn: int
) -> None:
    results = make_results(FIVE + (f"report: {{curves: {written}}}\n" if written else ""))
    results.write_all()
    page = Page(build_page(results.table()))
    figures = results.store.report_folder / "figures"
    assert len([*figures.glob("curves-*-loss.svg")]) == drawn
    assert ("`report: {curves: all}` in the sweep file" in page.words) == (drawn < 5)
    # The best ones.
    best = [choice.configuration.label for choice in results.table().ranked()]
    assert all(f"Loss of {label} over epochs" in page.words for label in best[:drawn])


def test_who_waits_is_told_what_is_done(make_results: Callable[..., Results]) -> None:
    results = make_results(SMALL)
    results.write_all()
    told: list[tuple[str, int, int]] = []

    def tell(*done: object) -> None:
        told.append(done)  # type: ignore[arg-type]

    build_report(ResultsTable.load(results.sweep, results.store, tell), formats=["html"], tell=tell)
    assert told[:4] == [("reading runs", number, 4) for number in (1, 2, 3, 4)]
    assert told[-1][0] == "setting pages"
    drawn = [done for what, *done in told if what == "drawing"]
    assert drawn[-1] == [9, 9]
