"""`cnnjobs status`: what every run is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cnnjobs.cli import completion
from cnnjobs.cli.options import RESULTS, Results, results_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cnnjobs.status.run_status import RunStatuses
    from cnnjobs.status.sweeps import OpenSweep


def status(
    sweep: Annotated[
        str | None,
        typer.Argument(
            autocompletion=completion.sweeps, metavar="[SWEEP]", help="A sweep file, or the name of a started sweep."
        ),
    ] = None,
    *,
    results: Results = RESULTS,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON, for programs.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Follow one sweep until nothing of it goes on.")] = False,
    every_run: Annotated[bool, typer.Option("--all", help="Every run, however many they are.")] = False,
) -> None:
    """Show states, causes and the best metrics so far; without SWEEP all sweeps, and the latest in detail."""
    from cnnjobs.console.runs.status import show_json, show_status, show_sweeps
    from cnnjobs.console.terminal import error
    from cnnjobs.errors import InputError
    from cnnjobs.status.overview import overview
    from cnnjobs.status.sweeps import latest_sweep, open_started, open_sweep, started_stores

    options = results_option(results)
    unreadable = False
    if watch:
        opened = latest_sweep(results) if sweep is None else open_sweep(sweep, results)
        follow(opened)
        found = [overview(opened, options)]
    elif sweep is not None:
        found = [overview(open_sweep(sweep, results), options)]
    else:
        found = []
        for store in started_stores(results):
            try:
                found.append(overview(open_started(store), options))
            except InputError as problem:
                error(str(problem))
                unreadable = True
    if as_json:
        show_json(found)
    elif found:
        if len(found) > 1:
            show_sweeps(found)
        show_status(found[0], every_run=every_run)
    raise typer.Exit(InputError.exit_code if unreadable else 0)


def follow(opened: OpenSweep) -> None:
    """Show what happens until nothing goes on; Ctrl-C ends the watching alone."""
    from cnnjobs.console.runs.progress import progress
    from cnnjobs.console.terminal import shown_as_long_as_read

    with shown_as_long_as_read(), progress(workers=None, watched=opened.sweep.name) as view:
        try:
            for snapshot in _snapshots(opened):
                view.update(snapshot)
        except KeyboardInterrupt:
            return


def _snapshots(opened: OpenSweep) -> Iterator[RunStatuses]:
    import time

    from cnnjobs.disk import locks
    from cnnjobs.disk.run_folder import RunState
    from cnnjobs.status.search.known_runs import KnownRuns
    from cnnjobs.status.sweep_status import SweepWatcher

    watcher = SweepWatcher(opened.store, KnownRuns(opened.sweep, opened.store))
    while True:
        launching = locks.is_held(opened.store.launcher_file)
        truth = watcher.look()
        yield truth.snapshot
        at_work = launching or truth.is_queued or truth.snapshot.count(RunState.RUNNING)
        if not (truth.snapshot.is_open and at_work):
            return
        # A controller serves many: it is asked seldom.
        time.sleep(10 if truth.positions else 2)
