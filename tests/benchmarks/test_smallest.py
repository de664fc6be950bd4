"""Every benchmark in its smallest form: it runs, and its report holds what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import accuracy, growth, reports, stacked, startup, sweep, time_to_accuracy, utilisation
from benchmarks.commands import CommandError
from benchmarks.report_scale import write_finished
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.sweep.file import read_sweep


def numbers(folder: Path) -> Any:
    return json.loads(next(folder.glob("*.json")).read_text())["numbers"]


def test_sweep(tmp_path: Path) -> None:
    words = ["--runs", "1", "--pairs", "1", "--epochs", "1", "--images", "320", "--threads", "1", "--no-hydra"]
    sweep.main([*words, "--no-best", "--reports", str(tmp_path)])
    found = numbers(tmp_path)
    assert found["ratios"] == [pytest.approx(found["plain_s"][0] / found["cnnjobs_s"][0])]
    assert set(found["accuracy"]) == {"one after the other", "cnnjobs"}


@pytest.mark.usefixtures("sides_here")
def test_stacked(tmp_path: Path) -> None:
    words = ["--networks", "lenet5", "--runs", "1", "2", "--pairs", "1", "--seconds", "0.01", "--threads", "1"]
    stacked.main([*words, "--images", "320", "--device", "cpu", "--reports", str(tmp_path)])
    windows = numbers(tmp_path)["rounds"]["lenet5"]["windows"]
    assert set(windows) == {"one run", "1 run stacked", "2 runs stacked"}
    assert all(each["steps"] > 0 and each["processor_s"] > 0 for own in windows.values() for each in own)
    page = next(tmp_path.glob("*-stacked.md")).read_text()
    assert "| lenet5  | " in page
    assert "there is no GPU here" in page


@pytest.mark.usefixtures("sides_here")
def test_what_is_measured_on_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "choose_device", lambda *_: "cuda")
    monkeypatch.setattr(utilisation, "_LAG_S", 0.0)
    monkeypatch.setattr(utilisation, "_WATCHED_S", 0.001)
    monkeypatch.setattr(utilisation, "busy_share", lambda: 0.25)
    assert stacked._read([]).runs == [1, 4, 16]
    words = ["--networks", "lenet5", "--runs", "1", "--pairs", "1", "--seconds", "0.01", "--threads", "1"]
    stacked.main([*words, "--images", "64", "--reports", str(tmp_path)])
    page = next(tmp_path.glob("*-stacked.md")).read_text()
    assert "| lenet5  | 0.25 (n = 1) | 0.25 (n = 1)  |" in page
    assert "not measured" not in page.lower()


def test_sides_that_did_not_do_the_same_are_not_compared(tmp_path: Path) -> None:
    file = sweep.write_sweep(tmp_path, [0.001, 0.01], "lenet5", 2)
    runs = read_sweep(file).runs
    for run in runs:
        write_finished(RunStore(tmp_path / "learning_rates").run(run.run_id), run)
    plain = {"device": "cpu", "metrics": {"test.accuracy": 0.5}}
    same = plain | {"num_images": {"train": 45000, "validation": 5000, "test": 10000}}
    assert sweep._compared([same, same], [tmp_path], 2)["accuracy"]["one after the other"] == 0.5
    with pytest.raises(CommandError, match=r"finished after 2\.0 epochs"):
        sweep._compared([same, same], [tmp_path], 3)
    with pytest.raises(CommandError, match=r"2 runs in .* instead of 3"):
        sweep._compared([same, same, same], [tmp_path], 2)
    for other in (same | {"device": "cuda"}, plain | {"num_images": {**same["num_images"], "test": 640}}):
        with pytest.raises(CommandError, match="the sides differ"):
            sweep._compared([same, other], [tmp_path], 2)


def test_learning_rates_are_all_different() -> None:
    assert len(set(sweep.learning_rates(16))) == 16
    assert sweep.learning_rates(1) == [0.001]


def test_startup(tmp_path: Path) -> None:
    startup.main(["--rounds", "1", "--pairs", "0", "--without-torch", "--reports", str(tmp_path)])
    commands = numbers(tmp_path)["commands"]
    assert "cnnjobs --help" in commands
    assert all(cost["peak_mb"] > 1 for own in commands.values() for cost in own)


def test_growth(tmp_path: Path) -> None:
    nothing = ["--image-sizes", "--batches", "--side-by-side"]
    growth.main(["--runs", "12", *nothing, "--page", str(tmp_path), "--reports", str(tmp_path)])
    curves = numbers(tmp_path)["runs"]
    assert {name: [point["at"] for point in own] for name, own in curves.items()} == {
        name: [12] for name in ("planning", "status", "collection")
    }
    page = (tmp_path / "growth.md").read_text()
    assert "With 12 runs planning takes" in page
    assert (tmp_path / "growth" / "runs.svg").read_text().startswith("<?xml")


def test_time_to_accuracy_counts_what_the_test_split_confirms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "made.yaml"
    file.write_text("name: made\nmethod: grid\nbase: {dataset: cifar10, model: cnn, epochs: 9}\nseeds: 2\n")
    words = [str(file), "--results", str(tmp_path), "--variants", "--reports", str(tmp_path / "reports")]
    time_to_accuracy.main(words)
    assert "no run has finished" in capsys.readouterr().out
    for run in read_sweep(file).runs:
        write_finished(RunStore(tmp_path / "made").run(run.run_id), run)
    time_to_accuracy.main([*words, "--targets", "0.6", "0.99"])
    found = numbers(tmp_path / "reports")
    assert all(each["seconds"]["0.6"] > 0 and each["seconds"]["0.99"] is None for each in found)
    assert "none; 2 did not reach it" in capsys.readouterr().out


def test_accuracies_are_compared_seed_by_seed() -> None:
    table = accuracy._table({"bfloat16": [0.70, 0.72], "float32": [0.71, 0.73]})
    assert [cell.strip() for cell in table.splitlines()[-1].split("|")][1:4] == [
        "bfloat16 less float32",
        "-1.00",
        "0.00",
    ]


def test_kept_runs_of_other_settings_are_not_taken_for_these(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accuracy, "_plain", lambda *_: 0.5)
    words = ["--sides", "sources", "--seeds", "2", "--keep", str(tmp_path / "kept"), "--reports", str(tmp_path)]
    for _ in range(2):
        accuracy.main([*words, "--epochs", "1", "--images", "50"])
    with pytest.raises(SystemExit, match="2"):
        accuracy.main([*words, "--epochs", "2", "--images", "50"])
    assert "name another folder" in capsys.readouterr().err
    # Neither report has taken the place of the other.
    assert len([*tmp_path.glob("*-accuracy*.md")]) == 2


def test_a_report_names_the_machine_but_not_its_name(tmp_path: Path) -> None:
    page = reports.write("some", "Some", [reports.table(["a"], [[1]])], {}, tmp_path)
    about = json.loads(page.with_suffix(".json").read_text())["machine"]
    assert {"processor", "cores", "gpu", "torch", "load", "commit"} <= set(about)
    assert not {"host", "hostname"} & set(about)
