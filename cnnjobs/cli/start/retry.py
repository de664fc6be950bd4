"""`cnnjobs retry`: take up again what has failed, was cancelled or got lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from cnnjobs.cli import completion
from cnnjobs.cli import options as o


@o.with_launch_options(without=("retry_failed", "force"))
def retry(
    sweep: Annotated[
        str,
        typer.Argument(
            autocompletion=completion.sweeps,
            help="A sweep file, or the name of a started sweep.",
        ),
    ],
    *,
    options: o.LaunchOptions,
    cause: Annotated[
        str | None,
        typer.Option(
            "--cause",
            metavar="WORD",
            help="Only runs that ended so: oom, cuda, time, disk, node, killed, diverged, exception, or any word.",
        ),
    ] = None,
) -> None:
    """Run failed, cancelled, interrupted and lost runs again, where they were; with --set with other resources."""
    from cnnjobs.cli.start.launching import launch
    from cnnjobs.cli.start.submitting import submit
    from cnnjobs.console.runs.control import show_ending, show_nothing_to_retry
    from cnnjobs.launch.cancel import to_retry
    from cnnjobs.launch.plan.place import place_for
    from cnnjobs.status.sweeps import open_to_start

    opened = open_to_start(sweep, options.results, options.code)
    found = to_retry(opened, cause)
    if found.ending:
        show_ending(found.ending)
    if not found.again:
        show_nothing_to_retry(cause, found.ending)
        return
    options = replace(options, only=found.again)
    place = place_for(options.command("local", opened.word), dry_run=options.dry_run) if found.on_slurm else None
    if place is not None and place.name == "slurm":
        submit(opened, options, reason=place.reason)
    else:
        launch(opened, options, verb="retry", reason=place.reason if place else "where they were")
