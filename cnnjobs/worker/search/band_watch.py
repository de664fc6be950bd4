"""The bands of a search, as a run comes to them while it trains."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from cnnjobs.disk.record import RunState
from cnnjobs.errors import InputError, StorageError
from cnnjobs.search.early_stopping import GOES_ON, Decision, EarlyStopping
from cnnjobs.system.stop_request import Stopped
from cnnjobs.worker.claim.claimed_run import ClaimedRun
from cnnjobs.worker.search.early_end import end_early

_LOOK_S: Final = 2.0


class LeavesAtBand(Stopped):
    """The run has come to a band at which its search stops it, or has it wait."""


class BandWatch:
    """Watch of one run: it trains on while its verdict is missing, up to its next checkpoint.

    `decision` is what the search says of it now.
    """

    def __init__(self, search: EarlyStopping | None, run: ClaimedRun) -> None:
        self._search, self._run = search, run
        self.decision: Decision = GOES_ON
        self._rests = False
        self._looked_at = 0.0
        self._reported = self._next = 0
        if search is not None:
            run.storage.stop_when(self.leaves)

    def begin(self, lines: Sequence[Any]) -> None:
        """Begin with the lines that there are."""
        if self._search is not None:
            self._reported = 0
            self.measured(lines)

    def measured(self, lines: Sequence[Any]) -> None:
        """Take note of lines of metrics that are kept. Raises StorageError, InputError."""
        if self._search is None:
            return
        search = self._search
        self._reported += len(self._run.storage.retry(search.stopping).rule.reported(lines))
        if self._next and self._reported < self._next:
            return
        # What counts is what is on disk: a program that went on may have reported some of it before.
        self._run.storage.retry(self._look)

    def at_checkpoint(self) -> None:
        """Let the run rest at what has just been kept, unless its verdict has come."""
        if self.decision.waits:
            self._run.storage.retry(self._look)
            self._rests = self.decision.waits

    def leaves(self) -> bool:
        """Check whether the run is to end now."""
        if self.decision.waits and not self._rests and time.monotonic() - self._looked_at > _LOOK_S:
            # Its next line, or its next checkpoint, looks again.
            with suppress(OSError, StorageError, InputError):
                self._look()
        return self.decision.stops or (self.decision.waits and self._rests)

    def at_end(self) -> None:
        """Raises LeavesAtBand where a run that has trained to its end may not finish."""
        if self._search is not None:
            self._run.storage.retry(self._look)
        if not self.decision.goes_on:
            self._rests = True
            raise LeavesAtBand

    def _look(self) -> None:
        assert self._search is not None
        self._looked_at = time.monotonic()
        folder = self._run.folder
        lines = folder.read_metrics(windows=False)
        self.decision = self._search.decide(folder.run_id, lines)
        self._reported = len(self._search.stopping().rule.reported(lines))
        self._next = self._search.next_band(self._reported)

    def end(self, *, trained: bool) -> dict[str, Any] | None:
        """Changes of the record of a run that leaves; None where something else has ended it. Raises StorageError."""
        if self.decision.stops and self._search is not None:
            return end_early(self._run, self._search, self.decision)
        if self.decision.waits and self._rests:
            return {"state": RunState.PENDING, "cause": self.decision.words, "trained": trained}
        return None
