"""`cnnjobs report`: results.csv, tables, curves, report.html."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cnnjobs.cli.options import RESULTS, Results

if TYPE_CHECKING:
    from cnnjobs.launch.sweeps import OpenSweep


def report(
    sweep: Annotated[
        str | None, typer.Argument(metavar="[SWEEP]", help="A sweep file, or the name of a started sweep.")
    ] = None,
    results: Results = RESULTS,
) -> None:
    """Collect the results of a sweep, the latest without SWEEP, into a table and a report."""
    from cnnjobs.launch.sweeps import latest_sweep, open_sweep

    make_report(open_sweep(sweep, results) if sweep else latest_sweep(results))


def make_report(opened: OpenSweep) -> None:
    """Build the report, show the results table and say where the report is."""
    from cnnjobs.console.outcome import show_report
    from cnnjobs.console.results import show_results
    from cnnjobs.launch.submissions import look_at, prune
    from cnnjobs.report.build import build_report
    from cnnjobs.report.results import ResultsTable

    table = ResultsTable.load(opened.sweep, opened.store)
    show_results(table)
    show_report(build_report(table))
    # What was collected needs its jobs' files no longer.
    prune(opened.store, look_at(opened.store))
