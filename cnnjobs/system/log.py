"""Lines of a job for its log."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

TAKEN: Final = "another worker has it"


def say(who: str, what: str) -> None:
    """A line for the job's log, in one piece: others may write to it at the same moment."""
    # The log may be away with the results; what is to be said then waits.
    with suppress(OSError):
        print(f"{who}: {what}\n", end="", flush=True)
