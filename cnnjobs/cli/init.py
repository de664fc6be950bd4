"""`cnnjobs init`: a starter project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The project's folder, made if it is not there.")],
    *,
    course: Annotated[
        str | None,
        typer.Option("--course", metavar="NAME", help="Its sweeps, too: tdt4265, polyu, resnet18, deconvolution."),
    ] = None,
) -> None:
    """Write a starter project: a first sweep, and profiles filled in for the place that is here. Overwrites nothing."""
    from cnnjobs.console.starter import show_starter
    from cnnjobs.launch.plan.place import find_place
    from cnnjobs.setup.courses import find_course
    from cnnjobs.setup.starter import write_starter
    from cnnjobs.slurm.cluster import read_offer

    place = find_place()
    offer = read_offer() if place.name == "slurm" else None
    chosen = find_course(course) if course else None
    show_starter(write_starter(folder, offer, chosen), place, offer, chosen.sweeps[0] if chosen else "quickstart")
