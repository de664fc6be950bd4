from __future__ import annotations

import csv
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cnnjobs
from cnnjobs.disk.run_folder import KILLED_CAUSE, RunState
from cnnjobs.errors import InputError
from cnnjobs.report.build import build_report
from cnnjobs.report.results.table import ResultsTable
from cnnjobs.report.sections.summary import other_data
from cnnjobs.sweep.settings import METRICS

if TYPE_CHECKING:
    from conftest import Results

COLUMNS = ["run_id", "lr", "model.batch_norm", "seed", "state", "cause", "epochs_done", "best_epoch"]
GOLDEN = Path(__file__).parents[1] / "golden" / "report" / "results.csv"


def load(results: Results) -> ResultsTable:
    return ResultsTable.load(results.sweep, results.store)


def test_every_run_has_a_row_in_the_order_of_the_file(results: Results) -> None:
    results.write_all()
    table = load(results)
    assert list(table.runs.columns) == [*COLUMNS, "seconds", *METRICS]
    assert list(table.runs["run_id"]) == [run.run_id for run in results.sweep.runs]
    assert list(table.runs["lr"]) == [0.1] * 6 + [0.01] * 6
    assert list(table.runs["model.batch_norm"]) == ([False] * 3 + [True] * 3) * 2
    assert list(table.runs["seed"]) == [0, 1, 2] * 4
    for run, row in zip(results.sweep.runs, table.runs.to_dict("records"), strict=True):
        assert {name: row[name] for name in METRICS} == results.metrics(run)
    assert set(table.runs["epochs_done"]) == {4.0}
    assert len(table.history) == 12 * 8


def test_runs_without_a_result_stay_with_their_state_and_cause(results: Results) -> None:
    failed, running, cancelled, finished, *missing = results.sweep.runs
    results.write(failed, RunState.FAILED, epochs=1.5, cause="diverged at step 99")
    results.write(running, RunState.RUNNING, epochs=2)
    results.write(cancelled, RunState.CANCELLED, epochs=0)
    results.write(finished)
    with results.store.run(running.run_id).claim():
        assert list(load(results).runs["state"])[:4] == ["failed", "running", "cancelled", "finished"]
    rows = load(results).runs
    assert list(rows["state"]) == ["failed", "interrupted", "cancelled", "finished"] + ["pending"] * len(missing)
    assert list(rows["cause"])[:2] == ["diverged at step 99", KILLED_CAUSE]
    assert list(rows["epochs_done"])[:5] == [1.5, 2.0, 0.0, 4.0, 0.0]
    assert rows["test.accuracy"].notna().sum() == 1


def test_repeats_are_summed_up_per_configuration(results: Results) -> None:
    results.write_all()
    aggregated = load(results).aggregate()
    assert list(aggregated["configuration"]) == [
        "lr=0.1 batch_norm=false",
        "lr=0.1 batch_norm=true",
        "lr=0.01 batch_norm=false",
        "lr=0.01 batch_norm=true",
    ]
    values = [results.metrics(run)["test.loss"] for run in results.sweep.runs[3:6]]
    row = aggregated.iloc[1]
    assert (row["lr"], row["model.batch_norm"], row["runs"], row["finished"]) == (0.1, True, 3, 3)
    assert row["test.loss.mean"] == statistics.fmean(values)
    assert row["test.loss.sd"] == statistics.stdev(values)
    assert row["test.loss.n"] == 3


def test_a_spread_needs_two_finished_seeds(results: Results) -> None:
    results.write(results.sweep.runs[0])
    results.write(results.sweep.runs[1], RunState.FAILED, epochs=1)
    aggregated = load(results).aggregate()
    assert list(aggregated["finished"]) == [1, 0, 0, 0]
    assert aggregated["test.loss.mean"].notna().tolist() == [True, False, False, False]
    assert aggregated["test.loss.sd"].isna().all()


def test_the_best_configuration_is_chosen_by_validation_alone(results: Results) -> None:
    for run in results.sweep.runs:
        metrics = results.metrics(run)
        # What is best on test is worst on validation.
        metrics["test.accuracy"] = 1 - metrics["validation.accuracy"]
        results.write(run, metrics=metrics)
    labels = [choice.configuration.label for choice in load(results).ranked()]
    assert labels[0] == "lr=0.1 batch_norm=true"
    assert labels[-1] == "lr=0.01 batch_norm=false"


