"""Workload, the part that trains a run, as an attempt knows it: a network here, or whatever else ends with metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.disk.start import Result, Standing, Start


class Workload(Protocol):
    """Training of one run: it is opened, trained, finished; any of it may raise what ends the run."""

    @property
    def device(self) -> str:
        """Name of what it computes on."""

    @property
    def notes(self) -> Sequence[str]:
        """Notes for every run that it trains."""

    @property
    def epoch(self) -> int:
        """Whole epochs that are kept."""

    @property
    def epochs_done(self) -> float:
        """Epochs trained, with the part of the last one."""

    def versions(self) -> dict[str, str]:
        """Versions of what decides the numbers."""

    def load(self, folder: RunFolder) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
        """The newest whole checkpoint, with its epoch, step, validations and threads; a note for each damaged one."""

    def open(self, start: Start) -> None:
        """Get ready to train, from the checkpoint if there is one."""

    def train(self, on_metrics: Callable[..., None], on_checkpoint: Callable[[], None]) -> None:
        """Train to the end, with a line or several for each validation and a call after each whole epoch."""

    def standing(self, epoch: int) -> Standing:
        """Where the run stands with so many epochs kept; it may not be open."""

    def measured(self, line: Mapping[str, Any]) -> None:
        """Hear that a line of metrics is kept. Raises StorageError; then it is told again."""

    def progress(self, line: Mapping[str, Any]) -> str:
        """A line of metrics in words, for the job's log; nothing where it is not worth a line."""

    def save(self, folder: RunFolder, extra: Mapping[str, Any], *, check: bool, guard: Callable[[], None]) -> None:
        """Keep a checkpoint with what is `extra`, unless `guard` raises; with `check` it is read back first."""

    def finish(self) -> Result:
        """The outcome of training."""

    def close(self, result: Result) -> None:
        """Hear that the files of the result are kept."""
