"""Logs of jobs are kept in one file when their folders go, whatever happens on the way."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from cnnjobs.disk.run_folder import RunStore
from cnnjobs.status.logs import kept_logs
from cnnjobs.status.logs.job_logs import RunLog

ONE, OTHER = "lenet5-mnist-sgd-lr0.1-s0-0123abcd", "lenet5-mnist-sgd-lr0.1-s1-4567abcd"


def job(store: RunStore, text: str, *, name: str = "0001", at: int = 1_000_000) -> Path:
    folder = store.jobs_folder / name
    folder.mkdir(parents=True)
    (folder / "job-1.json").write_text("{}")
    os.utime(folder / "job-1.json", (at, at))
    (folder / "7_0_log.out").write_text(text)
    (folder / "7_0_log.err").write_text("")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "sweep")


def texts(store: RunStore, run_id: str = ONE) -> list[str]:
    return [text for _, text in kept_logs.kept_logs(store, run_id)]


def test_a_log_outlives_its_folder_and_the_next_folder_of_that_number(store: RunStore) -> None:
    for at, words in ((1_000_000, "first"), (2_000_000, "again")):
        kept_logs.collect(store, job(store, f"{ONE}: {words}\n", at=at))
    assert not any(store.jobs_folder.iterdir())
    assert texts(store) == [f"{ONE}: first\n", f"{ONE}: again\n"]
    kept_logs.collect(store, job(store, f"{OTHER}: another worker has it\n", at=3_000_000))
    assert texts(store, OTHER) == []
    assert {path.name for path in store.path.iterdir()} == {"jobs", "logs.zip"}


def test_a_kill_between_keeping_and_removing_adds_nothing_twice(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = job(store, f"{ONE}: words\n")
    with monkeypatch.context() as killed:
        killed.setattr(kept_logs, "remove_folder", lambda _: None)
        kept_logs.collect(store, folder)
    kept_logs.collect(store, folder)
    assert not folder.exists()
    assert texts(store) == [f"{ONE}: words\n"]


def test_a_folder_whose_logs_cannot_be_kept_stays(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = job(store, f"{ONE}: words\n")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_logs.os, "fsync", full)
    kept_logs.collect(store, folder)
    assert (folder / "7_0_log.out").read_text() == f"{ONE}: words\n"
    assert [path.name for path in store.path.iterdir()] == ["jobs"]


def test_of_a_long_log_beginning_and_end_are_kept(store: RunStore) -> None:
    lines = [f"{ONE}: line {number:07}\n" for number in range(60_000)]
    kept_logs.collect(store, job(store, "".join(lines)))
    (text,) = texts(store)
    kept = text.splitlines(keepends=True)
    assert len(text) <= kept_logs.HEAD_BYTES + kept_logs.TAIL_BYTES + 100
    assert kept[0] == lines[0]
    assert kept[-1] == lines[-1]
    (gap,) = [line for line in kept if not line.startswith(ONE)]
    left_out = len("".join(lines)) - len(text) + len(gap)
    assert gap == f"... {left_out:,} bytes are left out here ...\n"


def test_where_there_are_too_many_the_oldest_go(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_logs, "MOST_BYTES", 4000)
    noise = [os.urandom(700).hex() for _ in range(8)]
    for number, words in enumerate(noise):
        kept_logs.collect(store, job(store, f"{ONE}: {words}\n", at=1_000_000 + number))
        assert store.logs_file.stat().st_size <= 4000
    kept = texts(store)
    assert kept == [f"{ONE}: {words}\n" for words in noise[-len(kept) :]]
    assert 2 <= len(kept) < 8


def test_a_damaged_archive_is_set_aside(store: RunStore) -> None:
    store.path.mkdir()
    store.logs_file.write_bytes(b"PK torn")
    ((name, _),) = kept_logs.kept_logs(store, ONE)
    assert "damaged" in name
    kept_logs.collect(store, job(store, f"{ONE}: words\n"))
    assert texts(store) == [f"{ONE}: words\n"]
    assert zipfile.is_zipfile(store.logs_file)
    assert (store.path / "logs.zip.damaged").read_bytes() == b"PK torn"


def test_what_a_network_prints_is_told_with_the_run_that_trained() -> None:
    text = "\n".join((
        "loading", f"{ONE}: attempt 1, cpu", "from one", f"{ONE}: finished: test.loss 0.5", f"{OTHER}: attempt 1, cpu",
        "from other", f"{OTHER}: failed: no", "worker: stopped", "end",
    ))  # fmt: skip
    one = [*RunLog((), ONE, is_shared=True).lines(text)]
    assert one == [
        "loading", f"{ONE}: attempt 1, cpu", "from one", f"{ONE}: finished: test.loss 0.5", "worker: stopped", "end",
    ]  # fmt: skip
    training = {OTHER}
    assert [*RunLog((), ONE, is_shared=True).lines("from other", training)] == []
