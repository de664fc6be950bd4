from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnnjobs.config.run import RunConfig
from cnnjobs.disk.files import write_whole
from cnnjobs.disk.run_folder import KILLED_CAUSE, Attempt, RunFolder, RunRecord, RunState, RunStore, stores
from cnnjobs.errors import InputError, StorageError

CONFIG = RunConfig.model_validate({"dataset": "fashion_mnist_mini", "model": "lenet5", "lr": 1e-05, "seed": 3})


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = RunStore(tmp_path / "sweep").run(CONFIG.run_id)
    run.create(CONFIG)
    return run


def test_the_configuration_comes_back_with_the_same_identity(folder: RunFolder) -> None:
    assert folder.read_config() == CONFIG
    assert folder.read_config().run_id == folder.run_id


def test_an_existing_configuration_stays(folder: RunFolder) -> None:
    before = folder.config_file.stat()
    folder.create(CONFIG)
    assert folder.config_file.stat().st_mtime_ns == before.st_mtime_ns


def test_a_configuration_of_another_version_is_refused_by_its_key(folder: RunFolder) -> None:
    folder.config_file.write_text(folder.config_file.read_text() + "sharpness: 3\n")
    with pytest.raises(InputError, match=r"config\.yaml: sharpness: unknown key; written by another version\?"):
        folder.read_config()


def test_a_file_is_replaced_whole_and_the_one_before_is_kept(tmp_path: Path) -> None:
    path, previous = tmp_path / "new" / "file", tmp_path / "new" / "file.previous"
    for content in (b"one", b"two", b"three"):
        write_whole(path, content, keep_as=previous)
    assert (path.read_bytes(), previous.read_bytes()) == (b"three", b"two")
    assert sorted(path.parent.iterdir()) == [path, previous]


def test_a_refused_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="the disk is full; free some space"):
        write_whole(path, b"new", keep_as=tmp_path / "previous")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


def test_metrics_are_appended_and_cut_back_to_a_step(folder: RunFolder) -> None:
    lines = [{"step": step, "train.loss": 1 / step} for step in (10, 20, 30)]
    with folder.claim() as log:
        assert log is not None
        for line in lines:
            log.append(line)
        assert folder.read_metrics() == lines
        assert log.keep_up_to(20) == lines[:2]
        log.append(lines[2])
    assert folder.read_metrics() == lines


def test_a_torn_last_line_is_not_read_and_goes(folder: RunFolder) -> None:
    folder.metrics_file.write_bytes(b'{"step": 1}\n{"step": 2, "train')
    assert folder.read_metrics() == [{"step": 1}]
    with folder.claim() as log:
        assert log is not None
        assert log.keep_up_to(99) == [{"step": 1}]
    assert folder.metrics_file.read_bytes() == b'{"step": 1}\n'


def test_a_line_that_the_disk_refuses_leaves_the_others_whole(folder: RunFolder) -> None:
    script = """
import resource, sys
from pathlib import Path
from cnnjobs.disk.run_folder import RunFolder
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
with RunFolder(Path(sys.argv[1])).claim() as log:
    log.append({"step": 1, "text": "x" * 50})
    log.append({"step": 2, "text": "x" * 50})
"""
    done = subprocess.run([sys.executable, "-c", script, str(folder.path)], capture_output=True, text=True, check=False)
    assert "StorageError" in done.stderr
    assert "metrics.jsonl: cannot be written (File too large)" in done.stderr
    assert [line["step"] for line in folder.read_metrics()] == [1]


def test_a_metric_that_is_no_number_is_never_written(folder: RunFolder) -> None:
    with folder.claim() as log:
        assert log is not None
        with pytest.raises(ValueError, match="Out of range"):
            log.append({"step": 1, "train.loss": float("nan")})
    assert folder.read_metrics() == []


def test_the_claim_is_exclusive_and_clears_what_a_dead_writer_left(folder: RunFolder) -> None:
    rubbish = folder.path / ".record.json.77.tmp"
    rubbish.write_bytes(b"half")
    assert not folder.is_claimed()
    with folder.claim() as log:
        assert log is not None
        assert log.locked
        assert folder.is_claimed()
        assert not rubbish.exists()
        with folder.claim() as second:
            assert second is None
    assert not folder.is_claimed()


