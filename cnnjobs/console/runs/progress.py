"""A sweep while it runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cnnjobs.console.durations import duration
from cnnjobs.console.terminal import fit, out, say
from cnnjobs.disk.run_folder import RunState
from cnnjobs.status.run_status import RunStatus, RunStatuses
from cnnjobs.sweep.settings import METRICS, SHARES

_REFRESHES_PER_S: Final = 4
_BAR_WIDTH: Final = 30
_MOST_METRICS: Final = 4


class View(Protocol):
    """Something that shows one snapshot after the other."""

    def update(self, snapshot: RunStatuses) -> None:
        """Show what is new."""


@contextmanager
def progress(workers: int | None, watched: str = "") -> Iterator[View]:
    """The view that suits stdout, for a sweep of which `workers` runs go on at once; None for those that do now.

    That of a sweep which is `watched` by its name has a screen to itself, with the runs that are over, and is gone at
    the end.
    """
    if not out().is_terminal or out().is_dumb_terminal:
        yield PlainView(workers)
        return
    # On a screen of its own nothing is left over when the terminal gets narrower.
    with Live(console=out(), refresh_per_second=_REFRESHES_PER_S, screen=bool(watched)) as live:
        yield LiveView(live, workers, watched)


class PlainView:
    """One line for every run that starts, gets a whole epoch further, or ends."""

    def __init__(self, workers: int | None) -> None:
        self._workers = workers
        self._before: dict[str, RunStatus] = {}

    def update(self, snapshot: RunStatuses) -> None:
        """Say what has happened since the last look."""
        for status in snapshot.runs:
            before = self._before.get(status.run_id)
            self._before[status.run_id] = status
            if before is None and (status.is_over or status.state is not RunState.RUNNING):
                continue
            text = _event(before, status)
            if text is not None:
                over, number = sum(each.is_over for each in snapshot.runs), len(snapshot.runs) + snapshot.to_come
                say(f"[{over}/{number}] {status.label}: {text}{_left(snapshot, self._workers)}")


def _event(before: RunStatus | None, now: RunStatus) -> str | None:
    """Line about a run, when there is something to report."""
    if before is None or before.state is not now.state:
        if now.state is RunState.FINISHED:
            return _ended(now)
        if now.state is RunState.RUNNING:
            from_epoch = now.attempts[-1].from_epoch if now.attempts and now.epochs is not None else 0
            return f"running, from epoch {from_epoch}" if from_epoch else "running"
        return _ended(now)
    if now.state is RunState.RUNNING and int(now.epoch) > int(before.epoch):
        return f"{'' if now.epochs is None else 'epoch '}{now.progress}, {metrics_in_words(now)}"
    return None


def _ended(status: RunStatus) -> str:
    """State of a run that is not at work, and what is to be known of that."""
    if status.state is RunState.FINISHED:
        return f"finished: {metrics_in_words(status)}"
    if status.state is RunState.STOPPED:
        return str(status.cause)
    return f"{status.state}: {status.cause}" if status.cause else str(status.state)


def metrics_in_words(status: RunStatus) -> str:
    """`train loss 0.412, validation accuracy 85.1 %`, of the end when the run is over, else of the last validation."""
    metrics = status.final or status.latest
    words = []
    is_program = status.epochs is None
    for name in [*metrics][:_MOST_METRICS] if is_program else ("train.loss", "validation.accuracy", "test.accuracy"):
        if name in metrics:
            words.append(f"{name if is_program else name.replace('.', ' ')} {_value(name, metrics[name])}")
    return ", ".join(words) or "no metrics"


def _value(name: str, value: float) -> str:
    if name in SHARES:
        return f"{100 * value:.1f} %"
    return f"{value:.3f}" if name in METRICS else f"{value:.4g}"


def _left(snapshot: RunStatuses, workers: int | None) -> str:
    seconds = snapshot.seconds_left(workers or snapshot.at_work)
    return f" ({duration(seconds)} left)" if seconds and snapshot.open else ""


class LiveView:
    """The sweep's bar and one row per running run, drawn anew in place.

    Runs that end leave a line above; those of a sweep that is `watched` stay in the table.
    """

    def __init__(self, live: Live, workers: int | None, watched: str = "") -> None:
        self._live, self._workers, self._watched = live, workers, watched
        self._before: RunStatuses | None = None
        self._seconds_left: float | None = None
        self._ends_at: float | None = None

    def update(self, snapshot: RunStatuses) -> None:
        """Draw."""
        if self._before is not None and not self._watched:
            for before, now in zip(self._before.runs, snapshot.runs, strict=False):
                if now.is_over and not before.is_over:
                    style = None if now.state.has_passed else "red"
                    self._live.console.print(f"{now.label}: {_ended(now)}", style=style, soft_wrap=True)
        over = [status for status in snapshot.runs if status.is_over] if self._watched else []
        shown = [*snapshot.having(RunState.RUNNING), *over]
        tables = [runs_table(shown, self._live.console.height - 4)] if shown else []
        for table in tables:
            fit(table, self._live.console)
        named = [Text(f"{self._watched}: Ctrl-C ends the watching alone", style="bold")] if self._watched else []
        self._live.update(Group(*named, self._heading(snapshot), *tables))
        self._before = snapshot

    def _heading(self, snapshot: RunStatuses) -> RenderableType:
        # A program is a unit of its own: it tells no end.
        total = sum(status.epochs or 1 for status in snapshot.runs)
        done = sum(_done(status) for status in snapshot.runs)
        heading = Table.grid(padding=(0, 2))
        heading.add_row(ProgressBar(total, done, width=_BAR_WIDTH), Text(self._words(snapshot)))
        return heading

    def _words(self, snapshot: RunStatuses) -> str:
        states = (RunState.FINISHED, RunState.STOPPED, RunState.RUNNING, RunState.FAILED)
        words = [f"{snapshot.count(state)} {state}" for state in states if snapshot.count(state)]
        waiting = len(snapshot.open) - snapshot.count(RunState.RUNNING)
        words += [f"{waiting} waiting"] if waiting else []
        words += ["the workers are starting"] if waiting == len(snapshot.runs) else []
        # Between two validations nothing new is known: the time is counted down.
        seconds, now = snapshot.seconds_left(self._workers or snapshot.at_work), time.monotonic()
        if seconds != self._seconds_left:
            self._seconds_left, self._ends_at = seconds, None if seconds is None else now + seconds
        if self._ends_at is not None and snapshot.open:
            words.append(f"about {duration(max(0.0, self._ends_at - now))} left")
        return ", ".join(words)


def _done(status: RunStatus) -> float:
    if status.epochs is None:
        return float(status.is_over)
    return status.epochs if status.is_over else status.epoch


def runs_table(runs: Sequence[RunStatus], height: int) -> Table:
    """One row per run, as many as fit."""
    table = Table(box=None, pad_edge=False)
    is_program = any(status.epochs is None for status in runs)
    told = (
        ("progress", "last reported")
        if is_program
        else ("epoch", "train loss", "validation loss", "validation accuracy")
    )
    for heading in ("run", *told):
        table.add_column(
            heading, justify="left" if heading == "run" else "right", style="cyan" if heading == "run" else ""
        )
    shown = runs[: max(1, height)]
    for status in shown:
        epoch = str(status.state) if status.is_over else status.progress
        cells = (metrics_in_words(status),) if is_program else _cells(status)
        table.add_row(status.label, epoch, *cells)
    if len(runs) > len(shown):
        table.add_row(f"and {len(runs) - len(shown)} more")
    return table


def _cells(status: RunStatus) -> Iterator[str]:
    for name in ("train.loss", "validation.loss", "validation.accuracy"):
        value = (status.final or status.latest).get(name)
        if value is None:
            yield ""
        else:
            yield _value(name, value)
