"""`cnnjobs local`: run a sweep on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from cnnjobs.cli import options as o


@o.with_launch_options()
def local(
    sweep: Annotated[
        str | None, typer.Argument(metavar="[SWEEP]", help="A sweep file, or the name of a started sweep.")
    ] = None,
    *,
    options: o.LaunchOptions,
) -> None:
    """Run on this machine all of a sweep that is missing, then report; without SWEEP the quickstart."""
    from cnnjobs.cli.start.launching import launch
    from cnnjobs.status.sweeps import open_quickstart, open_to_start

    # An empty word is no wish for the quickstart.
    is_named = sweep is not None
    opened = open_to_start(str(sweep), options.results, options.code) if is_named else open_quickstart(options.results)
    launch(opened, options, verb="local", reason="as asked")
