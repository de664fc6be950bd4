"""Hooks that a job environment gives a worker. The default, for local jobs, does nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from cnnjobs.disk.metrics_log import MetricsLog
from cnnjobs.disk.run_folder import RunFolder, RunRecord, RunState, RunStore
from cnnjobs.disk.start import Standing
from cnnjobs.errors import InputError
from cnnjobs.programs.process import GRACE_S
from cnnjobs.search.early_stopping import EarlyStopping
from cnnjobs.search.proposals import Proposals
from cnnjobs.sweep.space.space import Space
from cnnjobs.system import own_modules
from cnnjobs.training.data.ranks import ALONE, Ranks


class JobEnvironment:
    """No Slurm: every run starts once, whoever holds it keeps it, and a stop is a stop.

    `restart` counts how often the job was started again, `submitted` is when it began to wait for its first start.
    The process trains with its `ranks`. `code` is the copy of the user's own code that the job was submitted with.
    `early_stopping` and `proposals` are those of the sweep's search, if it has some; for runs of other jobs that decide
    about its own ones the job waits `patience_s`, and looks every `look_s`.
    """

    restart: int | None = None
    submitted: str | None = None
    ranks: Ranks = ALONE
    code: str | None = None
    early_stopping: EarlyStopping | None = None
    proposals: Proposals | None = None
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

    @property
    def is_search(self) -> bool:
        """True if runs are stopped early, or proposed."""
        return self.early_stopping is not None or self.proposals is not None

    def join_search(self, store: RunStore) -> None:
        """Take part in the search of a sweep, if it has one."""
        self.early_stopping = EarlyStopping.of(store)
        self.proposals = Proposals.of(store, lambda: self._space(store))

    def _space(self, store: RunStore) -> Space:
        """The space of the search, as the job's copy of the user's own code reads it."""
        from cnnjobs.sweep.file import read_sweep

        with own_modules.used(store.codes.here(self.code)):
            proposing = read_sweep(store.sweep_file, is_started=True).proposing
        if proposing is None:
            raise InputError(f"{store.sweep_file}: no search any more (method: bayes)")
        return proposing.space

    def validated(self, folder: RunFolder) -> None:
        """Hear that a run has passed a validation."""

    def ended(self, record: RunRecord) -> None:
        """Hear how an attempt has ended."""
