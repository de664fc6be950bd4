"""Stacks, runs of a sweep that may train as one network: chosen before anything is loaded."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice, pairwise
from typing import Any, Final

from cnnjobs.config.kinds import networks
from cnnjobs.config.profile import JobProfile, StackSetting
from cnnjobs.config.resolved_profile import ResolvedProfile
from cnnjobs.config.run import RunConfig
from cnnjobs.disk.submission_folder import Stacks
from cnnjobs.launch.plan.resources import Resources
from cnnjobs.sweep.file import Sweep

# LeNet-5 at 2, 4 and 8 runs: 1.6, 1.95 and 2.2 times one in processor time (python -m benchmarks.stacked); 16 bring
# little more and as many runs that a crash stops at once.
MOST: Final = 8
# The networks that are a chain of layers; whether one is small enough to gain, the worker finds out.
_CHAINS: Final = ("lenet5", "mnist_cnn", "cnn")
# What changes neither the shapes of a network nor its batches.
_FREE: Final = ("loss", "optimizer", "lr", "weight_decay", "schedule", "early_stopping")


def choose_stacks(runs: Iterable[RunConfig], setting: StackSetting, *, workers: int, on_gpu: bool) -> Stacks:
    """Runs that share their batches, so many together as are set, never those of different seeds.

    With `auto` on a CPU alone, networks that are known to be a chain of layers, up to MOST but enough for all workers.
    """
    alike = _alike(runs, setting, on_gpu=on_gpu)
    if setting == "off" or not alike:
        return Stacks()
    most = _share(sum(map(len, alike)), workers) if setting == "auto" else setting
    groups = [part for group in alike for part in _dealt(group, most) if len(part) > 1]
    return Stacks(groups=tuple(groups), if_small=setting == "auto")


def _alike(runs: Iterable[RunConfig], setting: StackSetting, *, on_gpu: bool) -> list[tuple[str, ...]]:
    """All runs that may train together, without a limit on their number."""
    if setting in ("off", 1) or (setting == "auto" and on_gpu):
        return []
    alike: dict[str, list[str]] = defaultdict(list)
    for run in runs:
        if run.freeze is None and (setting != "auto" or _is_known(run)):
            alike[_batches(run)].append(run.run_id)
    return [tuple(group) for group in alike.values() if len(group) > 1]


def stack_setting(sweep: Sweep, setting: StackSetting) -> StackSetting:
    """Setting of a sweep: where runs are stopped early it decides which ones train together, to the last bit.

    So that a search finds the same for any number of workers, its runs train alone, unless stacks are asked for.
    """
    return "off" if sweep.early_terminate is not None and setting == "auto" else setting


def stacks_here(sweep: Sweep, profile: JobProfile, resources: Resources) -> Stacks:
    """The stacks of a sweep on this machine: of all its runs, so that what goes on tomorrow meets the same ones."""
    runs = networks(run.config for run in sweep.runs)
    return choose_stacks(
        runs, stack_setting(sweep, profile.stack), workers=resources.workers, on_gpu=bool(resources.gpus)
    )


def gather(
    runs: Sequence[RunConfig], tasks: tuple[tuple[str, ...], ...], profile: ResolvedProfile
) -> tuple[tuple[tuple[str, ...], ...], Stacks]:
    """As many runs for each job as in `tasks`, those that share their batches in the same one, and the stacks."""
    if profile.runs_at_once > 1 or max(map(len, tasks), default=0) < 2:
        return tasks, Stacks()
    configs, on_gpu = {run.run_id: run for run in runs}, bool(profile.gpus_per_run)
    alike = Stacks(groups=tuple(_alike(runs, profile.stack, on_gpu=on_gpu)))
    if not alike.groups:
        return tasks, Stacks()
    ordered = iter([run_id for unit in alike.units(list(configs)) for run_id in unit])
    tasks = tuple(tuple(islice(ordered, len(task))) for task in tasks)
    # Within each job: stacks that are chosen before that would be cut where the next job begins.
    chosen = [
        choose_stacks([configs[run_id] for run_id in task], profile.stack, workers=1, on_gpu=on_gpu) for task in tasks
    ]
    return tasks, Stacks(
        groups=tuple(group for each in chosen for group in each.groups), if_small=profile.stack == "auto"
    )


def _batches(run: RunConfig) -> str:
    """Key that runs with the same batches and shapes share."""
    nested: dict[str, Any] = {key: value for key, value in run.nested().items() if key not in _FREE}
    nested["model"] = {key: value for key, value in nested["model"].items() if key != "initialisation"}
    return json.dumps(nested, sort_keys=True)


def _is_known(run: RunConfig) -> bool:
    """Check whether all its parts are known to be the same in a stack: a loss of one's own may draw random numbers."""
    own = any(":" in choice.name for choice in (run.loss, run.optimizer, run.schedule))
    return run.model.name in _CHAINS and not own


def _share(number: int, workers: int) -> int:
    """Number of runs that each worker takes at a time, up to MOST, so that all come to their ends together."""
    turns = max(1, -(-number // (workers * MOST)))
    return max(1, -(-number // (workers * turns)))


def _dealt(group: Sequence[str], most: int) -> list[tuple[str, ...]]:
    """In as few parts as possible, of about the same size."""
    parts = -(-len(group) // most)
    bounds = [index * len(group) // parts for index in range(parts + 1)]
    return [tuple(group[start:end]) for start, end in pairwise(bounds)]
