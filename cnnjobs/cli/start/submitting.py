"""What `cnnjobs sweep` and `cnnjobs retry` do on Slurm: plan, tell the cost, submit, return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnjobs.cli.options import LaunchOptions, results_option
from cnnjobs.cli.start.checks import check
from cnnjobs.cli.start.launching import tell_restored

if TYPE_CHECKING:
    from pathlib import Path

    from cnnjobs.config.profile import JobProfile
    from cnnjobs.launch.array.submit import Order, Submitted
    from cnnjobs.launch.plan.cost import Cost
    from cnnjobs.launch.plan.plan import Plan
    from cnnjobs.status.repair import Queue
    from cnnjobs.status.sweeps import OpenSweep


def submit(opened: OpenSweep, options: LaunchOptions, *, reason: str) -> None:
    """Submit all of the sweep that is missing as one job array, its cost told before sbatch is called."""
    from cnnjobs.components.data.datasets import data_folders
    from cnnjobs.console.cost import show_cost
    from cnnjobs.console.runs.plan import show_plan, show_planned_runs, show_stacks
    from cnnjobs.console.runs.submission import show_held, show_order, show_script
    from cnnjobs.launch.array.submit import launch, prepare, resolve
    from cnnjobs.status.repair import look_at
    from cnnjobs.status.sweep_status import SweepWatcher

    store = opened.store
    given = read(opened, options)
    profile = resolve(given)
    folders = data_folders(options.data_dir, profile.data_dir)

    def make(queue: Queue, also: frozenset[str] = frozenset()) -> Plan:
        return _plan(opened, options, queue, also)

    def prepared(plan: Plan, queue: Queue) -> Order:
        order = prepare(plan, profile, folders, queue, measured=given.runs_at_once == "auto")
        show_order(order, profile, reason)
        show_stacks(order.intent.stacks)
        show_cost(_cost(plan, order, options.results))
        return order

    queue = look_at(store)
    plan = make(queue)
    show_plan(plan)
    check(plan, folders, dry_run=options.dry_run, on_gpu=bool(profile.gpus_per_run))
    if options.dry_run:
        show_held(SweepWatcher(store, opened.sweep.runs).look().held_for_user)
        show_planned_runs(plan)
        if plan.to_run:
            show_script(prepared(plan, queue))
        return
    tell_restored(plan)
    _tell(launch(opened.sweep, store, make=make, prepared=prepared), opened, options)


def _tell(submitted: Submitted, opened: OpenSweep, options: LaunchOptions) -> None:
    """What was handed over, what is held, and what to type next."""
    from cnnjobs.console.runs.submission import show_held, show_nothing_new, show_submitted
    from cnnjobs.status.sweep_status import SweepWatcher

    words = f"{opened.word}{results_option(options.results)}"
    # What is held stays so whatever was submitted beside it.
    truth = SweepWatcher(opened.store, opened.sweep.runs).look()
    show_held(truth.held_for_user)
    if submitted.order is None:
        show_nothing_new(submitted, words, release=truth.release)
    else:
        show_submitted(submitted, words)


def _plan(opened: OpenSweep, options: LaunchOptions, queue: Queue, also: frozenset[str]) -> Plan:
    from cnnjobs.launch.plan.plan import make_plan

    only = None if options.only is None else options.only | also
    return make_plan(opened.sweep, opened.store, queued=queue.runs(), **{**options.wishes(), "only": only})


def read(opened: OpenSweep, options: LaunchOptions) -> JobProfile:
    """The profile that is named, or the one for this kind of cluster, under the sweep's and the user's settings."""
    from cnnjobs.config.profile import read_profile
    from cnnjobs.launch.plan.place import profile_file, slurm_profile
    from cnnjobs.slurm.cluster import read_partitions

    name = options.profile or opened.sweep.job.profile
    file: Path | None = None
    if name is not None:
        file = profile_file(name)
    else:
        has_gpus = any(partition.num_gpus for partition in read_partitions())
        file = profile_file(None, slurm_profile(has_gpus=has_gpus))
    return read_profile(file, {**opened.sweep.job.overrides, **options.overrides()})


def _cost(plan: Plan, order: Order, results: Path) -> Cost:
    from cnnjobs.launch.plan.cost import estimate

    return estimate(
        {run.run_id: run.config for run in plan.to_run},
        order.intent.tasks,
        results,
        gpus=order.intent.gpus,
        cores=order.intent.cpus,
        at_once=order.at_once,
        runs_at_once=order.intent.runs_at_once,
        ranks=order.intent.ranks,
    )