def test_a_claim_in_a_folder_that_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"), RunFolder(tmp_path / "gone").claim():
        pass


def test_the_state_is_what_the_claim_says(folder: RunFolder) -> None:
    assert folder.read_record().state is RunState.PENDING
    attempt = Attempt(number=1, host="here", pid=1, started="2026-01-01T00:00:00+00:00")
    record = RunRecord(run_id=folder.run_id, state=RunState.RUNNING, attempts=(attempt,))
    with folder.claim():
        assert folder.read_record().state is RunState.RUNNING
        folder.write_record(record)
        assert folder.read_record() == record
    read = folder.read_record()
    assert (read.state, read.cause) == (RunState.INTERRUPTED, KILLED_CAUSE)
    finished = record.model_copy(update={"state": RunState.FINISHED, "metrics": {"test.accuracy": 0.9}})
    folder.write_record(finished)
    assert folder.read_record() == finished


def test_reset_forgets_what_was_trained_and_keeps_what_was_asked(folder: RunFolder) -> None:
    for file in (folder.checkpoint_file, folder.previous_checkpoint_file, folder.model_file):
        file.touch()
    (folder.path / "events.out.tfevents.1.host").touch()
    folder.reset()
    assert [file.name for file in folder.path.iterdir()] == ["config.yaml"]


def test_a_store_lists_its_runs_and_a_results_folder_its_sweeps(folder: RunFolder) -> None:
    store = RunStore(folder.path.parent)
    store.keep_sweep_file("name: one\n")
    other = RunStore(store.path.parent / "other")
    other.keep_sweep_file("name: two\n")
    os.utime(store.sweep_file, (1, 1))
    assert [run.run_id for run in store.runs()] == [folder.run_id]
    assert other.runs() == []
    assert RunStore(store.path / "nowhere").runs() == []
    assert [found.path.name for found in stores(store.path.parent)] == ["other", "sweep"]


def test_one_launcher_at_a_time(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "sweep")
    with store.launching() as first, store.launching() as second:
        assert (first, second) == (True, False)
    with store.launching() as again:
        assert again


def test_a_record_reads_back_as_it_was_written(folder: RunFolder) -> None:
    record = RunRecord(
        run_id=folder.run_id, notes=("a", "b"), metrics={"test.loss": 0.1 + 0.2}, versions={"torch": "2"}
    )
    folder.write_record(record)
    assert folder.read_record() == record
    assert json.loads(folder.record_file.read_text())["metrics"]["test.loss"] == 0.1 + 0.2


def test_a_cancelled_run_stays_so_whatever_its_process_writes_at_its_end(folder: RunFolder) -> None:
    folder.write_record(RunRecord(run_id=CONFIG.run_id, state=RunState.RUNNING))
    folder.cancel("cancelled by ann at noon")
    with folder.claim():
        assert folder.read_record().state is RunState.RUNNING
        assert not folder.settle_cancellation()
    folder.write_record(RunRecord(run_id=CONFIG.run_id, state=RunState.INTERRUPTED, cause="stopped"))
    assert (folder.read_record().state, folder.read_record().cause) == (RunState.CANCELLED, "cancelled by ann at noon")
    assert folder.settle_cancellation()
    assert not folder.cancel_file.exists()
    assert (folder.read_record().state, folder.read_record().cause) == (RunState.CANCELLED, "cancelled by ann at noon")


def test_a_run_that_finished_before_it_could_be_cancelled_is_finished(folder: RunFolder) -> None:
    folder.cancel("cancelled by ann at noon")
    assert folder.read_record().state is RunState.CANCELLED
    folder.write_record(RunRecord(run_id=CONFIG.run_id, state=RunState.FINISHED))
    assert folder.read_record().state is RunState.FINISHED
    assert folder.settle_cancellation()
    assert folder.read_record().state is RunState.FINISHED
