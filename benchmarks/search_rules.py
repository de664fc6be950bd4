"""Searches that are replayed: random search, ours, W&B's rule and ASHA. All propose the same runs in the same order."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict

from cnnjobs.search.rule import StoppingRule, Verdict, in_blocks, judge, seen_at

METRIC = "validation.accuracy"


def rule_of(min_iter: int, eta: float, order: str = "blocks") -> StoppingRule:
    """The rule of a sweep file."""
    keys = {"metric": METRIC, "goal": "maximize", "min_iter": min_iter, "eta": eta, "order": order}
    return StoppingRule.model_validate(keys)


class RandomSearch:
    """Every run to its end."""

    def __init__(self, runs: int) -> None:
        self._fresh = iter(range(runs))

    def take(self) -> int | None:
        """The next run that nobody has begun."""
        return next(self._fresh, None)

    def measured(self, run: int, epoch: int, value: float) -> None:
        """Nothing follows from it."""

    def leaves(self, run: int) -> bool:  # noqa: ARG002
        """No run does."""
        return False


class WandbRule(RandomSearch):
    """`early_terminate` as PyPI's `sweeps` 0.3.0 has it (hyperband_stopping.py, strict), asked after every epoch.

    A run stops as soon as its value at the last band that it has passed is worse than the best 1/eta of the values
    that are there at that moment.
    """

    def __init__(self, runs: int, epochs: int, rule: StoppingRule) -> None:
        super().__init__(runs)
        self._bands, self._eta = rule.bands(epochs), rule.eta
        self._there: dict[int, list[float]] = defaultdict(list)
        self._last: dict[int, tuple[int, float]] = {}

    def measured(self, run: int, epoch: int, value: float) -> None:
        """Keep what counts at a band."""
        if epoch in self._bands:
            insort(self._there[epoch], -value)
            self._last[run] = epoch, -value

    def leaves(self, run: int) -> bool:
        """Check whether the engine would stop a run now."""
        if run not in self._last:
            return False
        band, value = self._last[run]
        there = self._there[band]
        return value > there[int(1.0 / self._eta * len(there))]


class Ours:
    """Early stopping of cnnjobs: a run whose verdict is missing rests at its checkpoint, one of every epoch.

    Workers take up runs that were kept at a band first, then new ones.
    """

    def __init__(self, runs: int, epochs: int, rule: StoppingRule) -> None:
        self._rule, self._bands = rule, rule.bands(epochs - 1)
        self._blocks = in_blocks(rule, [], [(str(run),) for run in range(runs)])
        self._members: list[range] = []
        for block in self._blocks:
            first = self._members[-1].stop if self._members else 0
            self._members.append(range(first, first + len(block)))
        self._block_of = [number for number, members in enumerate(self._members) for _ in members]
        self._values: list[list[float]] = [[] for _ in range(runs)]
        self._verdicts: dict[tuple[int, int], Verdict] = {}
        self._fresh = iter(range(runs))
        self._resting: list[int] = []

    def take(self) -> int | None:
        """The first run that was kept, or the next that nobody has begun."""
        for run in self._resting:
            if (stops := self._stops(run)) is not None:
                self._resting.remove(run)
                return self.take() if stops else run
        return next(self._fresh, None)

    def measured(self, run: int, epoch: int, value: float) -> None:
        """Keep the curve so far."""
        assert len(self._values[run]) == epoch - 1
        self._values[run].append(value)

    def leaves(self, run: int) -> bool:
        """Check whether a run is stopped or has to wait."""
        if len(self._values[run]) not in self._bands:
            return False
        stops = self._stops(run)
        if stops is None:
            insort(self._resting, run)
        return stops is not False

    def _stops(self, run: int) -> bool | None:
        """Decision at the band that a run has reached; None while its verdict is missing."""
        verdict = self._verdict(self._bands.index(len(self._values[run])), self._block_of[run])
        return None if verdict is None else run in verdict.stopped

    def _verdict(self, place: int, block: int) -> Verdict | None:
        """The verdict on a block at a band, as soon as it and all before it are known."""
        if (place, block) not in self._verdicts:
            if block and self._verdict(place, block - 1) is None:
                return None
            last = self._verdict(place - 1, block) if place else None
            if place and last is None:
                return None
            band, seen = self._bands[place], {}
            for run in self._members[block]:
                goes_on = last is None or (run not in last.stopped and last.seen[run] is not None)
                if goes_on and len(self._values[run]) < band:
                    return None
                seen[run] = seen_at(self._rule, band, {str(run): self._values[run]}) if goes_on else None
            past = (self._verdicts[place, number] for number in range(block))
            earlier = [each.value for verdict in past for each in verdict.seen.values() if each]
            self._verdicts[place, block] = judge(self._rule, band, block, earlier, seen)
        return self._verdicts[place, block]


class Asha:
    """Asynchronous successive halving with promotions.

    Li et al., A System for Massively Parallel Hyperparameter Tuning, 2020, algorithm 2: a free worker promotes a run
    that is among the best 1/eta of a rung, the highest rung first, or begins a new one.
    """

    def __init__(self, runs: int, epochs: int, rule: StoppingRule) -> None:
        self._rungs, self._eta = [*rule.bands(epochs - 1), epochs], rule.eta
        self._there: list[list[tuple[float, int]]] = [[] for _ in self._rungs]
        self._promoted: list[set[int]] = [set() for _ in self._rungs]
        self._at_rung: set[int] = set()
        self._fresh = iter(range(runs))

    def take(self) -> int | None:
        """A run to be promoted, or the next that nobody has begun."""
        for there, promoted in reversed(list(zip(self._there[:-1], self._promoted, strict=False))):
            for _, run in there[: int(len(there) / self._eta)]:
                if run not in promoted:
                    promoted.add(run)
                    self._at_rung.discard(run)
                    return run
        return next(self._fresh, None)

    def measured(self, run: int, epoch: int, value: float) -> None:
        """Keep what counts at a rung."""
        if epoch in self._rungs:
            insort(self._there[self._rungs.index(epoch)], (-value, run))
            self._at_rung.add(run)

    def leaves(self, run: int) -> bool:
        """Check whether a run has come to the end of its job."""
        return run in self._at_rung
