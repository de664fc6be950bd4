"""The two streams: results and progress on stdout, errors and notices on stderr."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from typing import Final, NoReturn

from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Column, Table

from cnnjobs.console.streams import UNREAD, silence

_UNWRAPPED: Final = 100_000
_NARROWEST: Final = 20
# What moves the cursor, changes a terminal's settings, or lets a name look like another when a name or a log holds it.
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_CONTROL: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)


class _Terminal(Console):
    """A console whose reader may go: the command goes on without it. It prints no control character but its own."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Text as it is printed, with unprintable characters of names and logs spelled out."""
        for segment in super().render(renderable, options):
            is_plain = segment.control or not _CONTROL.search(segment.text)
            yield segment if is_plain else Segment(plain(segment.text), segment.style)

    def on_broken_pipe(self) -> NoReturn:
        """Leave it to `_written`."""
        raise BrokenPipeError


class _Reading:
    """State of the output: whether it is read, and whether a command has anything else to do."""

    unread = False
    only_shows = False


@cache
def out() -> Console:
    """Stdout. Where it is no terminal nothing is wrapped or cut."""
    return _console(stderr=False)


@cache
def _err() -> Console:
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    console = _Terminal(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not stream.isatty():
        console.width = _UNWRAPPED
    elif console.width < _NARROWEST:
        console.width = _NARROWEST
    return console


def say(text: str = "", style: str | None = None) -> None:
    """One line or more on stdout, never wrapped, so that a path or command in it can be copied."""
    with written(out()):
        out().print(plain(text), style=style, soft_wrap=True)


def write(text: str) -> None:
    """Text for programs on stdout, as it is; only for people to look at, where stdout is a terminal."""
    with written(out()):
        out().file.write(f"{plain(text) if out().is_terminal else text}\n")


def show(renderable: RenderableType) -> None:
    """A table or the like on stdout; a table as wide as the terminal, with the columns that fit."""
    console, left_out = out(), []
    if isinstance(renderable, Table):
        left_out = fit(renderable, console)
    with written(console):
        console.print(renderable)
    if left_out:
        say(f"not shown, as the terminal has {console.width} columns: {', '.join(left_out)}")


def notice(text: str) -> None:
    """Something to know that is no error, on stderr."""
    with written(_err()):
        _err().print(f"note: {plain(text)}", soft_wrap=True)


def error(text: str) -> None:
    """Show an error and its remedy on stderr; each line of a list of mistakes stands alone."""
    first, *rest = plain(text).split("\n")
    with written(_err()):
        _err().print(f"error: {first}", style="red", soft_wrap=True)
        for line in rest:
            _err().print(line, soft_wrap=True)


def failure() -> None:
    """The traceback of the exception being handled, on stderr."""
    with written(_err()):
        _err().print(traceback.format_exc().rstrip(), soft_wrap=True)


def plain(text: str) -> str:
    """The text with control characters spelled out: a name must not move the cursor."""
    return _CONTROL.sub(_spelled, _COLOUR.sub("", text))


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def fit(table: Table, console: Console) -> list[str]:
    """Fold what tells the rows apart, and take out columns from the right that a narrow terminal has no room for.

    Returns the headings of those that were taken out. Columns of numbers go, those of words stay.
    """
    for column in table.columns:
        # A row is a line, whatever its names hold.
        lines = [plain(cell).replace("\n", "\\n") if isinstance(cell, str) else cell for cell in column.cells]
        column._cells[:] = lines
    words = [column for column in table.columns if column.justify == "left"]
    for column in words:
        column.overflow = "fold"
    left_out: list[str] = []
    while _widest(table, console) > console.width:
        number = next((column for column in reversed(table.columns) if column.justify != "left"), None)
        if number is None or len(table.columns) <= len(words) + (console.width >= 40):
            break
        left_out.insert(0, str(number.header))
        kept: list[Column] = [column for column in table.columns if column is not number]
        table.columns = [replace(column, _index=index) for index, column in enumerate(kept)]
    return left_out


def _widest(table: Table, console: Console) -> int:
    # As wide as it would be with all the room that it wants.
    return Measurement.get(console, console.options.update(width=_UNWRAPPED), table).maximum


@contextmanager
def written(console: Console) -> Iterator[None]:
    """Flush all output of the block; a reader that has gone (`| head`, a full disk) ends only what merely shows."""
    try:
        yield
        console.file.flush()
    except OSError as problem:
        with suppress(OSError, ValueError):
            silence(console.file)
        if not console.stderr and not isinstance(problem, BrokenPipeError):
            error(f"the output cannot be written: {problem.strerror}")
        if _Reading.only_shows:
            sys.exit(UNREAD)
        _Reading.unread = True


@contextmanager
def shown_as_long_as_read() -> Iterator[None]:
    """Inside, a command ends when nobody reads its output any more: it has nothing else to do."""
    _Reading.only_shows = True
    try:
        yield
    finally:
        _Reading.only_shows = False


def was_read() -> bool:
    """Check whether all that was printed found a reader."""
    return not _Reading.unread
