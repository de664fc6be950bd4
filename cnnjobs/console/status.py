"""The state of sweeps: one line for each, one row per run, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.table import Table

from cnnjobs.console.durations import duration
from cnnjobs.console.terminal import say, show
from cnnjobs.launch.overview import Overview
from cnnjobs.launch.state import RunStatus
from cnnjobs.runs import RunState

_STYLES: Final[Mapping[RunState, str]] = {
    RunState.FINISHED: "green",
    RunState.RUNNING: "cyan",
    RunState.FAILED: "red",
    RunState.INTERRUPTED: "yellow",
}


def show_sweeps(overviews: Sequence[Overview]) -> None:
    """One line per sweep."""
    width = max(len(overview.name) for overview in overviews)
    for overview in overviews:
        say(f"{overview.name.ljust(width)}  {counts(overview)}")


def counts(overview: Overview) -> str:
    """`6 runs: 4 finished, 1 running, 1 failed`."""
    snapshot = overview.snapshot
    parts = [f"{snapshot.count(state)} {state}" for state in RunState if snapshot.count(state)]
    runs = "1 run" if len(snapshot.runs) == 1 else f"{len(snapshot.runs)} runs"
    return f"{runs}: {', '.join(parts)}"


def show_status(overview: Overview) -> None:
    """Every run of a sweep: state, epoch, metrics, cause; then what to type next."""
    say(f"{overview.name}: {counts(overview)}", style="bold")
    table = Table(box=None, pad_edge=False)
    for heading in ("state", "run", "epoch", f"best {overview.metric.name}", "test accuracy", "time"):
        table.add_column(heading, justify="left" if heading in ("state", "run") else "right")
    for status in overview.snapshot.runs:
        table.add_row(*_row(overview, status), style=_STYLES.get(status.state))
    show(table)
    for status in overview.snapshot.runs:
        for text in filter(None, (_cause(status), *(f"note: {note}" for note in status.notes))):
            say(f"{status.label}: {text}")
    if overview.left:
        say(f"{len(overview.left)} runs on disk are not in the file any more; they stay under {overview.store.path}")
    if overview.launcher:
        say(f"launched by {overview.launcher}, which is at work")
    say(f"next: {overview.next_command}")


def _cause(status: RunStatus) -> str | None:
    return status.cause if status.state is not RunState.FINISHED else None


def _row(overview: Overview, status: RunStatus) -> tuple[str, ...]:
    best = overview.best.get(status.run_id)
    test = status.final.get("test.accuracy")
    return (
        str(status.state),
        status.label,
        f"{status.epoch:g}/{status.epochs}",
        "" if best is None else _value(overview.metric.name, best),
        "" if test is None else _value("test.accuracy", test),
        duration(status.seconds) if status.seconds else "",
    )


def _value(name: str, value: float) -> str:
    return f"{100 * value:.1f} %" if name.endswith("accuracy") else f"{value:.4f}"


def show_json(overviews: Sequence[Overview]) -> None:
    """Everything that `status` knows, for programs; accuracies in [0, 1], times in seconds."""
    say(json.dumps({"sweeps": [_sweep(overview) for overview in overviews]}, indent=1))


def _sweep(overview: Overview) -> dict[str, Any]:
    snapshot = overview.snapshot
    return {
        "name": overview.name,
        "folder": str(overview.store.path),
        "launcher": overview.launcher,
        "metric": overview.metric.name,
        "counts": {str(state): snapshot.count(state) for state in RunState if snapshot.count(state)},
        "left": list(overview.left),
        "next": overview.next_command,
        "runs": [_run(overview, status) for status in snapshot.runs],
    }


def _run(overview: Overview, status: RunStatus) -> dict[str, Any]:
    return {
        "run_id": status.run_id,
        "label": status.label,
        "state": str(status.state),
        "cause": status.cause,
        "traceback": status.traceback,
        "epoch": status.epoch,
        "epochs": status.epochs,
        "seconds": status.seconds,
        "best": overview.best.get(status.run_id),
        "latest": dict(status.latest),
        "final": dict(status.final),
        "attempts": len(status.attempts),
        "notes": list(status.notes),
    }
