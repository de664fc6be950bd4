"""A results folder that goes away: while a run trains, while it starts, while it ends; for a moment or for good."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from cnnjobs.disk import outage as storage
from cnnjobs.disk.files import write_whole
from cnnjobs.disk.metrics_log import MetricsLog
from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import RunFolder, RunState, RunStore
from cnnjobs.errors import StorageError
from cnnjobs.system.log import say
from cnnjobs.system.stop_request import Stopped
from cnnjobs.training.loop import checkpoint
from cnnjobs.worker.run_list import run_job


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_LOOK_S", 0.01)


@pytest.fixture
def folder(tmp_path: Path, toy: Any) -> RunFolder:
    run = toy.config()
    made = RunStore(tmp_path / "sweep").run(run.run_id)
    made.create(run)
    return made


class Place:
    """The results folder of a run: it can be taken away and put back."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder, self.said = folder, list[str]()
        self.results = folder.path.parent
        self.away = self.results.with_name("away")
        self.asked = False
        self.storage = Storage(folder, lambda: self.asked, self.said.append)

    def take(self) -> None:
        self.results.rename(self.away)

    def bring_back(self) -> None:
        self.away.rename(self.results)

    def soon(self, then: Callable[[], None], after_s: float = 0.1) -> None:
        threading.Timer(after_s, then).start()


@pytest.fixture
def place(folder: RunFolder) -> Place:
    return Place(folder)


def test_a_run_whose_results_are_away_for_a_while_ends_as_if_they_had_been_there(
    jobs: Any, nursery: Any, toy: Any, tmp_path: Path
) -> None:
    run = toy.config(model__name="toys:Slow", augment=["crop", "flip"], epochs=8, validate_every=0.5)
    expected = type(jobs)(tmp_path / "other")
    (undisturbed,), (folder,) = expected.add(run), jobs.add(run)
    assert nursery.wait(nursery.start(expected.file())) == 0
    job_file = jobs.file()
    worker = nursery.start(job_file)
    until(lambda: len(folder.read_metrics()) >= 3)
    away = jobs.store.path.with_name("away")
    jobs.store.path.rename(away)
    until(lambda: "is away" in job_file.with_suffix(".log").read_text())
    assert not jobs.store.path.exists()
    away.rename(jobs.store.path)
    assert nursery.wait(worker) == 0
    record, other = folder.read_record(), undisturbed.read_record()
    assert (record.state, record.metrics, len(record.attempts)) == (RunState.FINISHED, other.metrics, 1)
    assert toy.timeless(folder.read_metrics()) == toy.timeless(undisturbed.read_metrics())
    assert folder.model_file.read_bytes() == undisturbed.model_file.read_bytes()
    assert len(list(folder.path.iterdir())) == len(list(undisturbed.path.iterdir()))
    said = job_file.with_suffix(".log").read_text()
    begin = f"{folder.run_id}: {jobs.store.path} is away (No such file or directory): waiting for it, 5 minutes at most"
    assert said.count(begin) == said.count(f"{jobs.store.path} is back after ") == 1


def test_what_is_asked_while_the_folder_is_away_is_done_when_it_is_back(place: Place) -> None:
    place.take()
    place.soon(place.bring_back)
    place.storage.retry(lambda: write_whole(place.folder.model_file, b"weights", make_folder=False))
    assert place.folder.model_file.read_bytes() == b"weights"
    assert not list(place.folder.path.glob(".*.tmp"))
    assert place.said == [
        f"{place.results} is away (No such file or directory): waiting for it, 5 minutes at most",
        f"{place.results} is back after 0 s",
    ]


def test_a_folder_that_is_away_is_not_taken_for_an_empty_one(place: Place) -> None:
    place.folder.write_checkpoint(checkpoint.to_bytes({"run_id": place.folder.run_id, "epoch": 3}))
    place.folder.write_record(place.folder.read_record().model_copy(update={"state": RunState.FINISHED}))
    place.take()
    assert place.folder.read_record().state is RunState.PENDING
    with pytest.raises(OSError, match="No such file"):
        checkpoint.load(place.folder)
    place.soon(place.bring_back)
    assert place.storage.look(place.folder.read_record).state is RunState.FINISHED
    assert len(place.said) == 2
    state, notes = place.storage.retry(lambda: checkpoint.load(place.folder))
    assert state is not None
    assert (state["epoch"], notes) == (3, ())


