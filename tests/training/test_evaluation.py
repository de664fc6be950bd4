from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.disk.submission_folder import EvaluationRequest, SubmissionFolder
from cnnjobs.errors import InputError, RunError
from cnnjobs.system.stop_request import Stopped
from cnnjobs.training.data.pipeline import DataSets
from cnnjobs.training.trained.evaluation import evaluate_run, keep_evaluation
from cnnjobs.worker.run_list import run_job

TEST = EvaluationRequest(split="test")


def data_sets() -> DataSets:
    return DataSets((), torch.device("cpu"))


def other(split: str = "test", **options: Any) -> EvaluationRequest:
    return EvaluationRequest(split=split, dataset={"name": "toys:renamed", **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, toy: Any) -> RunFolder:
    """A finished run: look, and change nothing."""
    return toy.finished(tmp_path_factory.mktemp("trained"), toy.config())


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_the_run_s_own_splits_give_the_numbers_of_its_record_bit_for_bit(trained: RunFolder, split: Any) -> None:
    evaluation = evaluate_run(trained, EvaluationRequest(split=split), data_sets())
    metrics, record = evaluation.metrics, trained.read_record()
    assert {f"{split}.{name}": value for name, value in metrics.items()}.items() <= record.metrics.items()
    assert (evaluation.name, evaluation.num_images) == (f"toys:stripes/{split}", record.num_images[split])
    assert (evaluation.device, evaluation.threads, len(evaluation.git_commit or "")) == ("cpu", 1, 40)


def test_images_that_have_changed_since_are_told(tmp_path: Path, toy: Any) -> None:
    folder = toy.finished(tmp_path, toy.config(epochs=1))
    record = folder.read_record()
    assert evaluate_run(folder, TEST, data_sets()).notes == ()
    folder.write_record(record.model_copy(update={"data_sha256": "0" * 64}))
    (note,) = evaluate_run(folder, TEST, data_sets()).notes
    now = f"{record.data_sha256[:16]}..."
    told = f"(SHA-256 0000000000000000... then, {now} now) since the run was trained on it"
    assert note == f"data set `toys:stripes` has changed {told}"
    assert evaluate_run(folder, other(), data_sets()).notes == ()


def test_another_data_set_s_classes_are_told_by_their_names(trained: RunFolder) -> None:
    known = trained.read_record().metrics
    swapped = evaluate_run(trained, other(), data_sets())
    assert (swapped.name, swapped.metrics["accuracy"]) == ("toys:renamed/test", known["test.accuracy"])
    assert swapped.metrics["loss"] == pytest.approx(known["test.loss"])
    assert swapped.dataset == {"name": "toys:renamed", "classes": "columns rows plain", "size": 8, "channels": 1}
    assert evaluate_run(trained, other(classes="plain rows"), data_sets()).num_images == 20


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"size": 9}, "its images have 1 channel of 9×9 pixels; the network takes 1 channel of 8×8 pixels"),
        ({"channels": 3}, "its images have 3 channels of 8×8 pixels; the network takes 1 channel of 8×8 pixels"),
        (
            {"classes": "rows columns plain dots"},
            "the run does not know `dots`; its classes are `rows`, `columns`, `plain`",
        ),
    ],
    ids=["size", "channels", "classes"],
)
def test_data_that_does_not_fit_is_refused(trained: RunFolder, options: Any, problem: str) -> None:
    with pytest.raises(InputError) as told:
        evaluate_run(trained, other(**options), data_sets())
    assert str(told.value) == f"data set `toys:renamed` does not fit run {trained.run_id}: {problem}"


def test_what_the_preprocessing_makes_of_the_images_counts(tmp_path: Path, toy: Any) -> None:
    config = toy.config(epochs=1, augment=[{"name": "resize", "size": 12}])
    folder = toy.finished(tmp_path, config)
    assert evaluate_run(folder, other(size=9), data_sets()).num_images == 30
    with pytest.raises(InputError, match="makes 3 channels of 12×12 pixels of them; the network takes 1 channel of 12"):
        evaluate_run(folder, other(channels=3), data_sets())


