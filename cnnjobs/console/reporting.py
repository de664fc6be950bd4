"""A report while it is made: a bar on a terminal, gone when it is there; nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cnnjobs.console.terminal import out


@contextmanager
def report_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Report progress: the step, how much of it is done, and of how much."""
    if not out().is_terminal:
        yield lambda _what, _done, _of: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out(), transient=True) as progress:
        task = progress.add_task("reading runs")
        # The line says what is done now; the bar begins anew with each kind of work.
        yield lambda what, done, of: progress.update(task, description=what, completed=done, total=of)
