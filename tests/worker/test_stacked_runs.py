from __future__ import annotations

import itertools
import json
import re
import signal
import sys
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from cnnjobs.config.run import RunConfig
from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import RunFolder, RunRecord, RunState
from cnnjobs.training.data.pipeline import DataSets, Pipeline
from cnnjobs.training.data.test_predictions import read_outcome
from cnnjobs.training.loop import checkpoint
from cnnjobs.training.loop.workload import NetworkWorkload
from cnnjobs.training.stacks.trainer import Stack, StackedTrainer
from cnnjobs.worker.attempt import RunAttempt
from cnnjobs.worker.claim.claimed_run import ClaimedRun
from cnnjobs.worker.environment import JobEnvironment
from cnnjobs.worker.parallel.stacked_runs import Member, StackedRuns
from cnnjobs.worker.run_list import run_job

CNN = {"name": "cnn", "filters": [4, 6], "kernel_size": 3, "hidden": [8], "dropout": 0.3}


def stacked(path: Path, *runs: RunConfig, stopped: Any = lambda: False) -> list[RunFolder]:
    """Runs on disk, trained as one network."""
    folders = [RunFolder(path / run.run_id) for run in runs]
    data_sets = DataSets((), torch.device("cpu"))
    with ExitStack() as stack:
        members = []
        for folder, run in zip(folders, runs, strict=True):
            folder.create(run)
            claimed = stack.enter_context(ClaimedRun.take(Storage(folder, stopped, lambda _: None)))
            beside = [other.run_id for other in folders if other is not folder]
            workload = NetworkWorkload(data_sets, StackedTrainer)
            members.append(Member(RunAttempt(claimed, workload, threads=1, beside=beside), workload))
        StackedRuns(members).train()
    return folders


def losses(lines: list[dict[str, Any]]) -> list[float]:
    """The loss of every step: with so few in an epoch, a window of the training curve is one step."""
    return [value for line in lines for value in line["windows"]["loss"]]


@pytest.mark.parametrize(
    "changes",
    [
        {
            "model": {**CNN, "batch_norm": True},
            "augment": ["crop", "flip"],
            "optimizer": {"name": "sgd", "momentum": 0.9},
        },
        {
            "model": {**CNN, "pre_activation": True, "activation": "gelu"},
            "optimizer": "adam",
        },
        {"model": {**CNN, "batch_norm": True, "pooling": "average"}, "precision": "bfloat16"},
        {"model": "mnist_cnn", "dataset": {"name": "toys:stripes", "size": 12}},
    ],
    ids=["batch norm", "adam", "bfloat16", "mnist_cnn"],
)
def test_a_stacked_run_is_that_run_alone(toy: Any, tmp_path: Path, changes: Any) -> None:
    rates, decays = (0.002, 0.01, 0.03), (0.0, 0.01, 0.001)
    runs = [toy.config(lr=lr, weight_decay=decay, **changes) for lr, decay in zip(rates, decays, strict=True)]
    together = Stack([StackedTrainer(run, toy.data(run)) for run in runs])
    for first, run in zip(together.trainers, runs, strict=True):
        alone = toy.trainer(run).model.state_dict()
        assert all(torch.equal(weights, alone[name]) for name, weights in first.model.state_dict().items())
    for folder, run in zip(stacked(tmp_path, *runs), runs, strict=True):
        trainer, expected = toy.trained(run)
        lines, record = folder.read_metrics(), folder.read_record()
        assert len(losses(lines)) == 36
        assert losses(lines) == pytest.approx(losses(expected), abs=1e-4)
        for told, line in zip(lines, expected, strict=True):
            assert told["validation.loss"] == pytest.approx(line["validation.loss"], abs=1e-4)
            assert (told["step"], told["lr"]) == (line["step"], line["lr"])
        assert record.state is RunState.FINISHED
        assert record.metrics == pytest.approx(trainer.final_metrics(), abs=1e-4)
        assert record.attempts[0].stacked == 2
        assert record.notes[-1].startswith("trained stacked ")
        assert record.notes[-1].endswith(f": {', '.join(sorted(run.run_id for run in runs))}")
        weights = torch.load(folder.model_file, weights_only=True)
        torch.testing.assert_close(weights, checkpoint.plain_weights(trainer.model), atol=1e-4, rtol=1e-3)
        assert all(each.untyped_storage().nbytes() == each.nbytes for each in weights.values())
        outcome = read_outcome(folder)
        assert outcome is not None
        assert outcome.right.mean() == pytest.approx(record.metrics["test.accuracy"])


