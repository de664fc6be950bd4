"""Runs of a sweep on this machine, for `cnnjobs local`, `sweep` and `retry`: plan, run what is missing, report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from cnnjobs.cli.options import LaunchOptions
from cnnjobs.cli.report import make_report
from cnnjobs.cli.start.checks import show_and_check, tell_restored

if TYPE_CHECKING:
    from pathlib import Path

    from cnnjobs.launch.plan.preparing import PreparedHere
    from cnnjobs.status.run_status import RunStatuses
    from cnnjobs.status.sweeps import OpenSweep


def launch(opened: OpenSweep, options: LaunchOptions, *, verb: str, reason: str) -> None:
    """Run on this machine all of the sweep that is missing; exit code 1 when runs failed, 128 + signal when stopped."""
    from cnnjobs.console.runs.plan import show_idle, show_planned_runs
    from cnnjobs.launch.plan.preparing import prepare_here
    from cnnjobs.status.run_status import RunFilesWatcher
    from cnnjobs.status.sweeps import with_known_runs

    prepared = prepare_here(opened, options.selection(), options.job(opened.sweep), options.data_dir)
    plan = prepared.plan
    show_and_check(prepared, dry_run=options.dry_run)
    if options.dry_run:
        show_planned_runs(plan)
        _show_place(prepared, options.results, reason)
        return
    command = options.command(verb, opened.word)
    if plan.is_open:
        _show_place(prepared, options.results, reason)
        snapshot = _run(prepared, command)
    else:
        show_idle(plan)
        tell_restored(plan)
        snapshot = RunFilesWatcher(plan.store, plan.sweep.runs).look()
    if options.report:
        make_report([with_known_runs(opened)], results=options.results)
    _tell_failures(opened, snapshot, command)


def _show_place(prepared: PreparedHere, results: Path, reason: str) -> None:
    """Where the runs train, how this machine is shared out, and what it takes."""
    from cnnjobs.console.cost import show_cost
    from cnnjobs.console.runs.plan import show_resources, show_stacks
    from cnnjobs.launch.plan.cost import estimate_here

    to_run = prepared.plan.to_run
    show_resources(prepared.resources, reason)
    show_stacks(prepared.stacks.among([run.run_id for run in to_run]))
    if to_run:
        show_cost(estimate_here(to_run, prepared.resources, results))


def _tell_failures(opened: OpenSweep, snapshot: RunStatuses, command: str) -> None:
    """Causes and the next command of what failed, and exit code 1 for it."""
    from cnnjobs.console.network.outcome import show_failures
    from cnnjobs.disk.run_folder import RunState

    failed = snapshot.having(RunState.FAILED)
    if failed:
        show_failures(failed, opened.store.jobs_folder, command)
        raise typer.Exit(1)


def _run(prepared: PreparedHere, command: str) -> RunStatuses:
    from cnnjobs.console.network.outcome import show_stop, show_stopping
    from cnnjobs.console.runs.plan import show_adopted
    from cnnjobs.console.runs.progress import progress
    from cnnjobs.console.terminal import notice
    from cnnjobs.launch.local.pool import LocalPool, Stopped
    from cnnjobs.launch.plan.carrying_out import carried_out

    with carried_out(prepared.plan.sweep, prepared.plan.store, prepared.selection) as plan:
        pool = LocalPool(plan, prepared.resources, prepared.folders, prepared.stacks, notice)
        show_adopted(pool.num_adopted)
        try:
            with pool, progress(prepared.resources.workers) as view:
                try:
                    for snapshot in pool.snapshots():
                        view.update(snapshot)
                except Stopped:
                    show_stopping()
                    raise
        except Stopped as stopped:
            show_stop(pool.snapshot, str(stopped), command)
            raise typer.Exit(stopped.exit_code) from None
        return pool.snapshot
