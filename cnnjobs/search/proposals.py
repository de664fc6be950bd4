"""Proposals of a search: configuration i follows from the results of those that are far enough behind it.

Which results these are is told by indices alone, so that any process finds the same at any time: those of all
configurations up to i - lag; where runs are stopped early in blocks, the final ones of blocks that are far enough
behind, and the values at the first band of the blocks between. What cannot be known yet is waited for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from random import Random
from statistics import fmean
from typing import Final

from cnnjobs.disk.run_folder import RunState, RunStore
from cnnjobs.search.early_stopping import EarlyStopping
from cnnjobs.search.engine import ask, release
from cnnjobs.search.folder import First, Proposal, ProposingRule, SearchFolder
from cnnjobs.search.rule import Configuration, Told
from cnnjobs.sweep.space.coordinates import Located, dimensions, drawn, locate
from cnnjobs.sweep.space.space import Space

_TRIES: Final = 100
_AT_RANDOM: Final = "random: the engine proposed none that is new"


class Proposals:
    """The configurations of a search, one after the other; `space` reads its space when it is needed."""

    def __init__(self, store: RunStore, space: Callable[[], Space]) -> None:
        self._store, self._read_space = store, space
        self._folder = SearchFolder(store)
        self._proposals: list[Proposal] = []
        self._space: Space | None = None

    @classmethod
    def of(cls, store: RunStore, space: Callable[[], Space]) -> Proposals | None:
        """The proposals of a sweep, if it is such a search."""
        found = cls(store, space)
        return found if found._folder.proposing_file.exists() else None

    def known(self) -> list[First]:
        """All configurations that are known now, by index. Raises InputError, OSError."""
        rule = self._rule()
        self._look(rule)
        return [*rule.first, *(each for each in self._proposals if each.ended is None)]

    def total(self) -> int:
        """Number of configurations that there will be, as far as that is known now."""
        rule = self._rule()
        self._look(rule)
        ended = any(each.ended for each in self._proposals)
        return len(self.known()) if ended else max(rule.most, len(rule.first) + len(self._proposals))

    def left(self) -> int:
        """Number of configurations that are still to be proposed."""
        return self.total() - len(self.known())

    def next(self, *, waited: bool = False) -> Proposal | None:
        """Propose one more; None where results are missing, unless others were `waited` for, or none is left.

        Raises InputError, OSError, StorageError, RunError.
        """
        if not self.left():
            return None
        rule, index = self._rule(), len(self.known())
        saw = self._saw(rule, index, waited=waited)
        if saw is None:
            return None
        proposal = self._folder.write_proposal(self._made(rule, index, saw, waited=waited))
        self._look(rule)
        return proposal

    def again(self) -> Iterator[tuple[Proposal, Proposal]]:
        """Each proposal, and what follows now from what it saw. Raises InputError, OSError, RunError."""
        rule = self._rule()
        self._look(rule)
        for made in self._proposals:
            yield made, self._made(rule, made.index, made.saw, waited=made.waited)

    def _rule(self) -> ProposingRule:
        found = self._folder.read_proposing()
        assert found is not None, self._folder.proposing_file
        return found

    def _look(self, rule: ProposingRule) -> None:
        """Read proposals that were made since."""
        self._proposals = self._folder.look_at_proposals(len(rule.first), self._proposals)

    def _made(self, rule: ProposingRule, index: int, saw: dict[int, Told], *, waited: bool) -> Proposal:
        """The proposal that follows from what was seen."""
        ended = _target_reached(rule, saw)
        if ended:
            return Proposal(index=index, coordinates={}, runs={}, saw=saw, ended=ended)
        known = self.known()[:index]
        told = [(known[each].coordinates, value) for each, value in saw.items() if known[each].space == rule.space]
        seen = {run_id for each in known for run_id in each.runs}
        space = self._space = self._space or self._read_space()
        for number, (coordinates, seed, engine) in enumerate(self._tries(rule, space, index, told)):
            located = locate(space, coordinates)
            if located is not None and (made := _runs(located)) and not made.keys() <= seen:
                return Proposal(
                    index=index, coordinates=located.coordinates, runs=made, engine=engine, seed=seed, saw=saw,
                    waited=waited, space=rule.space, variant=located.candidates[0].variant,
                )  # fmt: skip
            if number == 3 * _TRIES:
                break
        return Proposal(index=index, coordinates={}, runs={}, saw=saw, ended="no other configuration is left")

    def _tries(
        self, rule: ProposingRule, space: Space, index: int, told: Sequence[tuple[dict[str, float], Told]]
    ) -> Iterator[tuple[dict[str, float], int, str]]:
        """Coordinates that the engine proposes, then random ones: where some are excluded or were tried before."""
        free, name = dimensions(space), f"{rule.engine} ({release()})"
        for number in range(_TRIES):
            seed = Random(f"{rule.seed} {index} {number}").getrandbits(32)
            # A sequence has one seed, and goes on where its point is of no use.
            own = rule.seed if rule.engine == "qmc" else seed
            place = index - len(rule.first) + (number * rule.most if rule.engine == "qmc" else 0)
            yield ask(rule.engine, free, told, goal=rule.goal, seed=own, number=place), own, name
        for number in range(3 * _TRIES):
            yield drawn(free, rule.seed, index * 10_000 + number), rule.seed, _AT_RANDOM

    def _saw(self, rule: ProposingRule, index: int, *, waited: bool) -> dict[int, Told] | None:
        """The results that a proposal is made from; None while one is missing."""
        search = EarlyStopping.of(self._store)
        whole, partly = index - rule.lag + 1, 0
        size = search.stopping().rule.block_size if search else 1
        if size > 1:
            blocks = math.ceil(rule.lag / size)
            first = index // size * size
            whole, partly = first - blocks * size, first
        saw = {}
        for number, each in enumerate(self.known()[:index]):
            told: Told | None = Told(state="pending")
            if number < whole:
                told = self._final(rule, each.configuration)
            elif number < partly and search is not None:
                told = self._at_first_band(search, number)
            if told is None and not waited:
                return None
            saw[number] = told or Told(state="pending")
        return saw

    def _final(self, rule: ProposingRule, configuration: Configuration) -> Told | None:
        """Result of a configuration that is over, the mean over its seeds; None while it is not."""
        records = [self._store.run(run_id).read_record() for run_id in configuration]
        if not all(record.state.is_settled for record in records):
            return None
        passed = [record for record in records if record.state.has_passed and rule.metric in record.metrics]
        if not passed:
            return Told(state="failed")
        value = fmean(record.metrics[rule.metric] for record in passed)
        if any(record.state is RunState.STOPPED for record in passed):
            return Told(state="partial", value=value, band=self._iterations(rule, configuration))
        return Told(state="finished", value=value)

    def _iterations(self, rule: ProposingRule, configuration: Configuration) -> int:
        """Iterations of a configuration that was stopped early."""
        lines = (self._store.run(run_id).read_metrics(windows=False) for run_id in configuration)
        return max(sum(rule.metric in line for line in each) for each in lines)

    def _at_first_band(self, search: EarlyStopping, index: int) -> Told | None:
        band = search.next_band(0)
        verdict = search.verdict_on(index, band)
        if verdict is None:
            return None
        seen = verdict.seen.get(index)
        return Told(state="failed") if seen is None else Told(state="partial", value=seen.value, band=band)


def _runs(located: Located) -> dict[str, dict[str, object]]:
    """Runs of a configuration with their settings; none where it is faulty."""
    configs = [candidate.config for candidate in located.candidates]
    return {config.run_id: config.nested() for config in configs if not isinstance(config, list)}


def _target_reached(rule: ProposingRule, saw: dict[int, Told]) -> str | None:
    if rule.target is None:
        return None
    for index, each in saw.items():
        if each.value is None or each.state != "finished":
            continue
        if each.value >= rule.target if rule.goal == "maximize" else each.value <= rule.target:
            return f"configuration {index + 1} has reached the target {rule.target:g} with {each.value:.6g}"
    return None
