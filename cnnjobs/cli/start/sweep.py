"""`cnnjobs sweep`: run a sweep in the place that is here for it."""

from __future__ import annotations

from typing import Annotated

import typer

from cnnjobs.cli import options as o


@o.with_launch_options()
def sweep(
    sweep: Annotated[str, typer.Argument(help="A sweep file, or the name of a started sweep.")],
    *,
    options: o.LaunchOptions,
    watch: Annotated[
        bool, typer.Option("--watch", help="On Slurm, follow it; Ctrl-C ends the watching alone.")
    ] = False,
) -> None:
    """Run all of a sweep that is missing: on Slurm where it answers, else here; --dry-run only shows what would run."""
    from cnnjobs.cli.start.launching import launch
    from cnnjobs.cli.start.submitting import submit
    from cnnjobs.launch.plan.place import place_for
    from cnnjobs.status.sweeps import open_to_start

    opened = open_to_start(sweep, options.results, options.code)
    place = place_for(options.command("local", opened.word), dry_run=options.dry_run)
    if place.name == "local":
        launch(opened, options, verb="sweep", reason=place.reason)
        return
    submit(opened, options, reason=place.reason)
    if watch and not options.dry_run:
        from cnnjobs.cli.status import follow

        follow(opened)
