"""The log of a run, and the last frames of all that failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from cnnjobs.console.runs.progress import metrics_in_words
from cnnjobs.console.terminal import notice, say
from cnnjobs.disk.files import NO_FILE
from cnnjobs.status.logs.job_logs import Failure, RunLog
from cnnjobs.status.run_status import RunStatus
from cnnjobs.system.opening import open_to_read

_NAMED: Final = 5


@dataclass
class Shown:
    """Position up to which a file was shown, and the runs that train there."""

    bytes: int = 0
    training: set[str] = field(default_factory=set)


def show_run(status: RunStatus, log: RunLog, kept: Iterable[tuple[str, str]]) -> dict[Path, Shown]:
    """Everything that the run's jobs have said, those that were `kept` first; how far each file was shown."""
    say(f"{status.label} ({status.run_id})", style="bold")
    is_any = bool(log.files)
    for name, text in kept:
        is_any = True
        say(f"{name}:", style="dim")
        for line in replace(log, is_shared=True).lines(text):
            say(line)
    if not is_any:
        notice(f"{'its log was not kept' if status.is_over else 'no log yet'}; {metrics_in_words(status)}")
    shown: dict[Path, Shown] = {}
    for file in log.files:
        shown[file] = Shown()
        say(f"{file}:", style="dim")
        show_news(log, shown)
    return shown


def show_waiting(status: RunStatus) -> None:
    """Say that the run has no output before it starts, and why it waits."""
    why = f" ({status.cause})" if status.cause else ""
    notice(f"{status.label} is {status.state}{why}: its log follows as soon as it runs; Ctrl-C ends the looking alone")


def show_news(log: RunLog, shown: dict[Path, Shown]) -> None:
    """The whole lines that were written since the last look."""
    for file in log.files:
        place = shown.setdefault(file, Shown())
        content = _from(file, place.bytes)
        whole = content[: content.rfind(b"\n") + 1]
        place.bytes += len(whole)
        for line in log.lines(whole.decode(errors="replace"), place.training):
            say(line)


def _from(file: Path, start: int) -> bytes:
    try:
        with open_to_read(file) as opened:
            opened.seek(start)
            return opened.read()
    except (FileNotFoundError, *NO_FILE):
        return b""


def show_end(status: RunStatus) -> None:
    """Show the state of the run, with its traceback when it has one."""
    if status.traceback:
        say(status.traceback.rstrip())
    say(f"{status.state}: {status.cause}" if status.cause else f"{status.state}: {metrics_in_words(status)}", "bold")


def show_failed(failures: Sequence[Failure]) -> None:
    """Each way to fail once: who, why, and the last frames."""
    if not failures:
        say("no run has failed")
    for failure in failures:
        named = ", ".join(status.label for status in failure.runs[:_NAMED])
        more = f" and {len(failure.runs) - _NAMED} more" if len(failure.runs) > _NAMED else ""
        say(f"{named}{more}: {failure.cause}", style="red")
        for line in failure.frames:
            say(f"    {line}")
