"""`cnnjobs cancel`: end runs, exactly those that are named."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cnnjobs.cli import completion
from cnnjobs.cli.options import RESULTS, Results


def cancel(
    targets: Annotated[
        list[str],
        typer.Argument(
            autocompletion=completion.sweeps_and_runs,
            metavar="SWEEP|RUN...",
            help="Sweeps, run ids or their beginnings, labels, SWEEP/RUN.",
        ),
    ],
    *,
    results: Results = RESULTS,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Cancel runs that wait or run; asks first when others that share their job would end too."""
    from cnnjobs.console.runs.control import show_cancelled, show_shared
    from cnnjobs.errors import InputError
    from cnnjobs.launch.cancel import carry_out, plan_cancelling
    from cnnjobs.status.named_runs import find_targets

    plans = [plan_cancelling(target) for target in find_targets(targets, results)]
    also = [status for plan in plans for status in plan.also]
    if also and not yes:
        show_shared(also)
        if not sys.stdin.isatty():
            raise InputError("nothing was cancelled; to cancel these too, add --yes")
        typer.confirm("cancel these too?", abort=True)
    for plan in plans:
        show_cancelled(plan, carry_out(plan))
