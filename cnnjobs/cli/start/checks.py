"""All that can be known of a plan before anything is submitted or started."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from cnnjobs.launch.plan.plan import Plan


def check(plan: Plan, folders: Sequence[Path], *, dry_run: bool, on_gpu: bool) -> None:
    """Look for data and weights, try one run of each kind, and tell what is to be known. Raises InputError."""
    from cnnjobs.console.runs.plan import show_notes
    from cnnjobs.console.terminal import error
    from cnnjobs.launch.plan.data_sets import check_data, check_same_data
    from cnnjobs.launch.plan.plan import check_weights
    from cnnjobs.launch.plan.trials import try_runs

    try:
        show_notes(check_data(plan.to_run, folders, plan.sweep.path))
        show_notes(check_same_data(plan, folders))
        check_weights(plan, folders)
        show_notes(try_runs(plan, folders, at_start=not dry_run, on_gpu=on_gpu))
    except KeyboardInterrupt:
        error("stopped by Ctrl-C before anything was started")
        raise typer.Exit(128 + signal.SIGINT) from None
