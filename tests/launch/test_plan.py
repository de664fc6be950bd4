from __future__ import annotations

import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.components.pretrained.places import file_hash
from cnnjobs.disk.metrics_log import MetricsLog
from cnnjobs.disk.record import RunRecord
from cnnjobs.disk.run_folder import RunState, RunStore
from cnnjobs.errors import DataError, InputError, StorageError
from cnnjobs.launch.plan.carrying_out import carried_out
from cnnjobs.launch.plan.plan import Action, Selection, check_weights, make_plan
from cnnjobs.status.run_status import read_status
from cnnjobs.sweep.file import Sweep, read_sweep

Put = Callable[..., None]


def actions(sweep: Sweep, store: RunStore, **options: bool) -> list[tuple[Action, str]]:
    return [(planned.action, planned.reason) for planned in make_plan(sweep, store, Selection(**options)).runs]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything_is_new_and_looking_writes_nothing(sweep: Sweep, store: RunStore, tmp_path: Path) -> None:
    before = contents(tmp_path)
    assert actions(sweep, store) == [(Action.NEW, "not run yet")] * 4
    assert contents(tmp_path) == before


def test_each_state_has_its_fate(sweep: Sweep, store: RunStore, put: Put) -> None:
    put(0, RunState.FINISHED)
    put(1, RunState.FAILED, cause="diverged at step 3")
    put(2, RunState.INTERRUPTED, checkpoint=True)
    put(3, RunState.RUNNING)
    assert actions(sweep, store) == [
        (Action.FINISHED, "kept"),
        (Action.FAILED, "diverged at step 3"),
        (Action.RESUMED, "interrupted; goes on from its last whole epoch"),
        (Action.NEW, "interrupted before its first whole epoch"),
    ]
    with store.run(sweep.runs[3].run_id).claim():
        plan = make_plan(sweep, store)
    assert plan.runs[3].action is Action.RUNNING
    assert plan.runs[3].reason == "held by process 1 on elsewhere"
    assert plan.to_run == (sweep.runs[2],)


def test_a_cancelled_run_starts_again(sweep: Sweep, store: RunStore, put: Put) -> None:
    put(0, RunState.CANCELLED)
    assert actions(sweep, store)[0] == (Action.AGAIN, "was cancelled")
    with carried_out(sweep, store):
        assert store.run(sweep.runs[0].run_id).read_record().state is RunState.PENDING


@pytest.mark.parametrize("retry", [True, False])
def test_a_retry_forgives_what_was_interrupted_and_keeps_its_epochs(
    sweep: Sweep, store: RunStore, put: Put, retry: bool
) -> None:
    put(0, RunState.INTERRUPTED, cause="time limit: goes on from epoch 0", checkpoint=True)
    put(1, RunState.RUNNING)
    ids = [run.run_id for run in sweep.runs]
    with carried_out(sweep, store, Selection(only=frozenset(ids[:2]) if retry else None)) as plan:
        assert [planned.action for planned in plan.runs[:2]] == [Action.RESUMED, Action.NEW]
    records = [store.run(run_id).read_record() for run_id in ids[:2]]
    states = ["pending", "pending"] if retry else ["interrupted", "interrupted"]
    assert [record.state for record in records] == states
    assert [record.forgiven for record in records] == [int(retry)] * 2
    assert [len(record.attempts) for record in records] == [1, 1]
    assert store.run(ids[0]).checkpoint_file.exists()
    assert not store.run(ids[2]).record_file.exists()


def test_what_left_the_file_is_named_and_kept(sweep: Sweep, store: RunStore, put: Put) -> None:
    put(0, RunState.FINISHED)
    before = contents(store.path)
    rest = replace(sweep, runs=sweep.runs[1:])
    assert make_plan(rest, store).left == (sweep.runs[0].run_id,)
    with carried_out(rest, store):
        pass
    assert before.items() <= contents(store.path).items()


def test_retrying_keeps_the_checkpoint_and_the_attempts(sweep: Sweep, store: RunStore, put: Put) -> None:
    put(0, RunState.FAILED, cause="out of memory", checkpoint=True)
    assert actions(sweep, store, retry_failed=True)[0] == (Action.AGAIN, "--retry-failed: out of memory")
    with carried_out(sweep, store, Selection(retry_failed=True)) as plan:
        assert len(plan.to_run) == 4
    record = store.run(sweep.runs[0].run_id).read_record()
    assert (record.state, record.cause, len(record.attempts)) == (RunState.PENDING, None, 1)
    assert store.run(sweep.runs[0].run_id).checkpoint_file.exists()


def test_force_forgets_what_was_trained_but_not_who_trains_now(sweep: Sweep, store: RunStore, put: Put) -> None:
    put(0, RunState.FINISHED, checkpoint=True, metrics={"test.accuracy": 0.9}, epochs_done=10.0)
    put(1, RunState.RUNNING)
    first = store.run(sweep.runs[0].run_id)
    first.metrics_file.write_text('{"step": 1}\n')
    with store.run(sweep.runs[1].run_id).claim(), carried_out(sweep, store, Selection(force=True)) as plan:
        assert [planned.action for planned in plan.runs] == [Action.AGAIN, Action.RUNNING, Action.NEW, Action.NEW]
        assert plan.runs[0].reason == "--force: was finished, starts from nothing"
    record = first.read_record()
    assert (record.state, record.metrics, record.epochs_done) == (RunState.PENDING, {}, 0.0)
    assert len(record.attempts) == 1
    assert not first.checkpoint_file.exists()
    assert first.read_metrics() == []


