"""The two streams: results and progress on stdout, errors and notices on stderr."""

from __future__ import annotations

import sys
import traceback
from functools import cache
from typing import Final

from rich.console import Console, RenderableType

_UNWRAPPED: Final = 100_000


@cache
def out() -> Console:
    """Stdout. Where it is no terminal nothing is wrapped or cut."""
    return _console(stderr=False)


@cache
def _err() -> Console:
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _UNWRAPPED
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, width=width)


def say(text: str = "", style: str | None = None) -> None:
    """One line or more on stdout, never wrapped, so that a path or command in it can be copied."""
    out().print(text, style=style, soft_wrap=True)
    sys.stdout.flush()


def write(text: str) -> None:
    """Text for programs on stdout, as it is."""
    out().file.write(f"{text}\n")
    sys.stdout.flush()


def show(renderable: RenderableType) -> None:
    """A table or the like on stdout."""
    out().print(renderable)


def notice(text: str) -> None:
    """Something to know that is no error, on stderr."""
    _err().print(f"note: {text}", soft_wrap=True)


def error(text: str) -> None:
    """What went wrong and what to do, on stderr; each line of a list of mistakes stands alone."""
    first, *rest = text.split("\n")
    _err().print(f"error: {first}", style="red", soft_wrap=True)
    for line in rest:
        _err().print(line, soft_wrap=True)


def failure() -> None:
    """The traceback of the exception being handled, on stderr."""
    _err().print(traceback.format_exc().rstrip(), soft_wrap=True)
