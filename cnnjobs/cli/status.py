"""`cnnjobs status`: what every run is doing."""

from __future__ import annotations

from typing import Annotated

import typer

from cnnjobs.cli.options import RESULTS, Results, results_option


def status(
    sweep: Annotated[
        str | None, typer.Argument(metavar="[SWEEP]", help="A sweep file, or the name of a started sweep.")
    ] = None,
    results: Results = RESULTS,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON, for programs.")] = False,
) -> None:
    """Show states, causes and the best metrics so far; without SWEEP all sweeps, and the latest in detail."""
    from cnnjobs.console.status import show_json, show_status, show_sweeps
    from cnnjobs.console.terminal import error
    from cnnjobs.errors import InputError
    from cnnjobs.launch.overview import overview
    from cnnjobs.launch.sweeps import open_started, open_sweep, started_stores

    options = results_option(results)
    if sweep is not None:
        found, unreadable = [overview(open_sweep(sweep, results), options)], False
    else:
        found, unreadable = [], False
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
        show_status(found[0])
    raise typer.Exit(InputError.exit_code if unreadable else 0)
