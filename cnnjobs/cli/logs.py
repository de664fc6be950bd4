"""`cnnjobs logs`: what the job of a run has said."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cnnjobs.cli import completion
from cnnjobs.cli.options import RESULTS, Results

if TYPE_CHECKING:
    from cnnjobs.status.named_runs import Target

_LOOK_EVERY_S: Final = 1.0


def logs(
    run: Annotated[
        str | None,
        typer.Argument(
            autocompletion=completion.runs,
            metavar="[RUN]",
            help="A run id or its beginning, a label, SWEEP/RUN; with --failed a sweep.",
        ),
    ] = None,
    *,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the run is over.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Cause and last frames of every failed run.")] = False,
    results: Results = RESULTS,
) -> None:
    """Show the log of a run; with --failed the ends of all failed runs of a sweep, the latest without its name."""
    from cnnjobs.console.runs.logs import show_failed
    from cnnjobs.errors import InputError
    from cnnjobs.status.logs.job_logs import failures
    from cnnjobs.status.named_runs import Target, find_target
    from cnnjobs.status.sweep_status import SweepWatcher
    from cnnjobs.status.sweeps import latest_sweep

    if failed:
        latest = latest_sweep(results) if run is None else None
        target = Target(latest, latest.sweep.runs, is_whole=True) if latest else find_target(run or "", results)
        show_failed(failures(SweepWatcher(target.opened.store, target.opened.sweep.runs).look()))
        return
    if run is None:
        raise InputError("whose log? name a run, by its id or label; the labels are in: cnnjobs status")
    target = find_target(run, results)
    if len(target.runs) > 1:
        raise InputError(
            f"{run} has {len(target.runs)} runs: name one, by its id or label (cnnjobs status {run}),"
            f" or see what failed: cnnjobs logs {run} --failed"
        )
    _show(target, follow=follow)


def _show(target: Target, *, follow: bool) -> None:
    from cnnjobs.console.runs.logs import show_end, show_news, show_run, show_waiting
    from cnnjobs.console.terminal import shown_as_long_as_read
    from cnnjobs.disk.run_folder import RunState
    from cnnjobs.status.logs.job_logs import find_log
    from cnnjobs.status.logs.kept_logs import kept_logs
    from cnnjobs.status.run_status import read_status
    from cnnjobs.status.sweep_status import SweepWatcher

    store, (run,) = target.opened.store, target.runs
    truth = SweepWatcher(store, target.beside).look()
    (status,) = (each for each in truth.snapshot.runs if each.run_id == run.run_id)
    going_on = {RunState.PENDING, RunState.RUNNING, *((RunState.INTERRUPTED,) if truth.is_live(run.run_id) else ())}
    position = truth.positions.get(run.run_id)
    log = find_log(store, status, position)
    shown = show_run(status, log, kept_logs(store, run.run_id))
    if follow and status.state in going_on and status.state is not RunState.RUNNING:
        show_waiting(status)
    try:
        while follow and status.state in going_on:
            time.sleep(_LOOK_EVERY_S)
            # The run's own marks: Slurm is not asked once a second.
            status = read_status(store.run(run.run_id), run)
            log = find_log(store, status, position)
            with shown_as_long_as_read():
                show_news(log, shown)
    except KeyboardInterrupt:
        return
    show_end(status)
