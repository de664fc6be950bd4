from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from cnnjobs.config.run import RunConfig
from cnnjobs.disk.fence import Superseded
from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import Attempt, RunFolder, RunRecord, RunState, RunStore
from cnnjobs.errors import RunError
from cnnjobs.system.failure import cause_of
from cnnjobs.training.data.pipeline import DataSets
from cnnjobs.training.data.test_predictions import read_outcome
from cnnjobs.training.loop.trainer import Trainer
from cnnjobs.training.loop.workload import NetworkWorkload
from cnnjobs.worker.attempt import RunAttempt
from cnnjobs.worker.claim.claimed_run import ClaimedRun
from cnnjobs.worker.claim.heartbeat import Heartbeat


class Runs:
    """Runs in a folder of their own, started in this process."""

    def __init__(self, path: Path) -> None:
        self.store = RunStore(path / "sweep")
        self.data_sets = DataSets((), torch.device("cpu"))
        self.said: list[str] = []

    def folder(self, run: RunConfig) -> RunFolder:
        folder = self.store.run(run.run_id)
        folder.create(run)
        return folder

    def claimed(self, folder: RunFolder, stopped: Callable[[], bool] = lambda: False) -> ClaimedRun:
        held = ExitStack()
        log = held.enter_context(folder.claim())
        assert log is not None
        return ClaimedRun(Storage(folder, stopped, self.said.append), log, held)

    def start(self, run: RunConfig, stopped: Callable[[], bool] = lambda: False) -> RunRecord:
        folder = self.folder(run)
        with self.claimed(folder, stopped) as claimed:
            RunAttempt(claimed, NetworkWorkload(self.data_sets), threads=1).execute()
        return folder.read_record()

    def start_and_stop(self, run: RunConfig, after_epochs: int) -> RunRecord:
        """Stop in the epoch after `after_epochs` whole ones."""
        folder = self.folder(run)
        return self.start(run, lambda: len(folder.read_metrics()) >= after_epochs)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def names(folder: RunFolder) -> set[str]:
    return {file.name.partition(".tfevents")[0] for file in folder.path.iterdir()}


def test_a_finished_run_leaves_its_record_metrics_weights_and_events(runs: Runs, toy: Any) -> None:
    run = toy.config()
    record, folder = runs.start(run), runs.folder(run)
    assert names(folder) == {"config.yaml", "record.json", "metrics.jsonl", "model.pt", "predictions.npz", "events.out"}
    assert (record.state, record.cause, record.notes) == (RunState.FINISHED, None, ())
    assert (record.planned_epochs, record.epochs_done, record.best_epoch) == (3, 3.0, 3.0)
    assert (record.input_shape, record.classes) == ((1, 8, 8), ("rows", "columns", "plain"))
    assert record.num_images == {"train": 96, "validation": 40, "test": 30}
    assert set(record.versions) >= {"python", "torch", "cnnjobs", "processor"}
    (attempt,) = record.attempts
    assert (attempt.number, attempt.device, attempt.threads, attempt.from_epoch) == (1, "cpu", 1, 0)
    assert attempt.ended is not None
    lines = folder.read_metrics()
    assert [line["attempt"] for line in lines] == [1, 1, 1]
    trainer = toy.trainer(run)
    trainer.model.load_state_dict(torch.load(folder.model_file, weights_only=True))
    assert trainer.final_metrics() == record.metrics
    outcome = read_outcome(folder)
    assert outcome is not None
    assert outcome.right.mean() == record.metrics["test.accuracy"]
    assert runs.said[0] == "attempt 1, cpu, threads: 1"
    assert runs.said[1].startswith("epoch 1/3, train loss ")
    assert runs.said[-1].startswith("finished: train.loss ")


