"""State of a search: its bands, who was stopped at which, who waits, and what was proposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnnjobs.disk.run_folder import RunState
from cnnjobs.errors import InputError
from cnnjobs.search.early_stopping import EarlyStopping
from cnnjobs.search.folder import Proposal, ProposingRule, SearchFolder, Stopping
from cnnjobs.search.rule import Verdict
from cnnjobs.status.run_status import RunStatuses
from cnnjobs.status.search.known_runs import KnownRuns
from cnnjobs.status.sweep_status import SweepWatcher
from cnnjobs.status.sweeps import OpenSweep


@dataclass(frozen=True)
class BandStatus:
    """A band: numbers of configurations that were judged and stopped there, and the last threshold."""

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
    stopping: Stopping | None
    proposing: ProposingRule | None
    bands: tuple[BandStatus, ...]
    verdicts: tuple[Verdict, ...]
    proposals: tuple[Proposal, ...]
    snapshot: RunStatuses


def look_at_search(opened: OpenSweep) -> SearchStatus:
    """Look at the search of a sweep. Raises InputError where it has none."""
    folder, search = SearchFolder(opened.store), EarlyStopping.of(opened.store)
    stopping, proposing = search.stopping() if search else None, folder.read_proposing()
    if stopping is None and proposing is None:
        raise InputError(
            f"{opened.sweep.name} is no search, or was not started: it has neither method: bayes nor early_terminate,"
            " as in early_terminate: {type: hyperband, min_iter: 3}"
        )
    verdicts = tuple(folder.verdicts())
    proposals = tuple(folder.look_at_proposals(len(proposing.first), [])) if proposing else ()
    snapshot = SweepWatcher(opened.store, KnownRuns(opened.sweep, opened.store)).look().snapshot
    return SearchStatus(opened.sweep.name, stopping, proposing, bands_of(verdicts), verdicts, proposals, snapshot)


def bands_of(verdicts: Sequence[Verdict]) -> tuple[BandStatus, ...]:
    """The bands with a verdict, first to last."""
    found = []
    for band in sorted({each.band for each in verdicts}):
        own = sorted((each for each in verdicts if each.band == band), key=lambda each: each.block)
        judged = sum(seen is not None for each in own for seen in each.seen.values())
        last = next((each.threshold for each in reversed(own) if each.threshold is not None), None)
        found.append(BandStatus(band, judged, sum(len(each.stopped) for each in own), last))
    return tuple(found)


def waiting_or_stopped(snapshot: RunStatuses) -> Sequence[tuple[str, str]]:
    """Label and reason of each run that was stopped early or waits for its verdict."""
    found = (status for status in snapshot.runs if status.cause and status.attempts)
    return [(each.label, str(each.cause)) for each in found if each.state in (RunState.STOPPED, RunState.PENDING)]