def refusing(number: int, times: int) -> Callable[[], str]:
    left = [times]

    def act() -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise StorageError("refused") from OSError(number, os.strerror(number))
        return "done"

    return act


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.EROFS, errno.ENOTCONN, errno.ETIMEDOUT])
def test_a_file_system_that_is_in_trouble_is_waited_for(place: Place, number: int) -> None:
    assert place.storage.retry(refusing(number, 3)) == "done"
    assert place.said[0].startswith(f"{place.results} is away ({os.strerror(number)}): ")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOENT])
def test_what_will_not_pass_by_itself_is_not_waited_for(place: Place, number: int) -> None:
    with pytest.raises(StorageError):
        place.storage.retry(refusing(number, 1))
    assert place.said == []


def test_a_folder_that_does_not_come_back_is_waited_for_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "PATIENCE_S", 0.1)
    place = Place(place.folder)
    place.take()
    with pytest.raises(StorageError, match="cannot be written"):
        place.storage.look(lambda: None)
    monkeypatch.setattr(storage.time, "sleep", lambda seconds: pytest.fail("waited again"))
    with pytest.raises(StorageError, match="cannot be written"):
        place.storage.look(lambda: None, at_the_end=True)


def test_a_stop_ends_the_waiting(place: Place) -> None:
    place.take()
    place.soon(lambda: setattr(place, "asked", True))
    with pytest.raises(Stopped):
        place.storage.look(lambda: None)


def test_the_end_of_a_stopped_run_still_has_a_moment(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.asked = True
    assert place.storage.retry(refusing(errno.ESTALE, 3), at_the_end=True) == "done"
    monkeypatch.setattr(storage, "LAST_PATIENCE_S", 0.05)
    with pytest.raises(StorageError):
        place.storage.retry(refusing(errno.ESTALE, 10**6), at_the_end=True)


def test_a_worker_waits_before_its_next_run_and_hears_a_stop_meanwhile(jobs: Any, nursery: Any, toy: Any) -> None:
    first, second = jobs.add(toy.config(), toy.config(seed=1))
    job_file = jobs.file()
    away = jobs.store.path.with_name("away")
    jobs.store.path.rename(away)
    worker = nursery.start(job_file)
    log = job_file.with_suffix(".log")
    until(lambda: log.exists() and "is away" in log.read_text())
    os.kill(worker, signal.SIGTERM)
    assert nursery.wait(worker) == 0
    assert log.read_text().splitlines()[1:] == [f"{min(first.run_id, second.run_id)}: stopped"]
    away.rename(jobs.store.path)
    assert first.read_record().state is RunState.PENDING


def test_a_line_that_was_refused_is_added_to_a_new_opening_of_the_file(folder: RunFolder) -> None:
    with folder.claim() as log:
        assert log is not None
        log.append({"attempt": 1, "step": 1})
        break_off(log, b'{"attempt": 1, "st')
        with pytest.raises(StorageError, match="Stale file handle"):
            log.append({"attempt": 1, "step": 2})
        log.append({"attempt": 1, "step": 2})
        log.append({"attempt": 1, "step": 3})
        assert [line["step"] for line in folder.read_metrics()] == [1, 2, 3]
        break_off(log, b"")
        with pytest.raises(StorageError, match="Stale file handle"):
            log.keep_up_to(2)
        assert [line["step"] for line in log.keep_up_to(2)] == [1, 2]
        # It is still the one that holds the run.
        with folder.claim() as second:
            assert second is None
    assert not folder.is_claimed()


def break_off(log: MetricsLog, begun: bytes) -> None:
    """From now on the opening is stale; a part of a line may have reached the disk."""

    class Stale:
        def __init__(self, file: Any) -> None:
            self.name, self._file = file.name, file

        def seek(self, *given: int) -> int:
            return int(self._file.seek(*given))

        def write(self, _content: bytes) -> int:
            self._file.write(begun)
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

        def read(self) -> bytes:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

        def truncate(self, _size: int) -> int:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

        def close(self) -> None:
            self._file.close()
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    log._hold.file = Stale(log._hold.file)  # type: ignore[assignment]


def test_a_log_that_cannot_be_written_to_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def write(self, _text: str) -> int:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

        def flush(self) -> None:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr("sys.stdout", Away())
    say("worker", "hello")


def test_results_that_are_gone_for_good_end_the_worker_at_its_first_run(
    jobs: Any, toy: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs.add(toy.config(), toy.config(seed=1))
    job_file = jobs.file()
    monkeypatch.setattr(storage, "PATIENCE_S", 0.05)
    jobs.store.path.rename(jobs.store.path.with_name("away"))
    with pytest.raises(StorageError, match="cannot be written"):
        run_job(job_file)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert "its end could not be written" in said[1]
