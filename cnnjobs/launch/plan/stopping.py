"""Early stopping of a sweep, from its file to results/<sweep>/search/: fixed when the first verdict is there."""

from __future__ import annotations

from dataclasses import asdict

from cnnjobs.disk.run_folder import RunStore
from cnnjobs.search.folder import SearchFolder, Stopping
from cnnjobs.search.rule import Configuration, StoppingRule, in_blocks
from cnnjobs.sweep.file import Sweep


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


def stopping_for(sweep: Sweep, store: RunStore) -> tuple[Stopping | None, str]:
    """The early stopping of a sweep that is started now, and what is kept of an earlier start against its file."""
    rule, folder = rule_of(sweep), SearchFolder(store)
    before = folder.read_stopping()
    if rule is None:
        told = "early_terminate is gone from the file: no run is stopped any more; what was stopped stays so"
        return None, told if before else ""
    told, blocks = "", before.blocks if before else ()
    if before and before.rule != rule:
        if folder.verdicts():
            changed = ", ".join(key for key, value in rule if value != getattr(before.rule, key))
            told = f"early_terminate ({changed}) has changed since runs were judged: the rule of then is kept;"
            told += " give the sweep another name for the new one"
            rule = before.rule
        else:
            blocks = ()
    return Stopping(rule=rule, blocks=tuple(in_blocks(rule, blocks, configurations(sweep)))), told


def keep_stopping(sweep: Sweep, store: RunStore) -> None:
    """Write down how runs are stopped early, before any of them starts. Raises StorageError, InputError."""
    folder = SearchFolder(store)
    stopping, _ = stopping_for(sweep, store)
    if stopping is not None:
        folder.write_stopping(stopping)
    else:
        folder.drop_stopping()
