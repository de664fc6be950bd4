"""`cnnjobs search`: what a search has decided, and from what."""

from __future__ import annotations

from typing import Annotated

import typer

from cnnjobs.cli import completion
from cnnjobs.cli.options import RESULTS, Results


def search(
    sweep: Annotated[
        str,
        typer.Argument(autocompletion=completion.sweeps, help="A sweep file, or the name of a started sweep."),
    ],
    *,
    results: Results = RESULTS,
    check: Annotated[
        bool, typer.Option("--check", help="Find every decision again from what it saw; exit code 1 where one differs.")
    ] = False,
) -> None:
    """Show which runs a search has stopped, where and by what; with --check whether that follows from the records."""
    from cnnjobs.console.runs.search import show_check, show_search
    from cnnjobs.status.search.decisions import look_at_search
    from cnnjobs.status.sweeps import open_sweep

    opened = open_sweep(sweep, results)
    found = look_at_search(opened)
    if not check:
        show_search(found)
        return
    from cnnjobs.search.check import different_proposals, different_verdicts
    from cnnjobs.search.proposals import Proposals

    different = list(different_verdicts(opened.store))
    proposing = opened.sweep.proposing
    if proposing is not None and (proposals := Proposals.of(opened.store, lambda: proposing.space)):
        different += different_proposals(proposals)
    show_check(found, different)
    if different:
        raise typer.Exit(1)
