"""Search of a sweep, from its file to results/<sweep>/search/: what was decided by it stays as it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Final

from cnnjobs.config.kinds import networks
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.search.estimate import share_of_iterations
from cnnjobs.search.folder import First, ProposingRule, SearchFolder, Stopping
from cnnjobs.search.proposals import Proposals
from cnnjobs.search.rule import Configuration, StoppingRule, in_blocks
from cnnjobs.sweep.file import Sweep
from cnnjobs.sweep.space.coordinates import Located, dimensions
from cnnjobs.sweep.space.space import Space

_SHOWN: Final = 6
_MOST_SIMULATED: Final = 200
# At a time, where nothing sets a limit.
_PARALLEL: Final = 8
_WORTHWHILE: Final = 20
_PLACES: Final = (0.01, 0.3, 0.5, 0.99)


def rule_of(sweep: Sweep) -> StoppingRule | None:
    """The rule that a sweep file asks for.

    Programs may not be able to rest at a band: each of them is judged alone, as soon as those before it are there.
    """
    if sweep.early_terminate is None:
        return None
    order = sweep.search.order or ("wandb" if sweep.is_of_program else "blocks")
    goal, metric = sweep.metric.goal, sweep.metric.name
    return StoppingRule(metric=metric, goal=goal, order=order, **asdict(sweep.early_terminate))


def configurations(sweep: Sweep) -> list[Configuration]:
    """The runs of a sweep by what they share but for the seed, in the order of the file."""
    found: dict[str, list[str]] = {}
    for run in sweep.runs:
        found.setdefault(run.label, []).append(run.run_id)
    return [tuple(run_ids) for run_ids in found.values()]


@dataclass(frozen=True)
class PlannedSearch:
    """Search of a sweep that is started now; what is kept of an earlier start against its file is `told`."""

    stopping: Stopping | None
    proposing: ProposingRule | None = None
    to_come: int = 0
    told: tuple[str, ...] = ()

    @property
    def lag(self) -> int:
        """Number of configurations that are tried at a time; 0 where none are proposed."""
        return self.proposing.lag if self.proposing else 0

    def write_down(self, store: RunStore) -> None:
        """Keep how runs are stopped and found, before any of them starts. Raises StorageError."""
        folder = SearchFolder(store)
        # Who finds the one looks for the other.
        if self.proposing is not None:
            folder.write_proposing(self.proposing)
        if self.stopping is not None:
            folder.write_stopping(self.stopping)
        else:
            folder.drop_stopping()


def plan_search(sweep: Sweep, store: RunStore, *, parallel: int | None = None) -> PlannedSearch:
    """Look at the file and at what an earlier start has written down; writes nothing. Raises InputError.

    `parallel` is how many runs go on at a time.
    """
    proposing, told = plan_proposing(sweep, store, parallel=parallel)
    rule, folder = rule_of(sweep), SearchFolder(store)
    before = folder.read_stopping()
    to_come = 0
    if proposing is not None:
        known = (
            Proposals(store, lambda: proposing_space(sweep)).known()
            if folder.proposing_file.exists()
            else proposing.first
        )
        to_come = max(0, proposing.most - len(known)) * max(1, len(proposing.first[0].runs))
    if rule is None:
        gone = "early_terminate is gone from the file: no run is stopped any more; what was stopped stays so"
        return PlannedSearch(None, proposing, to_come, (*told, gone) if before else told)
    blocks, sizes = (before.blocks, before.sizes) if before else ((), ())
    if before and before.rule != rule:
        if folder.verdicts():
            changed = ", ".join(key for key, value in rule if value != getattr(before.rule, key))
            kept = f"early_terminate: {changed} changed after runs were judged: the rule of then is kept;"
            told = (*told, f"{kept} give the sweep another name for the new one")
            rule = before.rule
        else:
            blocks, sizes = (), ()
    if proposing is not None:
        return PlannedSearch(Stopping(rule=rule, sizes=_sizes(rule, sizes, proposing.most)), proposing, to_come, told)
    stopping = Stopping(rule=rule, blocks=tuple(in_blocks(rule, blocks, configurations(sweep))))
    return PlannedSearch(stopping, None, 0, told)


def proposing_space(sweep: Sweep) -> Space:
    """The space of a search."""
    assert sweep.proposing is not None
    return sweep.proposing.space


def _sizes(rule: StoppingRule, before: Sequence[int], most: int) -> tuple[int, ...]:
    """Sizes of the blocks of so many configurations; those that there were stay."""
    sizes = list(before)
    while (left := most - sum(sizes)) > 0:
        sizes.append(min(rule.block_size, left))
    return tuple(sizes)


def plan_proposing(
    sweep: Sweep, store: RunStore, *, parallel: int | None
) -> tuple[ProposingRule | None, tuple[str, ...]]:
    """The way in which configurations are proposed: what was fixed at the first start stays."""
    if sweep.proposing is None:
        return None, ()
    space, search, before = sweep.proposing.space, sweep.search, SearchFolder(store).read_proposing()
    rule = ProposingRule(
        metric=sweep.metric.name,
        goal=sweep.metric.goal,
        target=sweep.metric.target,
        engine=search.engine,
        seed=space.sampling_seed,
        lag=search.parallel or min(parallel or _PARALLEL, sweep.proposing.most),
        most=sweep.proposing.most,
        space=fingerprint(sweep),
        first=tuple(_first(each, fingerprint(sweep)) for each in sweep.proposing.first),
    )
    if before is None:
        return rule, ()
    told = []
    if search.parallel not in (None, before.lag):
        told.append(f"search.parallel is {before.lag} since the search began, and stays so")
    if rule.space != before.space:
        told.append("the space has changed since: runs of before are kept, and no longer told to the engine")
    if (rule.metric, rule.goal) != (before.metric, before.goal):
        told.append(f"the search goes on by {rule.metric}; before it went by {before.metric}")
    return rule.model_copy(update={"lag": before.lag, "first": before.first}), tuple(told)


def fingerprint(sweep: Sweep) -> str:
    """Fingerprint of the part of a file that coordinates are of."""
    assert sweep.proposing is not None
    space = sweep.proposing.space
    free = [(each.key, each.count) for each in dimensions(space)]
    ends = [[[node.plain for node in axis.at(place)] for place in _PLACES] for axis in space.axes if axis.at]
    rows = [[[node.plain for node in row] for row in axis.rows or ()] for axis in space.axes if axis.at is None]
    plain = json.dumps([free, ends, rows, sorted(space.variants)], default=str)
    return sha256(plain.encode()).hexdigest()[:16]


def _first(located: Located, space: str) -> First:
    configs = [candidate.config for candidate in located.candidates]
    runs = {config.run_id: config.nested() for config in configs if not isinstance(config, list)}
    variant = located.candidates[0].variant
    return First(coordinates=located.coordinates, runs=runs, variant=variant, space=space)


def proposals_in_words(planned: PlannedSearch) -> str:
    """Number of configurations that are proposed, and from what; nothing where all are known."""
    rule = planned.proposing
    if rule is None:
        return ""
    number = len(rule.first)
    words = f"search: {number} of at most {rule.most} configurations at random, the others proposed by {rule.engine}"
    if rule.most <= number:
        return f"search: all {number} configurations are drawn at random: raise run_cap above search.startup to learn"
    words += f", each from the results of those that are {rule.lag} behind it (as many at a time)"
    if rule.most < _WORTHWHILE and rule.lag > 1:
        words += f"; below {_WORTHWHILE} configurations with {rule.lag} at a time random search does as well"
    return words


def in_words(sweep: Sweep, planned: PlannedSearch) -> str:
    """Bands and what they are expected to save; nothing where no run is stopped early."""
    if planned.stopping is None:
        return ""
    rule, every = planned.stopping.rule, _epochs_an_iteration(sweep)
    budgets = {run.config.budget for run in sweep.runs}
    iterations = None if every is None or None in budgets else round(max(filter(None, budgets)) / every)
    bands = rule.bands(10**6 if iterations is None else iterations - 1)
    shown = ", ".join(map(str, bands[:_SHOWN])) + (", ..." if len(bands) > _SHOWN else "")
    judged = "each alone against those before it" if rule.order == "wandb" else f"in blocks of {rule.block_size}"
    words = f"early_terminate: judged by {rule.metric} at iterations {shown or 'of which no run has so many'}"
    if every is not None and bands:
        words += f" (epochs {', '.join(f'{band * every:g}' for band in bands[:_SHOWN])})"
    words += f", {judged}"
    if iterations is not None and bands:
        number = sum(planned.stopping.sizes) or sum(map(len, planned.stopping.blocks))
        share = share_of_iterations(rule, min(number, _MOST_SIMULATED), iterations)
        most = f"{len(sweep.runs) + planned.to_come} runs x {max(filter(None, budgets))} epochs"
        words += f"; at most {most}, with these bands about {100 * share:.0f} % of that"
    return words


def _epochs_an_iteration(sweep: Sweep) -> float | None:
    """Epochs between two values of the metric, where all runs have the same."""
    found = {run.validate_every for run in networks(run.config for run in sweep.runs)}
    every = found.pop() if len(found) == 1 else None
    return float(every) if isinstance(every, int | float) else None
