"""All that can be known of a plan before anything is submitted or started."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from cnnjobs.launch.plan.plan import Plan
    from cnnjobs.launch.plan.preparing import Prepared


def show_and_check(prepared: Prepared, *, dry_run: bool) -> None:
    """Show the plan, look for data and weights, try one run of each kind, and tell what is found. Raises InputError."""
    from cnnjobs.console.runs.plan import show_notes, show_plan
    from cnnjobs.console.terminal import error

    show_plan(prepared.plan)
    try:
        show_notes(prepared.notices(at_start=not dry_run))
    except KeyboardInterrupt:
        error("stopped by Ctrl-C before anything was started")
        raise typer.Exit(128 + signal.SIGINT) from None


def tell_restored(plan: Plan) -> None:
    """Mend a damaged copy of the runs' own code, and say so."""
    from cnnjobs.console.terminal import notice
    from cnnjobs.launch.plan.carrying_out import restore_code

    if restore_code(plan):
        folder = plan.store.codes.folder(plan.code.hash or "")
        notice(f"{folder}: was damaged; written anew, as your code is still the same")