def test_a_loss_is_best_when_it_is_lowest(make_results: Callable[..., Results]) -> None:
    results = make_results(metric="validation.loss")
    results.write_all()
    ranked = load(results).ranked()
    assert ranked[0].configuration.label == "lr=0.1 batch_norm=true"
    assert ranked[0].summary.mean < ranked[-1].summary.mean


def test_what_only_some_runs_have_is_missing_in_the_others(make_results: Callable[..., Results]) -> None:
    results = make_results(
        """
base: {dataset: fashion_mnist_mini, epochs: 2}
variants:
  small: {model: {name: cnn, filters: [8, 16]}, early_stopping: 3}
  large: {model: {name: cnn, filters: [8, 16, 32]}}
  lenet: {model: lenet5}
"""
    )
    results.write_all()
    table = load(results)
    rows = table.runs
    assert list(rows["variant"]) == ["small", "large", "lenet"]
    assert list(rows["model.filters"])[:2] == ["[8, 16]", "[8, 16, 32]"]
    assert rows["model.filters"].isna().tolist() == [False, False, True]
    assert list(rows["early_stopping"]) == [3, "null", "null"]
    assert [each.label for each in table.configurations][2].startswith("lenet")


def test_a_single_run_is_called_after_its_model(make_results: Callable[..., Results]) -> None:
    results = make_results("base: {dataset: fashion_mnist_mini, model: lenet5, epochs: 2}\n")
    assert [each.label for each in load(results).configurations] == ["lenet5"]
    assert list(load(results).runs.columns)[:3] == ["run_id", "seed", "state"]


def test_runs_that_left_the_file_are_kept_apart(results: Results, make_results: Callable[..., Results]) -> None:
    results.write_all()
    smaller = make_results(results.sweep.text.replace("[0.1, 0.01]", "[0.1]"))
    table = ResultsTable.load(smaller.sweep, results.store)
    assert len(table.runs) == 6
    assert sorted(record.run_id for record in table.strays) == sorted(run.run_id for run in results.sweep.runs[6:])


def test_a_damaged_file_concerns_its_run_alone_and_is_named(results: Results) -> None:
    results.write_all()
    first, second = (results.store.run(run.run_id) for run in results.sweep.runs[:2])
    first.record_file.write_text('{"step": \n')
    lines = second.metrics_file.read_text().splitlines(keepends=True)
    second.metrics_file.write_text("".join([lines[0], "[1]\n", *lines[1:]]))
    table = load(results)
    assert list(table.runs["state"])[:3] == ["interrupted", "finished", "finished"]
    assert str(table.runs["cause"][0]).startswith("record.json is damaged (Invalid JSON: ")
    assert table.runs["test.loss"].isna().tolist() == [True] + [False] * 11
    assert len(table.lines[second.run_id]) == 1
    assert f"{second.metrics_file} is damaged (line 2 holds no metrics)" in table.records[second.run_id].notes[-1]


