"""`cnnjobs sweep`: run a sweep in the place that is here for it."""

from __future__ import annotations

from typing import Annotated

import typer

from cnnjobs.cli import options as o


def sweep(  # noqa: PLR0913
    sweep: Annotated[str, typer.Argument(help="A sweep file, or the name of a started sweep.")],
    *,
    profile: o.Profile = None,
    settings: o.Set = None,
    results: o.Results = o.RESULTS,
    data_dir: o.DataDir = None,
    retry_failed: o.RetryFailed = False,
    force: o.Force = False,
    dry_run: o.DryRun = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="On Slurm, follow it; Ctrl-C ends the watching alone.")
    ] = False,
    no_report: o.NoReport = False,
) -> None:
    """Run all of a sweep that is missing: on Slurm where it answers, else here; --dry-run only shows what would run."""
    from cnnjobs.cli.launching import launch
    from cnnjobs.cli.submitting import submit
    from cnnjobs.launch.place import place_for
    from cnnjobs.launch.sweeps import open_sweep

    wishes = o.LaunchOptions(
        results, data_dir, profile, tuple(settings or ()), retry_failed, force, dry_run, not no_report
    )
    opened = open_sweep(sweep, results)
    place = place_for(wishes.command("local", opened.word), dry_run=dry_run)
    if place.name == "local":
        launch(opened, wishes, verb="sweep", reason=place.reason)
        return
    submit(opened, wishes, reason=place.reason)
    if watch and not dry_run:
        from cnnjobs.cli.status import follow

        follow(opened)
