from __future__ import annotations

import errno
import fcntl
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from cnnjobs.components.data import cache as data_cache
from cnnjobs.components.data.cache import cache_folder, entry
from cnnjobs.components.data.decoding import Decoded, Source
from cnnjobs.components.files.places import Place


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CNNJOBS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path: Path) -> list[Path]:
    path = tmp_path / "source"
    path.write_bytes(b"pixels")
    return [path]


def decoded(value: int = 7, count: int = 5) -> Decoded:
    images = np.full((count, 4, 4, 1), value, np.uint8)
    return Decoded(images, np.arange(count), images[:2], np.arange(2), ("a", "b"), (0.25,), (0.5,))


def cached(name: str, files: Sequence[Path], decode: Callable[[Path | None], Decoded], form: int = 1) -> Decoded:
    return data_cache.cached(entry(Place(name, Path("anywhere"), "idx"), Source(files, form=form)), decode)


def never(_: Path | None) -> Decoded:
    raise AssertionError("decoded again")


def entries(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir())


def test_second_time_is_read_from_the_cache(cache: Path, source: list[Path]) -> None:
    first, second = cached("toy", source, lambda _: decoded()), cached("toy", source, never)
    for data in (first, second):
        assert isinstance(data.train_images, np.memmap)
        assert np.array_equal(data.train_images, decoded().train_images)
        assert data.test_labels.tolist() == [0, 1]
        assert (data.classes, data.mean, data.std) == (("a", "b"), (0.25,), (0.5,))
    assert len(entries(cache)) == 1
    assert entries(cache)[0].startswith("toy-")


def test_changed_files_are_decoded_again(cache: Path, source: list[Path]) -> None:
    cached("toy", source, lambda _: decoded())
    os.utime(source[0], ns=(1, 1))
    assert cached("toy", source, lambda _: decoded(8)).train_images[0, 0, 0, 0] == 8
    source[0].write_bytes(b"more pixels")
    os.utime(source[0], ns=(1, 1))
    assert cached("toy", source, lambda _: decoded(9)).train_images[0, 0, 0, 0] == 9
    other = source[0].with_name("other")
    source[0].rename(other)
    assert cached("toy", [other], lambda _: decoded(10)).train_images[0, 0, 0, 0] == 10
    assert cached("twin", [other], lambda _: decoded(11)).train_images[0, 0, 0, 0] == 11
    assert len(entries(cache)) == 5
    assert cached("twin", [other], lambda _: decoded(12), form=2).train_images[0, 0, 0, 0] == 12


def test_readers_cannot_change_what_others_read(cache: Path, source: list[Path]) -> None:
    cached("toy", source, lambda _: decoded()).train_images[:] = 0
    assert cached("toy", source, never).train_images.min() == 7


def test_without_locks_the_second_writer_uses_what_the_first_has_written(
    cache: Path, source: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)

    def overtaken(_: Path | None) -> Decoded:
        cached("toy", source, lambda _: decoded(1))
        return decoded(2)

    assert cached("toy", source, overtaken).train_images[0, 0, 0, 0] == 1
    assert len(entries(cache)) == 1


READER = """
import sys
from pathlib import Path
import numpy as np
from cnnjobs.components.data.cache import cached, entry
from cnnjobs.components.files.places import Place
from cnnjobs.components.data.decoding import Decoded, Source
images = np.full((2000, 16, 16, 1), 7, np.uint8)
labels = np.arange(2000)
for path in sys.argv[1:]:
    def decode(_):
        print("decoded")
        return Decoded(images, labels, images, labels, ("a",), (0.0,), (1.0,))

    data = cached(entry(Place("toy", Path("anywhere"), "idx"), Source([Path(path)])), decode)
    assert isinstance(data.train_images, np.memmap), path
    assert np.array_equal(data.train_images, images), path
    assert np.array_equal(data.test_labels, labels), path
"""


