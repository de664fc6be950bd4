"""The log of a run, and the last frames of all that failed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cnnjobs.console.progress import metrics_in_words
from cnnjobs.console.terminal import notice, say
from cnnjobs.files import NO_FILE
from cnnjobs.launch.job_logs import Failure, RunLog
from cnnjobs.launch.state import RunStatus
from cnnjobs.opening import open_to_read

_NAMED: Final = 5


def show_run(status: RunStatus, log: RunLog) -> dict[Path, int]:
    """Everything that the run's job has said; how far each file was shown."""
    say(f"{status.label} ({status.run_id})", style="bold")
    if not log.files:
        over = "its log was removed when all runs of its job had finished" if status.is_over else "no log yet"
        notice(f"{over}; {metrics_in_words(status)}")
    shown: dict[Path, int] = {}
    for file in log.files:
        shown[file] = 0
        say(f"{file}:", style="dim")
        show_news(log, shown)
    return shown


def show_news(log: RunLog, shown: dict[Path, int]) -> None:
    """The whole lines that were written since the last look."""
    for file in log.files:
        content = _from(file, shown.get(file, 0))
        whole = content[: content.rfind(b"\n") + 1]
        shown[file] = shown.get(file, 0) + len(whole)
        for line in log.lines(whole.decode(errors="replace")):
            say(line)


def _from(file: Path, start: int) -> bytes:
    try:
        with open_to_read(file) as opened:
            opened.seek(start)
            return opened.read()
    except (FileNotFoundError, *NO_FILE):
        return b""


def show_end(status: RunStatus) -> None:
    """How the run stands, with its traceback when it has one."""
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
