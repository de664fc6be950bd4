"""Logs of the jobs of a sweep, kept in one file when their folders go: results/<sweep>/logs.zip.

Its members are `<time>-<job folder>/<log>`. The archive is replaced whole before a folder is removed, so that a kill
between the two costs nothing: a log that is in it already is not added again.
"""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cnnjobs.disk.files import NO_FILE, remove_folder, set_aside_damaged
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.errors import StorageError, storage_error
from cnnjobs.system.log import TAKEN
from cnnjobs.system.opening import open_to_read

_LOGS: Final = ("*_log.out", "*_log.err", "task-*.log")
_MADE_WITH: Final = ("intent.json", "job-1.json")
# Of a longer log the beginning and the end, and so many logs as fit.
HEAD_BYTES, TAIL_BYTES = 1 << 18, 3 << 18
MOST_BYTES: Final = 32 << 20


def collect(store: RunStore, folder: Path) -> None:
    """Remove a job folder once what its job has said is kept; it stays where that cannot be written."""
    with suppress(StorageError, OSError):
        _keep(store, folder)
        remove_folder(folder)


def kept_logs(store: RunStore, run_id: str) -> Iterator[tuple[str, str]]:
    """Name and text of each kept log that has a line of the run, the oldest first."""
    # A worker that found another one at it has said nothing of the run.
    signed = re.compile(rf"^{re.escape(run_id)}: (?!{re.escape(TAKEN)}$)", re.MULTILINE)
    try:
        with open_to_read(store.logs_file) as file, zipfile.ZipFile(file) as archive:
            for name in sorted(archive.namelist()):
                text = archive.read(name).decode(errors="replace")
                if signed.search(text):
                    yield f"{store.logs_file}: {name}", text
    except (FileNotFoundError, *NO_FILE):
        return
    except (OSError, zipfile.BadZipFile) as error:
        yield f"{store.logs_file}: damaged, the next start of the sweep sets it aside ({error})", ""


def _keep(store: RunStore, folder: Path) -> None:
    logs = [log for pattern in _LOGS for log in sorted(folder.glob(pattern)) if log.is_file() and log.stat().st_size]
    if not logs:
        return
    prefix = f"{_time_of(folder)}-{folder.name}"
    temporary = store.logs_file.with_name(f".{store.logs_file.name}.{os.getpid()}.tmp")
    try:
        _copy_archive(store.logs_file, temporary)
        with zipfile.ZipFile(temporary, "a", zipfile.ZIP_DEFLATED) as archive:
            there = {*archive.namelist()}
            for log in logs:
                if f"{prefix}/{log.name}" not in there:
                    archive.writestr(f"{prefix}/{log.name}", _bounded(log))
        if temporary.stat().st_size > MOST_BYTES:
            _drop_oldest(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(store.logs_file)
    except OSError as error:
        raise storage_error(store.logs_file, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _copy_archive(archive: Path, copy: Path) -> None:
    """Archive so far, if it is whole; a damaged archive is set aside."""
    if not archive.exists():
        return
    if not zipfile.is_zipfile(archive):
        set_aside_damaged(archive)
        return
    with open_to_read(archive) as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target)


def _drop_oldest(path: Path) -> None:
    """Keep the newest logs that fit into three quarters of what there is room for."""
    smaller = path.with_name(f"{path.name}.new")
    with zipfile.ZipFile(path) as archive:
        kept = _newest(archive.infolist())
        with zipfile.ZipFile(smaller, "w", zipfile.ZIP_DEFLATED) as fewer:
            for member in sorted(kept, key=lambda each: each.filename):
                fewer.writestr(member, archive.read(member))
    smaller.replace(path)


def _newest(members: Iterable[zipfile.ZipInfo]) -> Sequence[zipfile.ZipInfo]:
    kept, left = [], MOST_BYTES * 3 // 4
    for member in sorted(members, key=lambda each: each.filename, reverse=True):
        left -= member.compress_size
        if left < 0:
            break
        kept.append(member)
    return kept


def _bounded(log: Path) -> bytes:
    """The log; of a long one beginning and end, with a line that says so."""
    size = log.stat().st_size
    with open_to_read(log) as file:
        if size <= HEAD_BYTES + TAIL_BYTES:
            return file.read()
        head = file.read(HEAD_BYTES)
        file.seek(size - TAIL_BYTES)
        tail = file.read()
    head, tail = head[: head.rfind(b"\n") + 1], tail[tail.find(b"\n") + 1 :]
    return head + f"... {size - len(head) - len(tail):,} bytes are left out here ...\n".encode() + tail


def _time_of(folder: Path) -> str:
    """When the job was made: numbers of folders are given out again."""
    times = [(folder / name).stat().st_mtime for name in _MADE_WITH if (folder / name).exists()]
    return datetime.fromtimestamp(min(times, default=folder.stat().st_mtime), UTC).strftime("%Y%m%dT%H%M%S")