def test_a_run_that_is_cancelled_before_its_first_record_does_not_train(runs: Runs, toy: Any) -> None:
    run = toy.config()
    folder = runs.folder(run)
    with runs.claimed(folder) as claimed:
        attempt = RunAttempt(claimed, NetworkWorkload(runs.data_sets), threads=1)
        folder.cancel("cancelled by me")
        assert attempt.execute() is RunState.CANCELLED
    record = folder.read_record()
    assert (record.state, record.cause, record.epochs_done) == (RunState.CANCELLED, "cancelled by me", 0.0)
    assert folder.read_metrics() == []
    assert folder.settle_cancellation()
    assert not folder.cancel_file.exists()


def test_a_run_that_was_cancelled_on_a_host_that_sees_no_lock_stays_cancelled(runs: Runs, toy: Any) -> None:
    folder = runs.folder(toy.config())
    with runs.claimed(folder) as claimed:
        attempt = RunAttempt(claimed, NetworkWorkload(runs.data_sets), threads=1)
        cancelled = RunRecord(run_id=folder.run_id, state=RunState.CANCELLED, cause="cancelled elsewhere")
        folder.write_record(cancelled)
        with pytest.raises(Superseded):
            attempt.execute()
    assert folder.read_record() == cancelled


def test_a_run_that_is_cancelled_while_it_trains_ends_at_the_next_heartbeat(
    runs: Runs, toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnnjobs.worker.claim.claimed_run.Heartbeat", partial(Heartbeat, look_s=0.001))
    run = toy.config(epochs=1_000_000)
    folder = runs.folder(run)

    def stopped() -> bool:
        if folder.read_metrics() and folder.cancellation() is None:
            folder.cancel("cancelled by me")
        return False

    record = runs.start(run, stopped)
    assert (record.state, record.cause) == (RunState.CANCELLED, "cancelled by me")
    assert record.epochs_done >= 1


def test_a_stopped_run_goes_on_to_the_same_end(runs: Runs, toy: Any, tmp_path: Path) -> None:
    run = toy.config()
    expected = Runs(tmp_path / "undisturbed")
    undisturbed = expected.start(run)
    stopped = runs.start_and_stop(run, after_epochs=2)
    assert (stopped.state, stopped.cause, stopped.epochs_done) == (RunState.INTERRUPTED, "stopped", 2.0)
    assert stopped.attempts[0].ended is not None
    record, folder = runs.start(run), runs.folder(run)
    assert record.state is RunState.FINISHED
    assert [attempt.from_epoch for attempt in record.attempts] == [0, 2]
    assert record.metrics == undisturbed.metrics
    assert [line["attempt"] for line in folder.read_metrics()] == [1, 1, 2]
    assert toy.timeless(folder.read_metrics()) == toy.timeless(expected.folder(run).read_metrics())
    weights, others = (torch.load(one.folder(run).model_file, weights_only=True) for one in (runs, expected))
    assert all(torch.equal(weights[name], others[name]) for name in others)
    assert len(folder.event_files()) == 1


def test_a_run_goes_on_with_the_threads_that_it_began_with(runs: Runs, toy: Any) -> None:
    run = toy.config()
    runs.start_and_stop(run, after_epochs=1)
    folder = runs.folder(run)
    with runs.claimed(folder) as claimed:
        RunAttempt(claimed, NetworkWorkload(runs.data_sets), threads=2).execute()
    assert [attempt.threads for attempt in folder.read_record().attempts] == [1, 1]
    assert torch.get_num_threads() == 1


def test_a_damaged_record_costs_no_epoch(runs: Runs, toy: Any, tmp_path: Path) -> None:
    run = toy.config()
    undisturbed = Runs(tmp_path / "undisturbed").start(run)
    folder = runs.folder(run)
    for epochs in (1, 2):
        runs.start_and_stop(run, after_epochs=epochs)
    folder.record_file.write_bytes(b"")
    record = runs.start(run)
    assert (record.state, record.metrics) == (RunState.FINISHED, undisturbed.metrics)
    assert [(attempt.number, attempt.from_epoch) for attempt in record.attempts] == [(3, 2)]
    assert [line["epoch"] for line in folder.read_metrics()] == [1.0, 2.0, 3.0]
    assert record.notes == ("record.json was damaged (it is empty): set aside as record.json.damaged",)


def test_a_damaged_checkpoint_is_passed_over_and_said(runs: Runs, toy: Any) -> None:
    run = toy.config(epochs=4)
    runs.start_and_stop(run, after_epochs=3)
    folder = runs.folder(run)
    folder.checkpoint_file.write_bytes(folder.checkpoint_file.read_bytes()[:1000])
    record = runs.start(run)
    note = "attempt 2: checkpoint.pt could not be used (it is cut short or damaged): went on from epoch 2"
    assert record.notes == (note,)
    assert f"note: {note}" in runs.said
    assert [line["step"] for line in folder.read_metrics()] == [12, 24, 36, 48]
    assert record.state is RunState.FINISHED


@pytest.mark.parametrize("loss", ["both checkpoints", "metrics"])
def test_without_anything_whole_a_run_starts_anew_and_says_so(runs: Runs, toy: Any, loss: str) -> None:
    run = toy.config()
    runs.start_and_stop(run, after_epochs=2)
    folder = runs.folder(run)
    if loss == "metrics":
        folder.metrics_file.unlink()
        expected = "attempt 2: metrics.jsonl holds 0 of the checkpoint's 2 lines: started anew"
    else:
        folder.checkpoint_file.write_bytes(b"rubbish")
        folder.previous_checkpoint_file.write_bytes(b"")
        damaged = "could not be used (it is cut short or damaged)"
        expected = f"attempt 2: checkpoint.pt {damaged}; checkpoint.previous.pt {damaged}: started anew"
    record = runs.start(run)
    assert record.notes == (expected,)
    assert (record.state, record.attempts[1].from_epoch) == (RunState.FINISHED, 0)
    assert [line["attempt"] for line in folder.read_metrics()] == [2, 2, 2]


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"model__name": "toys:Exploding"}, "diverged at step 9: the loss is no longer a number; try a smaller lr"),
        ({"dataset": {"name": "toys:missing"}}, "data set `missing`: not found; cnnjobs data fetch missing"),
    ],
)
def test_a_failed_run_says_why(runs: Runs, toy: Any, changes: dict[str, Any], cause: str) -> None:
    record = runs.start(toy.config(**changes))
    assert (record.state, record.cause, record.metrics) == (RunState.FAILED, cause, {})
    assert record.attempts[0].ended is not None
    assert runs.said[-1] == f"failed: {cause}"