def test_of_processes_that_start_at_once_one_decodes_and_all_read_whole_arrays(cache: Path, tmp_path: Path) -> None:
    sources = [tmp_path / f"source{number}" for number in range(10)]
    for path in sources:
        path.touch()
    command = [sys.executable, "-c", READER, *map(str, sources)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(4)]
    said = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert "".join(out for out, _ in said).count("decoded\n") == len(sources)
    told = [line for _, err in said for line in err.splitlines()]
    assert all(line.endswith(": another process decodes it, this one waits") for line in told), told
    assert len(entries(cache)) == len(sources)


def test_damaged_cache_is_replaced_and_told(cache: Path, source: list[Path], caplog: pytest.LogCaptureFixture) -> None:
    cached("toy", source, lambda _: decoded())
    (folder,) = cache.iterdir()
    os.truncate(folder / "train_images.npy", 140)
    with caplog.at_level(logging.WARNING, "cnnjobs"):
        assert cached("toy", source, lambda _: decoded(8)).train_images[0, 0, 0, 0] == 8
    assert [message.partition(" (")[0] for message in caplog.messages] == [f"{folder}: damaged"]
    assert caplog.messages[0].endswith("; decoded again")
    assert cached("toy", source, never).train_images[0, 0, 0, 0] == 8


@pytest.mark.parametrize("missing", ["about.json", "test_labels.npy"])
@pytest.mark.usefixtures("caplog")
def test_cache_with_a_file_missing_is_replaced(cache: Path, source: list[Path], missing: str) -> None:
    cached("toy", source, lambda _: decoded())
    (folder,) = cache.iterdir()
    (folder / missing).unlink()
    assert cached("toy", source, lambda _: decoded(8)).train_images[0, 0, 0, 0] == 8


def test_cache_that_cannot_be_made_is_told(
    source: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CNNJOBS_CACHE", str(tmp_path / "file" / "cache"))
    with caplog.at_level(logging.WARNING, "cnnjobs"):
        data = cached("toy", source, lambda _: decoded())
    assert data.train_images[0, 0, 0, 0] == 7
    (message,) = caplog.messages
    assert message.startswith(f"{tmp_path / 'file' / 'cache'}/toy-")
    assert message.endswith(": not cached (Not a directory); the data set stays in memory")


def test_full_disk_leaves_the_data_in_memory_and_nothing_behind(
    cache: Path, source: list[Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with caplog.at_level(logging.WARNING, "cnnjobs"):
        assert cached("toy", source, lambda _: decoded()).train_images[0, 0, 0, 0] == 7
    assert caplog.messages[0].endswith(": not cached (No space left on device); the data set stays in memory")
    assert entries(cache) == []


def test_what_killed_writers_left_is_removed_after_a_day(cache: Path, source: list[Path]) -> None:
    old, new, foreign = (cache / name for name in (".cnnjobs-writing-old", ".cnnjobs-writing-new", ".ssh"))
    for folder in (old, new, foreign):
        folder.mkdir(parents=True)
    two_days_ago = time.time() - 2 * 86_400
    os.utime(old, (two_days_ago, two_days_ago))
    os.utime(foreign, (two_days_ago, two_days_ago))
    cached("toy", source, lambda _: decoded())
    assert not old.exists()
    assert new.exists()
    assert foreign.exists()


def test_cache_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CNNJOBS_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("CNNJOBS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "cnnjobs"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "cnnjobs"


def test_full_disk_is_told_by_the_write_itself() -> None:
    """np.save would report a short count, which says nothing of the disk."""
    with pytest.raises(OSError, match="No space left on device"):
        data_cache._write_array(Path("/dev/full"), np.zeros(1_000_000, np.uint8))


def test_names_with_folders_in_them_are_one_entry(cache: Path, source: list[Path]) -> None:
    cached("pets/small", source, lambda _: decoded())
    assert entries(cache)[0].startswith("pets_small-")