def test_results_csv_comes_back_as_it_was(results: Results, tmp_path: Path) -> None:
    results.write_all()
    load(results).write_csv(tmp_path / "new" / "results.csv")
    with (tmp_path / "new" / "results.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    for row, run in zip(read, results.sweep.runs, strict=True):
        assert {name: float(row[name]) for name in METRICS} == results.metrics(run)
        assert (row["run_id"], row["state"], row["cause"]) == (run.run_id, "finished", "")
        assert (float(row["lr"]), row["model.batch_norm"]) == (
            run.config.lr,
            "true" if run.overrides["model.batch_norm"] else "false",
        )


def test_golden_results_csv(results: Results, tmp_path: Path) -> None:
    results.write(results.sweep.runs[0])
    results.write(results.sweep.runs[1], RunState.FAILED, epochs=1.5, cause="=diverged, at step 99")
    load(results).write_csv(tmp_path / "results.csv")
    found = (tmp_path / "results.csv").read_text()
    if os.environ.get("CNNJOBS_GOLDEN") == "write":
        GOLDEN.parent.mkdir(parents=True, exist_ok=True)
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text(), "if this is meant: make golden"


def test_a_resumed_sweep_gives_the_same_results_csv(results: Results, tmp_path: Path) -> None:
    results.write_all()
    load(results).write_csv(tmp_path / "undisturbed.csv")
    for run in results.sweep.runs[::2]:
        folder = results.store.run(run.run_id)
        record = folder.read_record()
        first = record.attempts[0].model_copy(update={"ended": None, "host": "other"})
        second = record.attempts[0].model_copy(update={"number": 2, "from_epoch": 2, "seconds": 61.0})
        folder.write_record(record.model_copy(update={"attempts": (first, second)}))
        lines = [line | {"attempt": 2, "seconds": 3.3, "images_per_s": 7.0} for line in folder.read_metrics()]
        with folder.claim() as log:
            assert log is not None
            log.keep_up_to(0)
            for line in lines:
                log.append(line)
    table = load(results)
    table.write_csv(tmp_path / "resumed.csv")
    assert (tmp_path / "resumed.csv").read_bytes() == (tmp_path / "undisturbed.csv").read_bytes()
    assert set(table.runs["seconds"]) == {3.3, 80.0}


def test_history_has_the_validations_without_their_windows(results: Results) -> None:
    results.write(results.sweep.runs[0])
    history = load(results).history
    assert list(history.columns) == [
        "run_id", "attempt", "step", "epoch", "seconds", "images_per_s", "lr",
        "train.loss", "train.accuracy", "validation.loss", "validation.accuracy",
    ]  # fmt: skip
    assert list(history["step"]) == [42 * number for number in range(1, 9)]
    assert list(load(results).history["run_id"].unique()) == [results.sweep.runs[0].run_id]


def test_pandas_is_loaded_by_the_report_alone() -> None:
    program = (
        "import sys; import cnnjobs.disk.run_folder, cnnjobs.sweep.file, cnnjobs.report\n"
        "assert not {'pandas', 'matplotlib', 'torch'} & set(sys.modules), sys.modules.keys()\n"
        "import cnnjobs.report.results.table\n"
        "assert 'pandas' in sys.modules and not {'matplotlib', 'torch'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_runs_of_different_data_are_told_apart(results: Results) -> None:
    first, second, *rest = results.sweep.runs
    results.write(first, data_sha256="a" * 64)
    # One of an earlier version, which kept no fingerprint.
    results.write(second)
    assert other_data(load(results)) == []
    for run in rest:
        results.write(run, data_sha256="b" * 64)
    told = (
        "The images of data set fashion_mnist_mini changed between these runs: 1 run on aaaaaaaaaaaaaaaa... and 10 runs"
        " on bbbbbbbbbbbbbbbb... (SHA-256). Do not compare them."
    )
    table = load(results)
    assert other_data(table) == [told]
    build_report(table, formats=["md"])
    page = (results.store.report_folder / "report.md").read_text()
    assert "changed between these runs: 1 run on aaaaaaaaaaaaaaaa... and 10 runs on bbbbbbbbbbbbbbbb" in page


@pytest.mark.parametrize("is_known", [True, False])
def test_a_sweep_without_validation_images(make_results: Callable[..., Results], is_known: bool) -> None:
    """Known from the file, or, of a data set from an import path, from the runs alone."""
    options = ", validation: 0" if is_known else ""
    text = f"""
base: {{dataset: {{name: fashion_mnist_mini{options}}}, epochs: 2}}
parameters: {{model: {{values: [lenet5, cnn]}}}}
method: grid
seeds: 2
compare: [{{title: Network, before: {{model: lenet5}}, after: {{model: cnn}}}}]
report: {{targets: {{test.accuracy: 0.7}}}}
"""
    results = make_results(text)
    for run in results.sweep.runs:
        metrics = {name: value for name, value in results.metrics(run).items() if not name.startswith("validation.")}
        results.write(run, metrics=metrics, best_epoch=2.0, num_images={"train": 60, "validation": 0, "test": 10})
        file = results.store.run(run.run_id).metrics_file
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        kept = [{key: value for key, value in line.items() if not key.startswith("validation.")} for line in lines]
        file.write_text("".join(json.dumps(line) + "\n" for line in kept))
    table = load(results)
    ranked = table.ranked()
    assert (table.sweep.metric.name, len(ranked), table.has_validation) == ("train.accuracy", 2, False)
    # A file that has validation: 0 and no metric says it already.
    assert any(told.endswith("the best is chosen by train.accuracy") for told in table.sweep.notices) is not is_known
    build_report(table, formats=["md"])
    page = (results.store.report_folder / "report.md").read_text()
    assert "Best by train accuracy" in page
    assert "with the weights of the last epoch of each run" in page
    assert "60 train, 0 validation and 10 test" in page
    assert "| train accuracy |" in page
    loaded = cnnjobs.load(results.store.path)
    assert loaded.best == ranked[0].configuration.label
    loaded.curves()
    loaded.compare("Network")
    with pytest.raises(InputError, match="no run has been validated"):
        loaded.overview()