def test_what_ends_one_run_leaves_the_others_alone(toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = {**CNN, "batch_norm": True}
    good = [toy.config(model=model, lr=lr, epochs=5, validate_every=0.5) for lr in (0.01, 0.02)]
    diverging = toy.config(model=model, lr=1e30, epochs=5, validate_every=0.5)
    early = toy.config(model=model, lr=2.0, epochs=5, validate_every=0.5, early_stopping=1)
    broken = toy.config(model=model, lr=0.03, epochs=5, validate_every=0.5)
    update = StackedTrainer.update

    def failing(trainer: StackedTrainer) -> None:
        if trainer.config == broken and trainer.step == 8:
            raise ValueError("the ninth step is too much")
        update(trainer)

    monkeypatch.setattr(StackedTrainer, "update", failing)
    folders = stacked(tmp_path, diverging, good[0], broken, early, good[1])
    ends = [folder.read_record() for folder in folders]
    assert [end.state for end in ends] == ["failed", "finished", "failed", "finished", "finished"]
    assert ends[0].cause is not None
    assert "no longer a number" in ends[0].cause
    assert ends[2].cause is not None
    assert "the ninth step is too much" in ends[2].cause
    assert "stopped early" in ends[3].notes[-1]
    assert ends[3].epochs_done < 5
    assert not any(folder.is_claimed() for folder in folders)
    for folder, run in ((folders[1], good[0]), (folders[4], good[1]), (folders[3], early)):
        _, expected = toy.trained(run)
        # What is rounded otherwise grows at a learning rate of 2.
        assert losses(folder.read_metrics()) == pytest.approx(losses(expected), abs=1e-3, rel=1e-3)


def test_what_goes_wrong_with_the_batches_of_a_stack_is_told_of_each_run(
    toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = Pipeline.training_batches

    def failing(pipeline: Pipeline, epoch: int) -> Any:
        yield from islice(batches(pipeline, epoch), 5 if epoch else None)
        if epoch:
            raise OSError("the disk is gone")

    monkeypatch.setattr(Pipeline, "training_batches", failing)
    for folder in stacked(tmp_path, *(toy.config(model=CNN, lr=lr) for lr in (0.01, 0.02))):
        record = folder.read_record()
        assert (record.state, record.epochs_done) == (RunState.FAILED, 1)
        assert record.cause is not None
        assert "the disk is gone" in record.cause


def test_a_network_that_fails_in_a_stack_tells_where_as_it_does_alone(toy: Any, tmp_path: Path) -> None:
    one_left = {"model": {**CNN, "batch_norm": True}, "dataset__train": 17, "drop_last": False}
    for folder in stacked(tmp_path, *(toy.config(lr=lr, **one_left) for lr in (0.01, 0.02))):
        cause = folder.read_record().cause
        assert cause is not None
        assert "its layer fc_norm1 (BatchNorm1d) fails on what it is given of shape (1, 8)" in cause


def test_a_stack_goes_on_from_wherever_its_runs_stand(toy: Any, tmp_path: Path) -> None:
    runs = [toy.config(model={**CNN, "batch_norm": True}, lr=lr, epochs=4) for lr in (0.01, 0.02, 0.03)]
    wishes = itertools.count()
    folders = stacked(tmp_path, *runs, stopped=lambda: next(wishes) > 100)
    assert {folder.read_record().state for folder in folders} == {RunState.INTERRUPTED}
    assert {folder.read_record().epochs_done for folder in folders} == {2}
    state, _ = checkpoint.load(folders[0])
    assert state is not None
    assert all(each.untyped_storage().nbytes() == each.nbytes for each in state["model"].values())
    # As a kill between two checkpoints leaves it.
    folders[1].previous_checkpoint_file.replace(folders[1].checkpoint_file)
    stacked(tmp_path, *runs[:2])
    toy.finished(tmp_path, runs[2])
    for folder, run in zip(folders, runs, strict=True):
        trainer, expected = toy.trained(run)
        lines = folder.read_metrics()
        assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
        assert losses(lines) == pytest.approx(losses(expected), abs=1e-4)
        assert folder.read_record().metrics == pytest.approx(trainer.final_metrics(), abs=1e-4)
    assert [attempt.from_epoch for attempt in folders[1].read_record().attempts] == [0, 1]
    assert [note.count(run.run_id) for note in folders[0].read_record().notes for run in runs] == [1, 1, 1, 1, 1, 0]
    assert [attempt.stacked for attempt in folders[2].read_record().attempts] == [2, 0]


def test_a_run_that_waits_for_others_of_its_stack_is_not_given_up_for_it(
    toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead, behind = (toy.config(model=CNN, lr=lr, epochs=4) for lr in (0.01, 0.02))
    wishes = itertools.count()
    stacked(tmp_path, ahead, stopped=lambda: next(wishes) > 40)
    update, last_steps = StackedTrainer.update, {15, 27, 39}

    def dying(trainer: StackedTrainer) -> None:
        if trainer.step in last_steps:
            last_steps.remove(trainer.step)
            raise SystemExit
        update(trainer)

    monkeypatch.setattr(StackedTrainer, "update", dying)
    for _ in range(3):
        with pytest.raises(SystemExit):
            stacked(tmp_path, ahead, behind)
    first, second = (folder.read_record() for folder in stacked(tmp_path, ahead, behind))
    assert [(attempt.from_epoch, attempt.waited) for attempt in first.attempts] == [
        (0, False), (3, True), (3, True), (3, True), (3, False),
    ]  # fmt: skip
    assert [attempt.from_epoch for attempt in second.attempts] == [0, 1, 2, 3]
    assert (first.state, second.state) == (RunState.FINISHED, RunState.FINISHED)


def test_a_time_limit_while_a_run_waits_does_not_count_against_it(
    toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def limited(_: JobEnvironment, before: RunRecord, epoch: int) -> tuple[RunState, str]:
        cause = f"goes on from epoch {epoch}"
        return RunState.FAILED if before.cause == cause else RunState.INTERRUPTED, cause

    monkeypatch.setattr(JobEnvironment, "stopped", limited)
    ahead, behind = (toy.config(model=CNN, lr=lr, epochs=4) for lr in (0.01, 0.02))
    wishes = itertools.count()
    stacked(tmp_path, ahead, stopped=lambda: next(wishes) > 40)
    folders = stacked(tmp_path, ahead, behind, stopped=lambda: next(wishes) > 70)
    assert [folder.read_record().state for folder in folders] == [RunState.INTERRUPTED] * 2


def job_file(jobs: Any, *runs: RunConfig, if_small: bool = False) -> Path:
    """A job whose runs are one stack."""
    folders = jobs.add(*runs)
    file: Path = jobs.file()
    stacks = {"groups": [[folder.run_id for folder in folders]], "if_small": if_small}
    file.write_text(json.dumps({**json.loads(file.read_text()), "stacks": stacks}))
    return file


def test_a_worker_with_a_stack_that_is_killed_is_as_if_it_had_not_been(jobs: Any, nursery: Any, toy: Any) -> None:
    runs = [toy.config(lr=lr, epochs=2) for lr in (0.02, 0.05)]
    file = job_file(jobs, *runs)
    deaths = [nursery.wait(nursery.start(file, crash_at=number)) for number in (9, 30)]
    assert deaths == [-signal.SIGKILL] * 2
    assert nursery.wait(nursery.start(file)) == 0
    for run in runs:
        folder, (trainer, expected) = jobs.store.run(run.run_id), toy.trained(run)
        assert losses(folder.read_metrics()) == pytest.approx(losses(expected), abs=1e-4)
        record = folder.read_record()
        assert record.metrics == pytest.approx(trainer.final_metrics(), abs=1e-4)
        assert record.attempts[0].stacked == 1
    # Some went on from a checkpoint.
    assert any(attempt.from_epoch for run in runs for attempt in jobs.store.run(run.run_id).read_record().attempts)


def test_a_stack_that_takes_its_process_down_twice_is_trained_run_by_run(
    jobs: Any, toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [toy.config(lr=lr, epochs=1) for lr in (0.02, 0.05)]
    file = job_file(jobs, *runs)
    step = Stack.step
    monkeypatch.setattr(Stack, "step", lambda *_: sys.exit("as if it were killed"))
    for _ in range(2):
        with pytest.raises(SystemExit):
            run_job(file)
    monkeypatch.setattr(Stack, "step", step)
    run_job(file)
    for record in (jobs.store.run(run.run_id).read_record() for run in runs):
        assert [attempt.stacked for attempt in record.attempts] == [1, 1, 0]
        assert record.state is RunState.FINISHED
        assert "ended without an error message" in record.notes[-1]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"name": "toys:Slow"}, "they cannot be stacked: no way is known for Slow"),
        ({"name": "cnn", "filters": [128, 128]}, "million products for an image, stacking gains up to 2.5"),
        ({"name": "lenet5"}, "InputError in its preparation"),
    ],
    ids=["another forward", "too large", "broken"],
)
def test_runs_that_cannot_or_need_not_be_stacked_train_alone(
    jobs: Any, toy: Any, model: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [toy.config(model=model, lr=lr, epochs=1) for lr in (0.02, 0.05)]
    run_job(job_file(jobs, *runs, if_small=True))
    log = re.sub(r"[\d.]+ million", "million", capsys.readouterr().out)
    assert f"not stacked with the 1 that share its batches: {said}" in log
    ends = [jobs.store.run(run.run_id).read_record() for run in runs]
    assert {end.attempts[0].stacked for end in ends} == {0}
    assert {end.state for end in ends} == {"failed" if model["name"] == "lenet5" else "finished"}
    assert not any(end.notes for end in ends)


def test_a_stack_that_was_asked_for_and_cannot_be_is_in_the_records(jobs: Any, toy: Any) -> None:
    runs = [toy.config(model="toys:Slow", lr=lr, epochs=1) for lr in (0.02, 0.05)]
    run_job(job_file(jobs, *runs))
    notes = [jobs.store.run(run.run_id).read_record().notes for run in runs]
    assert notes == [("not stacked: they cannot be stacked: no way is known for Slow",)] * 2
