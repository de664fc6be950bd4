"""State of a search: its bands, who was stopped at which, and who waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnnjobs.disk.run_folder import RunState
from cnnjobs.errors import InputError
from cnnjobs.search.folder import SearchFolder, Stopping
from cnnjobs.search.rule import Verdict
from cnnjobs.status.run_status import RunStatus
from cnnjobs.status.sweep_status import SweepWatcher
from cnnjobs.status.sweeps import OpenSweep


@dataclass(frozen=True)
class BandStatus:
    """A band: numbers of configurations that were judged there and stopped, and the mean epoch of its values."""

    band: int
    judged: int
    stopped: int
    threshold: float | None

    @property
    def kept(self) -> int:
        """Number of configurations that went on."""
        return self.judged - self.stopped


@dataclass(frozen=True)
class SearchStatus:
    """A search at one moment."""

    name: str
    stopping: Stopping
    bands: tuple[BandStatus, ...]
    verdicts: tuple[Verdict, ...]
    runs: tuple[RunStatus, ...]

    @property
    def waiting(self) -> Sequence[RunStatus]:
        """Runs that rest at a band until their verdict comes."""
        return [each for each in self.runs if each.state is RunState.PENDING and each.attempts and each.cause]

    @property
    def stopped(self) -> Sequence[RunStatus]:
        """Runs that were stopped early."""
        return [each for each in self.runs if each.state is RunState.STOPPED]


def look_at_search(opened: OpenSweep) -> SearchStatus:
    """Look at the search of a sweep. Raises InputError where it has none."""
    folder = SearchFolder(opened.store)
    stopping = folder.read_stopping()
    if stopping is None:
        raise InputError(
            f"{opened.sweep.name} is no search, or not started: no run of it is stopped early; add for example"
            " early_terminate: {type: hyperband, min_iter: 3}"
        )
    verdicts = tuple(folder.verdicts())
    runs = SweepWatcher(opened.store, opened.sweep.runs).look().snapshot.runs
    return SearchStatus(opened.sweep.name, stopping, bands_of(verdicts), verdicts, runs)


def bands_of(verdicts: Sequence[Verdict]) -> tuple[BandStatus, ...]:
    """The bands with a verdict, first to last; the threshold is the last one."""
    found = []
    for band in sorted({each.band for each in verdicts}):
        own = sorted((each for each in verdicts if each.band == band), key=lambda each: each.block)
        judged = sum(seen is not None for each in own for seen in each.seen.values())
        last = next((each.threshold for each in reversed(own) if each.threshold is not None), None)
        found.append(BandStatus(band, judged, sum(len(each.stopped) for each in own), last))
    return tuple(found)