def test_it_has_images_and_can_be_stopped(tmp_path: Path, toy: Any, trained: RunFolder) -> None:
    folder = toy.finished(tmp_path, toy.config(epochs=1, dataset__validation=0))
    with pytest.raises(InputError, match="has no validation images"):
        evaluate_run(folder, EvaluationRequest(split="validation"), data_sets())
    with pytest.raises(Stopped):
        evaluate_run(trained, TEST, data_sets(), stopped=lambda: True)


def test_the_record_keeps_everything_else(tmp_path: Path, toy: Any) -> None:
    folder = toy.finished(tmp_path, toy.config(epochs=1))
    before, files = folder.read_record(), {path.name: path.stat().st_mtime_ns for path in folder.path.iterdir()}
    first, second = (evaluate_run(folder, request, data_sets()) for request in (TEST, other()))
    for evaluation in (first, second, first):
        keep_evaluation(folder, evaluation, before)
    after = folder.read_record()
    assert after.evaluations == {first.name: first, second.name: second}
    assert after.model_copy(update={"evaluations": {}}) == before
    changed = [path.name for path in folder.path.iterdir() if files.get(path.name) != path.stat().st_mtime_ns]
    assert changed == ["record.json"]


def test_evaluations_at_the_same_moment_are_all_kept(tmp_path: Path, toy: Any) -> None:
    folder = toy.finished(tmp_path, toy.config(epochs=1))
    measured, before = evaluate_run(folder, TEST, data_sets()), folder.read_record()
    several = [measured.model_copy(update={"split": f"part {number}"}) for number in range(8)]
    threads = [threading.Thread(target=keep_evaluation, args=(folder, each, before)) for each in several]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(folder.read_record().evaluations) == {each.name for each in several}


def test_a_run_that_was_started_again_meanwhile_keeps_its_own_record(
    tmp_path: Path, toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = toy.finished(tmp_path, toy.config(epochs=1))
    evaluation, before = evaluate_run(folder, TEST, data_sets()), folder.read_record()
    again = before.model_copy(update={"attempts": (*before.attempts, before.attempts[0])})
    folder.write_record(again)
    with pytest.raises(RunError, match="was started again while it was evaluated"):
        keep_evaluation(folder, evaluation, before)
    monkeypatch.setattr("cnnjobs.training.trained.evaluation._PATIENCE_S", 0.0)
    with folder.claim(), pytest.raises(RunError, match="another process holds the run"):
        keep_evaluation(folder, evaluation, before)
    assert folder.read_record() == again


def test_a_job_evaluates_its_list_and_tells_each_end(jobs: Any, toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad, pending = (toy.config(epochs=1, seed=seed) for seed in range(3))
    for config in (good, bad):
        toy.finished(jobs.store.path, config)
    jobs.add(pending)
    bad_folder = jobs.store.run(bad.run_id)
    bad_folder.model_file.write_bytes(b"no weights")
    file = jobs.file()
    job = json.loads(file.read_bytes()) | {"evaluation": {"split": "test"}}
    job["run_ids"] = [bad.run_id, good.run_id, pending.run_id]
    file.write_text(json.dumps(job))
    run_job(file)
    outcomes = SubmissionFolder(file.parent).read_outcomes()
    assert outcomes[good.run_id] == ("finished", None)
    assert outcomes[bad.run_id][0] == outcomes[pending.run_id][0] == "refused"
    assert "it is damaged" in str(outcomes[bad.run_id][1])
    assert "has no weights yet" in str(outcomes[pending.run_id][1])
    record = jobs.store.run(good.run_id).read_record()
    assert record.evaluations["toys:stripes/test"].metrics["accuracy"] == record.metrics["test.accuracy"]
    assert f"{good.run_id}: toys:stripes/test: loss {record.metrics['test.loss']:.4f}" in capsys.readouterr().out
    # What this submission has done is not done once more.
    os.truncate(bad_folder.model_file, 0)
    run_job(file)
    assert SubmissionFolder(file.parent).read_outcomes() == outcomes
