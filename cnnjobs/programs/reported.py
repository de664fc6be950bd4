"""What a program reports, and who finds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class ProgramPlaces:
    """Where one attempt of a program works.

    `outputs` and `checkpoints` are the run's own, for all its attempts; `metrics_file` is this attempt's alone, and
    `working_folder` may be shared with other runs. `started` is the time of its start (seconds of the epoch).
    """

    run_id: str
    sweep_id: str
    attempt: int
    outputs: Path
    checkpoints: Path
    metrics_file: Path
    working_folder: Path
    started: float = 0.0


@dataclass(frozen=True)
class Reported:
    """Metrics that a program has reported at once; `step` only where it said one, `at` in seconds of the epoch.

    Values are what the program said: numbers (NaN and infinities too), truth values, texts.
    """

    source: str
    metrics: Mapping[str, Any]
    step: float | None = None
    at: float | None = None


class Collector(Protocol):
    """A way in which metrics of a running program are found."""

    @property
    def sources(self) -> Sequence[str]:
        """The ways in which something was reported so far, in words."""

    @property
    def notes(self) -> Sequence[str]:
        """Notes for the run's record: a line that could not be read, a file that was passed over."""

    def hear(self, line: str) -> None:
        """A line of the program's output, before the next look."""

    def poll(self) -> list[Reported]:
        """What is new since the last look, in its order; a line that is still in the writing waits. Raises OSError."""

    def close(self) -> list[Reported]:
        """The same for a program that has ended: what is still in the writing is told or noted. Raises OSError."""
