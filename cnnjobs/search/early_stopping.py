"""Early stopping of the runs of one sweep, decided by whichever process looks when all values are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnjobs.disk.run_folder import RunFolder, RunStore
from cnnjobs.errors import InputError
from cnnjobs.search.folder import Proposal, SearchFolder, Stopping
from cnnjobs.search.rule import Seen, Verdict, is_worse, judge, seen_at

_FAR = 10**9


@dataclass(frozen=True)
class Decision:
    """Decision on a run at the `band` that it has reached: it goes on, waits for a verdict, or is stopped."""

    band: int = 0
    waits: bool = False
    stops: bool = False
    words: str = ""

    @property
    def goes_on(self) -> bool:
        """True if it may be trained further."""
        return not (self.waits or self.stops)


GOES_ON = Decision()


class EarlyStopping:
    """The verdicts on the runs of a sweep."""

    def __init__(self, store: RunStore) -> None:
        self._store, self._folder = store, SearchFolder(store)
        self._proposals: list[Proposal] = []
        self._verdicts: dict[tuple[int, int], Verdict] = {}
        self._values: dict[str, list[float]] = {}

    @classmethod
    def of(cls, store: RunStore) -> EarlyStopping | None:
        """The early stopping of a sweep, if it has one."""
        found = cls(store)
        return found if found._folder.stopping_file.exists() else None

    def stopping(self) -> Stopping:
        """The rule and the blocks as they are now. Raises InputError, OSError."""
        found = self._folder.read_stopping()
        if found is None:
            raise InputError(f"{self._folder.stopping_file}: removed while runs are trained by it")
        rule = self._folder.read_proposing() if found.sizes else None
        if rule is None:
            return found
        self._proposals = self._folder.look_at_proposals(len(rule.first), self._proposals)
        made = [each for each in self._proposals if each.ended is None]
        known = [each.configuration for each in (*rule.first, *made)]
        is_over = len(made) < len(self._proposals)
        return found.filled(known, len(known) if is_over else max(rule.most, len(known)))

    def verdict_on(self, index: int, band: int) -> Verdict | None:
        """The verdict on the block of a configuration at a band; None while it is missing."""
        stopping = self.stopping()
        ends = [sum(len(block) for block in stopping.blocks[: number + 1]) for number in range(len(stopping.blocks))]
        return self._verdict(stopping, band, next(number for number, end in enumerate(ends) if index < end))

    def decide(self, run_id: str, lines: Sequence[Mapping[str, Any]] | None = None) -> Decision:
        """Decide on a run by its lines of metrics, or by those on disk. Raises InputError, OSError, StorageError."""
        stopping = self.stopping()
        place = stopping.place(run_id)
        if place is None:
            return GOES_ON
        folder = self._store.run(run_id)
        lines = folder.read_metrics(windows=False) if lines is None else lines
        reported, block, index = stopping.rule.reported(lines), *place
        for band in stopping.rule.bands(len(reported)):
            if self._is_last(folder, lines[stopping.rule.iteration_line(lines, band) - 1]):
                break
            verdict = self._verdict(stopping, band, block)
            if verdict is None:
                return Decision(band, waits=True, words=_waiting(stopping, band, block))
            if self._is_stopped(stopping, verdict, index, run_id, reported):
                return Decision(band, stops=True, words=_stopped(stopping, verdict, index))
        return GOES_ON

    def next_band(self, reported: int) -> int:
        """Iteration of the first band after so many."""
        bands = self.stopping().rule.bands(_FAR)
        return next((band for band in bands if band > reported), _FAR)

    def _is_last(self, folder: RunFolder, line: Mapping[str, Any]) -> bool:
        """Check whether a line is the last one of a whole training: nothing is left to be saved."""
        planned = folder.read_record().planned_epochs
        return bool(planned) and float(line.get("epoch", 0.0)) >= planned

    def _is_stopped(
        self, stopping: Stopping, verdict: Verdict, index: int, run_id: str, reported: Sequence[float]
    ) -> bool:
        if verdict.seen.get(index) is not None or verdict.threshold is None:
            return index in verdict.stopped
        # It had ended before the band, and was started again since.
        seen = seen_at(stopping.rule, verdict.band, {run_id: reported})
        return seen is not None and is_worse(stopping.rule, seen, verdict.threshold)

    def _verdict(self, stopping: Stopping, band: int, block: int) -> Verdict | None:
        """The verdict on a block at a band; None while a value is missing."""
        chain: list[Verdict] = []
        before = stopping.rule.bands(band - 1)[-1:]
        for number in range(block + 1):
            found = self._known(band, number)
            if found is None:
                last = self._verdict(stopping, before[0], number) if before else None
                if before and last is None:
                    return None
                seen = self._seen(stopping, band, number, last)
                if seen is None:
                    return None
                earlier = [each.value for past in chain for each in past.seen.values() if each is not None]
                found = self._folder.write_verdict(judge(stopping.rule, band, number, earlier, seen))
                self._verdicts[band, number] = found
            chain.append(found)
        return chain[-1]

    def _known(self, band: int, block: int) -> Verdict | None:
        if (band, block) not in self._verdicts:
            found = self._folder.read_verdict(band, block)
            if found is None:
                return None
            self._verdicts[band, block] = found
        return self._verdicts[band, block]

    def _seen(self, stopping: Stopping, band: int, block: int, last: Verdict | None) -> dict[int, Seen | None] | None:
        """Values of a block at a band, of those that were kept at the `last` one; None while one may still come."""
        seen: dict[int, Seen | None] = {}
        if not stopping.is_complete(block):
            return None
        for index, configuration in stopping.members(block).items():
            if last is not None and (index in last.stopped or last.seen.get(index) is None):
                # Also one that has trained on before it was stopped there.
                seen[index] = None
                continue
            runs: dict[str, Sequence[float] | None] = {}
            for run_id in configuration:
                values = self._reported(stopping, self._store.run(run_id), band)
                if values is None:
                    return None
                runs[run_id] = values
            seen[index] = seen_at(stopping.rule, band, runs)
        return seen

    def _reported(self, stopping: Stopping, folder: RunFolder, band: int) -> Sequence[float] | None:
        """Values of a run up to a band, or to its end before that; None while it is on its way."""
        known = self._values.get(folder.run_id, ())
        if len(known) >= band:
            return known
        # The state first: what ends in between has written its last value before.
        is_over = folder.read_record().state.is_settled
        values = stopping.rule.reported(folder.read_metrics(windows=False))
        if len(values) < band and not is_over:
            return None
        if len(values) >= band:
            self._values[folder.run_id] = values
        return values


def _waiting(stopping: Stopping, band: int, block: int) -> str:
    members = list(stopping.members(block))
    if stopping.rule.order == "wandb":
        return f"waits at iteration {band} until every configuration before it has got there"
    others = f"configurations {members[0] + 1} to {members[-1] + 1} are all there"
    return f"waits at iteration {band} until {others if len(members) > 1 else 'those before it are there'}"


def _stopped(stopping: Stopping, verdict: Verdict, index: int) -> str:
    rule, seen = stopping.rule, verdict.seen.get(index)
    value = "" if seen is None else f" {seen.value if rule.strict else seen.best:.4g} is"
    kept = f"the best 1/{rule.eta:g} of {_ordinal(verdict, index)}"
    threshold = "" if verdict.threshold is None else f" ({verdict.threshold:.4g})"
    return f"stopped early at iteration {verdict.band}: {rule.metric}{value} not among {kept}{threshold}"


def _ordinal(verdict: Verdict, index: int) -> str:
    last = max(verdict.seen, default=index)
    return f"configurations 1 to {last + 1}"
