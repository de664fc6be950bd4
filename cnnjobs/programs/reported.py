"""Reports of a program, and its working places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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

    With `is_count` the step is a count of reports, from 0 in every attempt, as W&B makes it.

    Values are what the program said: numbers (NaN and infinities too), truth values, texts.
    """

    source: str
    metrics: Mapping[str, Any]
    step: float | None = None
    at: float | None = None
    is_count: bool = False
