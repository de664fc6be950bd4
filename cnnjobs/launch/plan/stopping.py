"""Early stopping of a sweep, from its file to results/<sweep>/search/: fixed when the first verdict is there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

from cnnjobs.config.kinds import networks
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.search.estimate import share_of_iterations
from cnnjobs.search.folder import SearchFolder, Stopping
from cnnjobs.search.rule import Configuration, StoppingRule, in_blocks
from cnnjobs.sweep.file import Sweep

_SHOWN: Final = 6
_MOST_SIMULATED: Final = 200


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
class PlannedStopping:
    """Early stopping of a sweep that is started now; what is kept of an earlier start against its file is `told`."""

    stopping: Stopping | None
    told: str = ""

    def write_down(self, store: RunStore) -> None:
        """Keep how runs are stopped early, before any of them starts. Raises StorageError."""
        folder = SearchFolder(store)
        if self.stopping is not None:
            folder.write_stopping(self.stopping)
        else:
            folder.drop_stopping()


def plan_stopping(sweep: Sweep, store: RunStore) -> PlannedStopping:
    """Look at the file and at what an earlier start has written down; writes nothing. Raises InputError."""
    rule, folder = rule_of(sweep), SearchFolder(store)
    before = folder.read_stopping()
    if rule is None:
        told = "early_terminate is gone from the file: no run is stopped any more; what was stopped stays so"
        return PlannedStopping(None, told if before else "")
    told, blocks = "", before.blocks if before else ()
    if before and before.rule != rule:
        if folder.verdicts():
            changed = ", ".join(key for key, value in rule if value != getattr(before.rule, key))
            told = f"early_terminate: {changed} changed after runs were judged: the rule of then is kept;"
            told += " give the sweep another name for the new one"
            rule = before.rule
        else:
            blocks = ()
    return PlannedStopping(Stopping(rule=rule, blocks=tuple(in_blocks(rule, blocks, configurations(sweep)))), told)


def in_words(sweep: Sweep, planned: PlannedStopping) -> str:
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
        number = sum(map(len, planned.stopping.blocks))
        share = share_of_iterations(rule, min(number, _MOST_SIMULATED), iterations)
        most = f"{len(sweep.runs)} runs x {max(filter(None, budgets))} epochs"
        words += f"; at most {most}, with these bands about {100 * share:.0f} % of that"
    return words


def _epochs_an_iteration(sweep: Sweep) -> float | None:
    """Epochs between two values of the metric, where all runs have the same."""
    found = {run.validate_every for run in networks(run.config for run in sweep.runs)}
    every = found.pop() if len(found) == 1 else None
    return float(every) if isinstance(every, int | float) else None
