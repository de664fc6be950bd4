"""Downloads as they come in: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from cnnjobs.components.data.sources import in_megabytes
from cnnjobs.console.terminal import error, notice, out, say
from cnnjobs.setup.downloads import Watch

_LINE_EVERY_S: Final = 10.0


@contextmanager
def downloads() -> Iterator[Watch]:
    """Display of downloads, as suits stdout."""
    if not out().is_terminal:
        yield PlainWatch()
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=out()) as progress:
        yield BarWatch(progress)


class PlainWatch:
    """A line when a file begins to come, and every few seconds how much is there."""

    def __init__(self) -> None:
        self._file, self._total, self._told = "", "", 0.0

    def started(self, file: str, url: str, done: int, total: int | None) -> None:
        """Say what comes from where."""
        self._file, self._total = file, f" of {in_megabytes(total / 1e6)}" if total else ""
        self._told = time.monotonic()
        there = f", {in_megabytes(done / 1e6)} of it are there" if done else ""
        size = f", {in_megabytes(total / 1e6)}" if total else ""
        say(f"{file}: from {urlsplit(url).netloc}{size}{there}")

    def advanced(self, done: int) -> None:
        """Say now and then how much is there."""
        if time.monotonic() - self._told >= _LINE_EVERY_S:
            self._told = time.monotonic()
            say(f"{self._file}: {in_megabytes(done / 1e6)}{self._total}")

    def note(self, text: str) -> None:
        """Say it."""
        notice(text)


class BarWatch:
    """One bar per file."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}
        self._bar = TaskID(0)

    def started(self, file: str, url: str, done: int, total: int | None) -> None:
        """Draw the file's bar, or go on with it."""
        del url
        if file not in self._bars:
            self._bars[file] = self._progress.add_task(file)
        self._bar = self._bars[file]
        self._progress.update(self._bar, completed=done, total=total)

    def advanced(self, done: int) -> None:
        """Move the bar."""
        self._progress.update(self._bar, completed=done)

    def note(self, text: str) -> None:
        """Say it above the bars."""
        self._progress.console.print(f"note: {text}", soft_wrap=True)


def show_there(name: str, path: Path, *, can_be_fetched: bool) -> None:
    """Say that something is already here."""
    say(f"{name} is there already: {path}" + (" (--force fetches it again)" if can_be_fetched else ""))


def show_fetched(name: str, path: Path) -> None:
    """Where something lies now."""
    say(f"{name}: {path}")


def show_failed(text: str) -> None:
    """Why something could not be fetched, and what to do."""
    error(text)


def show_stopped() -> None:
    """Say that nothing is lost."""
    notice("stopped; the same command goes on where it stands")
