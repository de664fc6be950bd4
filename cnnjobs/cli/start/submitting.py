"""Runs of a sweep on Slurm, for `cnnjobs sweep` and `retry`: plan, tell the cost, submit, return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnjobs.cli.options import LaunchOptions, results_option
from cnnjobs.cli.start.checks import show_and_check, tell_restored

if TYPE_CHECKING:
    from cnnjobs.launch.array.submit import Order, Submitted
    from cnnjobs.launch.plan.plan import Plan
    from cnnjobs.status.sweeps import OpenSweep


def submit(opened: OpenSweep, options: LaunchOptions, *, reason: str) -> None:
    """Submit all of the sweep that is missing as one job array, its cost told before sbatch is called."""
    from cnnjobs.console.cost import show_cost
    from cnnjobs.console.runs.plan import show_planned_runs, show_stacks
    from cnnjobs.console.runs.submission import show_held, show_order, show_script
    from cnnjobs.launch.array.submit import launch, order_for
    from cnnjobs.launch.plan.cost import estimate_array
    from cnnjobs.launch.plan.preparing import prepare_for_slurm
    from cnnjobs.status.sweep_status import SweepWatcher

    prepared = prepare_for_slurm(opened, options.selection(), options.job(opened.sweep), options.data_dir)

    def show(plan: Plan, order: Order) -> None:
        show_order(order, reason)
        show_stacks(order.array.stacks)
        show_cost(estimate_array(plan.to_run, order.array, order.at_once, options.results))

    plan = prepared.plan
    show_and_check(prepared, dry_run=options.dry_run)
    if options.dry_run:
        show_held(SweepWatcher(plan.store, plan.sweep.runs).look().held_for_user)
        show_planned_runs(plan)
        if plan.has_work:
            order = order_for(prepared)
            show(plan, order)
            show_script(order)
        return
    tell_restored(plan)
    _tell(launch(prepared, show), opened, options)


def _tell(submitted: Submitted, opened: OpenSweep, options: LaunchOptions) -> None:
    """Report the submission: runs handed over, runs held, and what to type next."""
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
