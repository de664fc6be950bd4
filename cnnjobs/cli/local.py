"""`cnnjobs local`: run a sweep on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from cnnjobs.cli import options as o


def local(  # noqa: PLR0913
    sweep: Annotated[
        str | None, typer.Argument(metavar="[SWEEP]", help="A sweep file, or the name of a started sweep.")
    ] = None,
    *,
    profile: o.Profile = None,
    settings: o.Set = None,
    results: o.Results = o.RESULTS,
    data_dir: o.DataDir = None,
    retry_failed: o.RetryFailed = False,
    force: o.Force = False,
    dry_run: o.DryRun = False,
    no_report: o.NoReport = False,
) -> None:
    """Run on this machine all of a sweep that is missing, then report; without SWEEP the quickstart."""
    from cnnjobs.cli.launching import launch
    from cnnjobs.launch.sweeps import open_quickstart, open_sweep

    wishes = o.LaunchOptions(
        results, data_dir, profile, tuple(settings or ()), retry_failed, force, dry_run, not no_report
    )
    opened = open_sweep(sweep, results) if sweep else open_quickstart(results)
    launch(opened, wishes, verb="local", reason="as asked")
