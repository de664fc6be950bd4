from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cnnjobs.sweep.file import JobSettings, Metric, ReportSettings, Sweep
from cnnjobs.sweep.report_settings import SECTIONS

Read = Callable[[str], Sweep]

BASE = "base: {dataset: mnist, model: cnn}\n"


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("", Metric("validation.accuracy", "maximize", None)),
        ("metric: {name: validation.loss}\n", Metric("validation.loss", "minimize", None)),
        ("metric: {name: validation.loss, goal: minimize}\n", Metric("validation.loss", "minimize", None)),
        ("metric: {name: train.accuracy, target: 0.9}\n", Metric("train.accuracy", "maximize", 0.9)),
    ],
)
def test_the_goal_follows_from_the_metric(read: Read, text: str, metric: Metric) -> None:
    assert read(BASE + text).metric == metric


def test_the_metrics_target_is_one_of_the_reports(read: Read) -> None:
    text = "metric: {name: validation.loss, target: 0.5}\n"
    assert read(BASE + text).report.targets == {"validation.loss": (0.5,)}
    both = read(BASE + text + "report: {targets: {test.accuracy: 0.75, validation.loss: 0.4}}\n").report.targets
    assert both == {"validation.loss": (0.4,), "test.accuracy": (0.75,)}


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("val_loss", "validation.loss"),
        ("val/acc", "validation.accuracy"),
        ("valAcc", "validation.accuracy"),
        ("Accuracy", "validation.accuracy"),
        ("train_loss_epoch", "train.loss"),
        ("test_acc", "validation.accuracy"),
        ("top1", "validation.accuracy"),
    ],
)
def test_other_names_of_metrics_are_recognised(name: str, near: str, mistakes: Callable[[str], list[str]]) -> None:
    (line,) = mistakes(f"{BASE}metric: {{name: {name}}}\n")
    assert line.startswith(f"2: metric.name: no metric is called `{name}`; did you mean `{near}`? allowed: train.loss,")


def test_the_report_is_read(read: Read, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("What we saw.", encoding="utf-8")
    text = (
        f"{BASE}report:\n  targets: {{test.accuracy: [0.75, 0.7]}}\n  figures: [curves]\n"
        "  titles: {curves: Task 3b}\n  order: [compare, curves]\n"
        "  ylim: {curves: [0, 2.5]}\n  notes: notes.md\n"
    )
    found = read(text).report
    assert found == ReportSettings(
        {"test.accuracy": (0.7, 0.75)}, ("curves",), {"curves": "Task 3b"}, {"curves": (0.0, 2.5)}, Path("notes.md"),
        order=("compare", "curves"),
    )  # fmt: skip
    assert list(found.sections)[:3] == ["unfinished", "compare", "curves"]
    assert (found.sections["curves"], found.sections["compare"]) == ("Task 3b", "Before and after")
    assert found.sections.keys() == SECTIONS.keys()


@pytest.mark.parametrize(
    ("written", "read_as"), [("", 3), ("report: {curves: 7}\n", 7), ("report: {curves: all}\n", None)]
)
def test_how_many_curves_are_drawn(read: Read, written: str, read_as: int | None) -> None:
    assert read(BASE + written).report.curves == read_as


@pytest.mark.parametrize("wrong", ["0", "-1", "2.5", "every", "true", "[1]"])
def test_curves_of_no_number(wrong: str, mistakes: Callable[[str], list[str]]) -> None:
    (line,) = mistakes(f"{BASE}report: {{curves: {wrong}}}\n")
    assert line.startswith("2: report.curves: found ")
    assert line.endswith("; allowed: all, or a whole number, 1 or more (without the key: 3)")


def test_missing_notes_stop_nothing(read: Read) -> None:
    sweep = read(f"{BASE}report: {{notes: nowhere.md}}\n")
    assert sweep.report.notes is None
    assert sweep.notices == ("sweep.yaml:2: report.notes: no file nowhere.md; the report is built without it",)


def test_the_job_is_read(read: Read) -> None:
    assert read(f"{BASE}job: {{profile: slurm-gpu, max_parallel: 3, data_dir: ~/data}}\n").job == JobSettings(
        "slurm-gpu", {"max_parallel": 3, "data_dir": "~/data"}
    )
    assert read(BASE).job == JobSettings()