class Killed(BaseException):
    """The end of the process, at one of its file operations."""


def _killed_at(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operation of that number, of those that change a file, never happens."""
    done = iter(range(number))

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            if next(done, None) is None:
                raise Killed
            return real(*given, **named)

        return call

    for owner, name in (
        (Path, "rename"), (Path, "replace"), (Path, "unlink"), (Path, "mkdir"), (Path, "hardlink_to"),
        (shutil, "copyfileobj"), (os, "fsync"), (MetricsLog, "keep_up_to"),
    ):  # fmt: skip
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))


def test_force_keeps_a_finished_run_whole_whenever_it_is_killed(
    sweep: Sweep, store: RunStore, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = store.run(sweep.runs[0].run_id)
    line = '{"attempt": 1, "step": 1, "epoch": 10.0, "validation.accuracy": 0.9}\n'
    killed = 0
    for number in range(100):
        shutil.rmtree(store.path, ignore_errors=True)
        put(0, RunState.FINISHED, metrics={"test.accuracy": 0.9}, epochs_done=10.0)
        folder.metrics_file.write_text(line)
        folder.model_file.write_bytes(b"weights")
        try:
            with monkeypatch.context() as patched:
                _killed_at(number, patched)
                with carried_out(sweep, store, Selection(force=True)):
                    pass
        except Killed:
            killed += 1
        kept = folder.results
        assert (kept.run_id, kept.read_record().state) == (folder.run_id, RunState.FINISHED), number
        assert kept.read_record().metrics == {"test.accuracy": 0.9}
        assert (kept.metrics_file.read_text(), kept.model_file.read_bytes()) == (line, b"weights")
        folder.check_weights()
        if number >= killed:
            break
    assert killed > 10
    assert folder.read_record().state is RunState.PENDING
    assert "stays in reports" in read_status(folder, sweep.runs[0]).notes[0]
    folder.write_record(RunRecord(run_id=folder.run_id, state=RunState.FINISHED))
    assert folder.results is folder
    folder.drop_leftovers()
    assert not folder.earlier_folder.exists()


def test_carrying_out_makes_every_folder_and_holds_the_sweep(sweep: Sweep, store: RunStore) -> None:
    with carried_out(sweep, store):
        assert store.sweep_file.read_text() == sweep.text
        assert [run.run_id for run in sweep.runs] == [run.config.run_id for run in sweep.runs]
        assert {folder.run_id for folder in store.runs()} == {run.run_id for run in sweep.runs}
        with pytest.raises(InputError) as refused, carried_out(sweep, store):
            pass
    assert str(refused.value) == (
        f"four is being run already, by process {os.getpid()} on {os.uname().nodename}; look at it with: cnnjobs status"
    )
    with carried_out(sweep, store):
        pass


@pytest.mark.parametrize("existing", [False, True])
def test_a_disk_that_fills_up_leaves_nothing_new(
    sweep: Sweep, store: RunStore, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: bool
) -> None:
    if existing:
        put(0, RunState.FINISHED)
    before = {path for path in (tmp_path / "results").rglob("*") if path.name != ".launcher"}
    calls = iter(range(100))

    def fill_up(file: int) -> None:
        if next(calls) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fill_up)
    with pytest.raises(StorageError, match="the disk is full"), carried_out(sweep, store):
        pass
    after = {path for path in (tmp_path / "results").rglob("*") if path.name not in (".launcher", "sweep.yaml")}
    assert after == before
    assert (tmp_path / "results").exists() is existing


def _save(file: Path, content: str) -> None:
    """A file in the form that torch.save gives it."""
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("best/data.pkl", pickle.dumps({"conv1.weight": content}, protocol=2))


def test_missing_and_changed_weights_are_found_before_anything_starts(
    sweep: Sweep, store: RunStore, tmp_path: Path
) -> None:
    sweep.path.write_text(sweep.text.replace("epochs: 10", "epochs: 10, weights: best.pth"))
    other = read_sweep(sweep.path)
    with pytest.raises(DataError) as missing:
        check_weights(make_plan(other, store), [tmp_path])
    assert str(missing.value).startswith("weights `best.pth`: no such file; looked for\n")
    assert f"  {tmp_path}/weights/best.pth" in str(missing.value)
    (tmp_path / "weights").mkdir()
    file = tmp_path / "weights" / "best.pth"
    _save(file, "weights")
    check_weights(make_plan(other, store), [tmp_path])
    folder = store.run(other.runs[0].run_id)
    folder.create(other.runs[0].config)
    folder.write_record(RunRecord(run_id=folder.run_id, state=RunState.FINISHED, weights_sha256=file_hash(file)))
    check_weights(make_plan(other, store), [tmp_path])
    _save(file, "other weights")
    with pytest.raises(
        DataError, match=r"best.pth have changed since runs began with them .* start anew with --force$"
    ):
        check_weights(make_plan(other, store), [tmp_path])
    check_weights(make_plan(other, store, Selection(force=True)), [tmp_path])
