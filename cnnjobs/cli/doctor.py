"""`cnnjobs doctor`: what this place offers."""

from __future__ import annotations

from typing import Annotated

import typer

from cnnjobs.cli.options import RESULTS, DataDir, Results


def doctor(
    results: Results = RESULTS,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON, for programs.")] = False,
) -> None:
    """Show what this place offers (packages, GPUs, Slurm, data, disk), and what to do about each problem."""
    from cnnjobs.console.doctor import show_diagnosis, show_diagnosis_json
    from cnnjobs.setup.doctor import examine

    diagnosis = examine(results, data_dir)
    if as_json:
        show_diagnosis_json(diagnosis)
    else:
        show_diagnosis(diagnosis)
    raise typer.Exit(1 if diagnosis.num_problems else 0)
