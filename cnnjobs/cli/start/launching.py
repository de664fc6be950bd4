"""What `cnnjobs local` and `cnnjobs sweep` do alike: plan, run what is missing, report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from cnnjobs.cli.options import LaunchOptions
from cnnjobs.cli.report import make_report
from cnnjobs.cli.start.checks import check

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cnnjobs.disk.submission_folder import Stacks
    from cnnjobs.launch.plan.plan import Plan
    from cnnjobs.launch.plan.resources import Resources
    from cnnjobs.status.run_status import RunStatuses
    from cnnjobs.status.sweeps import OpenSweep


def launch(opened: OpenSweep, options: LaunchOptions, *, verb: str, reason: str) -> None:
    """Run on this machine all of the sweep that is missing; exit code 1 when runs failed, 128 + signal when stopped."""
    from cnnjobs.components.data.datasets import data_folders
    from cnnjobs.config.profile import read_profile
    from cnnjobs.console.runs.plan import show_idle, show_plan, show_planned_runs
    from cnnjobs.launch.plan.place import profile_file
    from cnnjobs.launch.plan.plan import make_plan
    from cnnjobs.launch.plan.resources import share_out
    from cnnjobs.launch.plan.stacks import stacks_here
    from cnnjobs.status.repair import queued_runs
    from cnnjobs.status.run_status import RunFilesWatcher

    sweep, store = opened.sweep, opened.store
    settings = {**sweep.job.overrides, **options.overrides()}
    profile = read_profile(profile_file(options.profile or sweep.job.profile), settings)
    resources = share_out(profile, len(sweep.runs))
    folders = data_folders(options.data_dir, profile.data_dir)
    stacks = stacks_here(sweep, profile, resources)
    plan = make_plan(sweep, store, queued=queued_runs(store), **options.wishes())
    show_plan(plan)
    check(plan, folders, dry_run=options.dry_run, on_gpu=bool(resources.gpus))
    if options.dry_run:
        show_planned_runs(plan)
        _show_place(plan, options, resources, stacks, reason)
        return
    command = options.command(verb, opened.word)
    if plan.is_open:
        _show_place(plan, options, resources, stacks, reason)
        snapshot = _run(opened, options, resources, folders, stacks=stacks, command=command)
    else:
        show_idle(plan)
        tell_restored(plan)
        snapshot = RunFilesWatcher(store, sweep.runs).look()
    if options.report:
        make_report([opened], results=options.results)
    _tell_failures(opened, snapshot, command)


def tell_restored(plan: Plan) -> None:
    """Mend a damaged copy of the runs' own code, and say so."""
    from cnnjobs.console.terminal import notice
    from cnnjobs.launch.plan.carrying_out import restore_code

    if restore_code(plan):
        folder = plan.store.codes.folder(plan.code.hash or "")
        notice(f"{folder}: was damaged; written anew, as your code is still the same")


def _show_place(plan: Plan, options: LaunchOptions, resources: Resources, stacks: Stacks, reason: str) -> None:
    """Where the runs train, how this machine is shared out, and what it takes."""
    from cnnjobs.console.cost import show_cost
    from cnnjobs.console.runs.plan import show_resources, show_stacks
    from cnnjobs.launch.plan.cost import estimate_here

    show_resources(resources, reason)
    show_stacks(stacks.among([run.run_id for run in plan.to_run]))
    if plan.to_run:
        show_cost(estimate_here(plan.to_run, resources, options.results))


def _tell_failures(opened: OpenSweep, snapshot: RunStatuses, command: str) -> None:
    """Causes and the next command of what failed, and exit code 1 for it."""
    from cnnjobs.console.network.outcome import show_failures
    from cnnjobs.disk.run_folder import RunState

    failed = snapshot.having(RunState.FAILED)
    if failed:
        show_failures(failed, opened.store.jobs_folder, command)
        raise typer.Exit(1)


def _run(
    opened: OpenSweep,
    options: LaunchOptions,
    resources: Resources,
    folders: Sequence[Path],
    *,
    stacks: Stacks,
    command: str,
) -> RunStatuses:
    from cnnjobs.console.network.outcome import show_stop, show_stopping
    from cnnjobs.console.runs.plan import show_adopted
    from cnnjobs.console.runs.progress import progress
    from cnnjobs.console.terminal import notice
    from cnnjobs.launch.local.pool import LocalPool, Stopped
    from cnnjobs.launch.plan.carrying_out import carried_out

    with carried_out(opened.sweep, opened.store, **options.wishes()) as plan:
        pool = LocalPool(plan, resources, folders, stacks, notice)
        show_adopted(pool.num_adopted)
        try:
            with pool, progress(resources.workers) as view:
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
