"""Hooks that a job environment gives a worker. The default, for local jobs, does nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from cnnjobs.disk.metrics_log import MetricsLog
from cnnjobs.disk.run_folder import RunFolder, RunRecord, RunState
from cnnjobs.disk.start import Standing
from cnnjobs.programs.process import GRACE_S
from cnnjobs.search.early_stopping import EarlyStopping
from cnnjobs.training.data.ranks import ALONE, Ranks


class JobEnvironment:
    """No Slurm: every run starts once, whoever holds it keeps it, and a stop is a stop.

    `restart` counts how often the job was started again, `submitted` is when it began to wait for its first start.
    The process trains with its `ranks`. `code` is the copy of the user's own code that the job was submitted with.
    `early_stopping` is that of the sweep's search, if it has one; for runs of other jobs that decide about its own ones
    the job waits `patience_s`, and looks every `look_s`.
    """

    restart: int | None = None
    submitted: str | None = None
    ranks: Ranks = ALONE
    code: str | None = None
    early_stopping: EarlyStopping | None = None
    patience_s: float = math.inf
    look_s: float = 0.5

    @property
    def grace_s(self) -> float:
        """Seconds that a program has to end when it was asked to."""
        return GRACE_S

    @contextmanager
    def claim(self, folder: RunFolder) -> Iterator[MetricsLog | None]:
        """The run's metrics log, held; None when another worker has the run. Raises StorageError."""
        with folder.claim() as log:
            yield log

    def stopped(self, before: RunRecord, standing: Standing) -> tuple[RunState, str]:
        """State and cause of a run that was stopped where it stands now; `before` is what was known of it."""
        del before
        return RunState.INTERRUPTED, f"stopped{standing.remark}"

    def refuse(self, before: RunRecord, standing: Standing) -> str | None:
        """Why a run that stands there is not to be started once more."""
        del before, standing
        return None

    def validated(self, folder: RunFolder) -> None:
        """Hear that a run has passed a validation."""

    def ended(self, record: RunRecord) -> None:
        """Hear how an attempt has ended."""
