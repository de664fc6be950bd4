"""The state of sweeps: one line for each, one row per run, or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.table import Table

from cnnjobs.console.durations import duration
from cnnjobs.console.runs.evaluations import evaluations_table
from cnnjobs.console.terminal import notice, say, show, write
from cnnjobs.disk.run_folder import RunState
from cnnjobs.slurm.queue import named
from cnnjobs.status.evaluations import EvaluationStatus
from cnnjobs.status.overview import Overview
from cnnjobs.status.run_status import RunStatus
from cnnjobs.sweep.settings import SHARES

_STYLES: Final[Mapping[RunState, str]] = {
    RunState.FINISHED: "green",
    RunState.STOPPED: "dim green",
    RunState.RUNNING: "cyan",
    RunState.FAILED: "red",
    RunState.INTERRUPTED: "yellow",
    RunState.LOST: "red",
    RunState.CANCELLED: "yellow",
}
_ROWS: Final = 40
_ELEMENT: Final = re.compile(r"\b(\d+)_(\d+)\b")
_SHARE: Final = 12
_NAMED: Final = 3
# What a short table shows first.
_URGENCY: Final = (
    RunState.FAILED, RunState.LOST, RunState.RUNNING, RunState.INTERRUPTED, RunState.CANCELLED, RunState.FINISHED,
    RunState.STOPPED, RunState.PENDING,
)  # fmt: skip


def show_sweeps(overviews: Sequence[Overview]) -> None:
    """One line per sweep."""
    width = max(len(overview.name) for overview in overviews)
    for overview in overviews:
        say(f"{overview.name.ljust(width)}  {counts(overview)}")


def counts(overview: Overview) -> str:
    """`6 runs: 4 finished, 1 running, 1 failed`."""
    snapshot = overview.snapshot
    parts = [f"{snapshot.count(state)} {state}" for state in RunState if snapshot.count(state)]
    parts += [f"{snapshot.to_come} to be proposed"] if snapshot.to_come else []
    number = len(snapshot.runs) + snapshot.to_come
    runs = "1 run" if number == 1 else f"{number} runs"
    return f"{runs}: {', '.join(parts)}"


def show_status(overview: Overview, *, every_run: bool = False) -> None:
    """The runs of a sweep: state, epoch, metrics, causes; then what to type next. A long table is cut unless asked."""
    say(f"{overview.name}: {counts(overview)}{_left(overview)}", style="bold")
    for text in overview.notices:
        notice(text)
    for text in overview.held:
        say(text, style="yellow")
    runs = overview.snapshot.runs if every_run else _shown(overview.snapshot.runs)
    show(_table(overview, runs))
    if len(runs) < len(overview.snapshot.runs):
        say(f"… and {len(overview.snapshot.runs) - len(runs)} more: every run with --all")
    for line in _causes(overview, every_run):
        say(line)
    if overview.evaluations:
        show(evaluations_table(overview.evaluations if every_run else overview.evaluations[-_ROWS:]))
    if overview.left:
        say(f"{len(overview.left)} runs on disk are not in the file any more; they stay under {overview.store.path}")
    if overview.launcher:
        say(f"launched by {overview.launcher}, which is at work")
    say(f"next: {overview.next_command}")


def _left(overview: Overview) -> str:
    seconds = overview.seconds_left
    return f", about {duration(seconds)} left at this pace" if seconds else ""


def _shown(runs: Sequence[RunStatus]) -> Sequence[RunStatus]:
    """As many runs as a screen takes: some of every state, the most urgent states first; in their order."""
    if len(runs) <= _ROWS:
        return runs
    by_state = {state: [index for index, run in enumerate(runs) if run.state is state] for state in _URGENCY}
    first = [index for indices in by_state.values() for index in indices[:_SHARE]]
    rest = [index for indices in by_state.values() for index in indices[_SHARE:]]
    return [runs[index] for index in sorted([*first, *rest][:_ROWS])]


def _table(overview: Overview, runs: Sequence[RunStatus]) -> Table:
    table = Table(box=None, pad_edge=False)
    is_program = any(status.epochs is None for status in runs)
    own = f"best {overview.metric.name}" if overview.metric.name else "no metric"
    measured = ("progress", own) if is_program else ("epoch", own, "test accuracy")
    for heading in ("state", "run", *measured, "time"):
        table.add_column(heading, justify="left" if heading in ("state", "run") else "right")
    for status in runs:
        table.add_row(*_row(overview, status), style=_STYLES.get(status.state))
    return table


def _causes(overview: Overview, every_run: bool) -> Iterator[str]:
    """Each cause once, with the runs that have it and what to type."""
    alike: dict[tuple[RunState, str], list[RunStatus]] = {}
    noted: dict[str, list[RunStatus]] = {}
    for status in overview.snapshot.runs:
        if status.cause and not status.state.has_passed:
            # Elements of one array wait alike; another job is another cause.
            alike.setdefault((status.state, _ELEMENT.sub(r"\1", status.cause)), []).append(status)
        for note in status.notes if every_run or len(overview.snapshot.runs) <= _ROWS else ():
            noted.setdefault(note, []).append(status)
    for note, group in noted.items():
        yield f"{_named(group)}: note: {note}"
    for (state, _), group in alike.items():
        who = _named(group) if len(group) == 1 else f"{len(group)} {state} ({_named(group)})"
        ahead = min((status.ahead for status in group if status.ahead is not None), default=None)
        place = f", {ahead} ahead of {'it' if len(group) == 1 else 'the first'}" if ahead else ""
        command = overview.next_for(*group)
        yield f"{who}: {_cause(group)}{place}" + (f"; next: {command}" if command else "")


def _cause(group: Sequence[RunStatus]) -> str:
    """Cause that they share, with the array tasks of their job as Slurm writes them: `12_[0-2,5]`."""
    causes = [str(status.cause) for status in group]
    indices = sorted({int(found[2]) for cause in causes for found in _ELEMENT.finditer(cause)})
    if len(indices) < 2:
        return causes[0]
    return _ELEMENT.sub(lambda found: named(int(found[1]), indices), causes[0])


def _named(group: Sequence[RunStatus]) -> str:
    more = f" and {len(group) - _NAMED} more" if len(group) > _NAMED else ""
    return ", ".join(status.label for status in group[:_NAMED]) + more


def _row(overview: Overview, status: RunStatus) -> tuple[str, ...]:
    best = overview.best.get(status.run_id)
    test = status.final.get("test.accuracy")
    return (
        str(status.state),
        status.label,
        status.progress,
        "" if best is None else _value(overview.metric.name, best),
        *(() if status.epochs is None else ("" if test is None else _value("test.accuracy", test),)),
        duration(status.seconds) if status.seconds else "",
    )


def _value(name: str, value: float) -> str:
    return f"{100 * value:.1f} %" if name in SHARES else f"{value:.4f}"


def show_json(overviews: Sequence[Overview]) -> None:
    """Everything that `status` knows, for programs; accuracies in [0, 1], times in seconds."""
    write(json.dumps({"sweeps": [_sweep(overview) for overview in overviews]}, indent=1))


def _sweep(overview: Overview) -> dict[str, Any]:
    snapshot = overview.snapshot
    return {
        "name": overview.name,
        "folder": str(overview.store.path),
        "launcher": overview.launcher,
        "held": list(overview.held),
        "notices": list(overview.notices),
        "seconds_left": overview.seconds_left,
        "metric": overview.metric.name,
        "counts": {str(state): snapshot.count(state) for state in RunState if snapshot.count(state)},
        "left": list(overview.left),
        "next": overview.next_command,
        "runs": [_run(overview, status) for status in snapshot.runs],
        "evaluations": [_evaluation(each) for each in overview.evaluations],
    }


def _evaluation(each: EvaluationStatus) -> dict[str, Any]:
    return {
        "run_id": each.status.run_id,
        "name": each.name,
        "state": str(each.state),
        "cause": each.cause,
        "job": each.job,
        "metrics": dict(each.metrics),
        "num_images": each.num_images,
        "device": each.device,
        "at": each.at,
    }


def _run(overview: Overview, status: RunStatus) -> dict[str, Any]:
    return {
        "run_id": status.run_id,
        "label": status.label,
        "state": str(status.state),
        "cause": status.cause,
        "next": overview.next_for(status),
        "job": status.job,
        "ahead": status.ahead,
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
