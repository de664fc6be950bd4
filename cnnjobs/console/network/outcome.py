"""Show how a launch ended: finished and failed runs with their causes, and the next command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cnnjobs.console.terminal import error, notice, say
from cnnjobs.disk.run_folder import RunState
from cnnjobs.status.run_status import RunStatus, RunStatuses


def show_failures(failed: Sequence[RunStatus], jobs_folder: Path, command: str) -> None:
    """Every failed run with its cause, where its log is, and the command that takes them up again."""
    many = "1 run failed" if len(failed) == 1 else f"{len(failed)} runs failed"
    lines = [f"  {status.label}: {status.cause or 'no cause was written'}" for status in failed]
    logs = [f"logs: {jobs_folder}"] if jobs_folder.is_dir() else []
    # To run failed ones again is what `retry` is for: it has no such option.
    again = command if command.startswith("cnnjobs retry ") else f"{command} --retry-failed"
    error("\n".join([f"{many}:", *lines, *logs, f"run the failed ones again with: {again}"]))


def show_stopping() -> None:
    """Say that stopping takes a moment."""
    notice("stopping: every run ends its step and is kept up to its last whole epoch; once more stops at once")


def show_stop(snapshot: RunStatuses, why: str, command: str) -> None:
    """Show the state of a stopped launch, and the command that continues it."""
    begun = sum(status.epoch >= 1 for status in snapshot.open)
    fresh, failed = len(snapshot.open) - begun, snapshot.count(RunState.FAILED)
    parts = [f"{snapshot.count(RunState.FINISHED)} of {len(snapshot.runs)} runs are finished"]
    if early := snapshot.count(RunState.STOPPED):
        parts.append("1 was stopped early" if early == 1 else f"{early} were stopped early")
    if begun:
        parts.append(
            "1 goes on from its last whole epoch" if begun == 1 else f"{begun} go on from their last whole epoch"
        )
    if fresh:
        parts.append("1 starts from its beginning" if fresh == 1 else f"{fresh} start from their beginning")
    if failed:
        parts.append(f"{failed} failed")
    error(f"stopped by {why}: {', '.join(parts)}\ngo on with: {command}")


def show_report(pages: Sequence[Path]) -> None:
    """Where the report is: the page to look at first, and what lies beside it."""
    first, *others = pages
    beside = f" (beside it {', '.join(page.name for page in others)})" if others else ""
    say(f"report: {first}{beside}")


def show_unfinished(command: str) -> None:
    """A report that was stopped: what is there of it, and the command that makes the rest."""
    error(
        "stopped by Ctrl-C: the report is not finished; an earlier one stays, some of its figures may be new\n"
        f"make it with: {command}"
    )


def show_undrawn(drawn: int, left: Sequence[str], command: str) -> None:
    """Figures that were stopped: how many there are, which kinds are not done, and the command that draws them."""
    figures = "1 figure is" if drawn == 1 else f"{drawn} figures are"
    error(f"stopped by Ctrl-C: {figures} drawn and kept; not finished: {', '.join(left)}\ndraw them with: {command}")