def test_an_exception_is_told_with_its_last_frame(runs: Runs, toy: Any, toys: Path) -> None:
    record = runs.start(toy.config(model__name="toys:Breaking"))
    assert record.state is RunState.FAILED
    number = (toys / "toys.py").read_text().split("raise ValueError")[0].count("\n") + 1
    assert record.cause == f"ValueError: the eleventh step is too much ({toys / 'toys.py'}:{number} in forward)"
    assert record.traceback is not None
    assert "in _train_step" in record.traceback


def test_full_memory_is_told_in_words() -> None:
    gpu = cause_of(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"))
    assert gpu.startswith("the GPU's memory is full: make batch_size smaller, or run or stack fewer at once (CUDA")
    host = cause_of(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"))
    assert host.startswith("the machine's memory is full: make batch_size smaller, or run or stack fewer at once")


def test_a_configuration_of_another_version_fails_the_run_alone(runs: Runs, toy: Any) -> None:
    run = toy.config()
    folder = runs.folder(run)
    folder.config_file.write_text(folder.config_file.read_text() + "sharpness: 3\n")
    record = runs.start(run)
    assert record.state is RunState.FAILED
    assert record.cause is not None
    assert record.cause.endswith("config.yaml: sharpness: unknown key; written by another version?")


def silent(number: int, from_epoch: int) -> Attempt:
    return Attempt(number=number, host="here", pid=1, started="2026-01-01T00:00:00+00:00", from_epoch=from_epoch)


def test_a_run_that_keeps_killing_its_process_is_not_started_a_fourth_time(runs: Runs, toy: Any) -> None:
    run = toy.config()
    folder = runs.folder(run)
    past = tuple(silent(number, 0) for number in (1, 2, 3))
    folder.write_record(RunRecord(run_id=run.run_id, state=RunState.RUNNING, attempts=past))
    record = runs.start(run)
    assert record.state is RunState.FAILED
    assert record.cause == (
        "the last 3 starts all ended without an error message before the end of epoch 1: killed, out of memory, or the "
        "machine went down; give the job more memory, then use --retry-failed"
    )
    assert folder.read_metrics() == []
    # What a retry does: these starts count no longer, however the next ones end.
    for ends in (0, 2):
        later = (*past, *(silent(4 + number, 0) for number in range(ends)))
        state = RunState.RUNNING if ends else RunState.PENDING
        folder.reset()
        folder.write_record(RunRecord(run_id=run.run_id, state=state, attempts=later, forgiven=3))
        record = runs.start(run)
        assert (record.state, record.forgiven) == (RunState.FINISHED, 3)
    later = (*past, *(silent(number, 0) for number in (4, 5, 6)))
    folder.reset()
    folder.write_record(RunRecord(run_id=run.run_id, state=RunState.RUNNING, attempts=later, forgiven=3))
    assert runs.start(run).state is RunState.FAILED


@pytest.mark.parametrize("past", [(silent(1, 0), silent(2, 0)), (silent(1, 1), silent(2, 0), silent(3, 0))])
def test_a_run_that_was_killed_less_often_or_got_on_is_started(runs: Runs, toy: Any, past: Any) -> None:
    run = toy.config()
    runs.folder(run).write_record(RunRecord(run_id=run.run_id, state=RunState.RUNNING, attempts=past))
    assert runs.start(run).state is RunState.FINISHED


def test_notes_tell_what_a_reader_might_not_expect(runs: Runs, toy: Any) -> None:
    record = runs.start(toy.config(dataset__validation=0))
    assert record.notes == ("no validation images: the final metrics are those of the last epoch's weights",)
    record = runs.start(toy.config(early_stopping=1, lr=0.5, epochs=20))
    assert record.notes == ("stopped early: 1 validations without a lower validation loss",)
    assert record.epochs_done < record.planned_epochs


def test_a_run_that_was_stopped_while_it_ended_ends_again(
    runs: Runs, toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = toy.config()
    with monkeypatch.context() as patch:
        patch.setattr("cnnjobs.training.loop.trainer.Trainer.final_metrics", lambda self: 1 / 0)
        failed = runs.start(run)
    assert failed.cause is not None
    assert failed.cause.startswith("ZeroDivisionError: division by zero (")
    before = runs.folder(run).read_metrics()
    record = runs.start(run)
    assert (record.state, record.attempts[1].from_epoch) == (RunState.FINISHED, 3)
    assert runs.folder(run).read_metrics() == before


def test_a_changed_network_is_refused_before_it_mixes_with_the_old(
    runs: Runs, toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = toy.config()
    runs.start_and_stop(run, after_epochs=1)

    def refuse(self: Any, state: Any) -> None:
        raise RunError("the checkpoint does not fit")

    with monkeypatch.context() as patch:
        patch.setattr("cnnjobs.training.loop.trainer.Trainer.restore", refuse)
        assert runs.start(run).cause == "the checkpoint does not fit"
    assert runs.start(run).state is RunState.FINISHED


def test_the_record_is_json_that_anyone_can_read(runs: Runs, toy: Any) -> None:
    run = toy.config()
    record = runs.start(run)
    assert json.loads(runs.folder(run).record_file.read_text())["metrics"] == record.metrics


def test_a_run_never_goes_on_with_other_images(runs: Runs, toy: Any, shades: Path, tmp_path: Path) -> None:
    data = shutil.copytree(shades, tmp_path / "data")
    runs.data_sets = DataSets([data], torch.device("cpu"))
    run = toy.config(dataset="shades", model="toys:Plain")
    began = runs.start_and_stop(run, after_epochs=1)
    assert began.data_sha256 is not None
    removed = data / "shades" / "train" / "dark" / "0.png"
    content = removed.read_bytes()
    removed.unlink()
    runs.data_sets = DataSets([data], torch.device("cpu"))
    refused = runs.start(run)
    assert (refused.state, refused.epochs_done) == (RunState.FAILED, 1.0)
    assert str(refused.cause).startswith(f"data set `shades` has changed (SHA-256 {began.data_sha256[:16]}... then, ")
    assert str(refused.cause).endswith(
        "since the run began with it; put the old images back, or start anew with --force"
    )
    # Of a run that an earlier version began, only the number of images is known.
    folder = runs.folder(run)
    folder.write_record(refused.model_copy(update={"data_sha256": None, "num_images": began.num_images}))
    counts = "(72 train + 8 validation + 16 test then, 71 train + 8 validation + 16 test now)"
    for _ in range(2):
        assert f"has changed {counts} since the run began with it" in str(runs.start(run).cause)
    removed.write_bytes(content)
    runs.data_sets = DataSets([data], torch.device("cpu"))
    record = runs.start(run)
    assert (record.state, record.data_sha256) == (RunState.FINISHED, began.data_sha256)


def test_a_run_without_a_whole_epoch_starts_with_the_images_that_are_there(
    runs: Runs, toy: Any, shades: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(shades, tmp_path / "data")
    runs.data_sets = DataSets([data], torch.device("cpu"))
    run = toy.config(dataset="shades", model="toys:Plain", epochs=1)
    before = runs.start(run, lambda: True).data_sha256
    (data / "shades" / "train" / "dark" / "0.png").unlink()
    runs.data_sets = DataSets([data], torch.device("cpu"))
    record = runs.start(run)
    assert record.state is RunState.FINISHED
    assert None not in (before, record.data_sha256)
    assert record.data_sha256 != before


def test_images_of_an_import_path_have_a_fingerprint(toy: Any) -> None:
    one, again, other = (toy.data(toy.config(dataset={"name": "toys:stripes", "train": n})).sha256 for n in (9, 9, 12))
    assert one == again != other


def test_what_a_user_must_know_of_the_data_is_in_the_record(runs: Runs, toy: Any, shades: Path, tmp_path: Path) -> None:
    data = shutil.copytree(shades, tmp_path / "data")
    (data / "shades" / "train" / "dark" / "notes.txt").touch()
    runs.data_sets = DataSets([data], torch.device("cpu"))
    (note,) = runs.start(toy.config(dataset="shades", model="toys:Plain", epochs=1)).notes
    assert note.startswith(f"{data / 'shades'}: 1 file is not an image and was passed over (1 .txt), the first is ")


def test_without_validation_images_the_last_weights_count(runs: Runs, toy: Any, shades: Path) -> None:
    runs.data_sets = DataSets([shades], torch.device("cpu"))
    run = toy.config(dataset={"name": "shades", "validation": 0, "subset": {"test": 6}}, epochs=2)
    stopped = runs.start_and_stop(run, after_epochs=1)
    assert (stopped.state, stopped.num_images) == (RunState.INTERRUPTED, {"train": 80, "validation": 0, "test": 6})
    record, folder = runs.start(run), runs.folder(run)
    assert (record.state, record.best_epoch, record.epochs_done) == (RunState.FINISHED, 2.0, 2.0)
    assert record.metrics.keys() == {f"{split}.{name}" for split in ("train", "test") for name in ("loss", "accuracy")}
    assert record.notes == ("no validation images: the final metrics are those of the last epoch's weights",)
    assert all("validation.loss" not in line for line in folder.read_metrics())
    trainer = Trainer(run, runs.data_sets.get(run))
    trainer.train(lambda _: None, lambda: None)
    assert trainer.final_metrics() == record.metrics
