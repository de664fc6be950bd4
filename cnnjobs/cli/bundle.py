"""`cnnjobs bundle`: the report and one archive of what it rests on, to be handed in."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import typer

from cnnjobs.cli import completion
from cnnjobs.cli.options import RESULTS, Results


def bundle(
    sweeps: Annotated[
        list[str],
        typer.Argument(
            autocompletion=completion.sweeps, metavar="SWEEP...", help="Sweep files, or names of started sweeps."
        ),
    ],
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The new archive, such as handin.zip.")
    ],
    models: Annotated[
        Literal["none", "best", "all"],
        typer.Option("--models", help="Add model.pth of the finished runs of the best configuration, or of all."),
    ] = "none",
    template: Annotated[
        Path | None, typer.Option("--template", metavar="FILE", help="How the PDF looks, as for cnnjobs report.")
    ] = None,
    results: Results = RESULTS,
) -> None:
    """Write the report as PDF and, beside it, a zip file of sweep files, your own modules, records and tables.

    Data sets are never in it, and nothing is overwritten.
    """
    from cnnjobs.cli.report import build
    from cnnjobs.console.bundle import show_bundle
    from cnnjobs.disk.files import can_write, check_new, write_new
    from cnnjobs.errors import InputError
    from cnnjobs.status.sweeps import open_sweep

    if output.suffix.lower() != ".zip":
        raise InputError(f"--output {output}: the name of the archive ends with .zip")
    check_new(output)
    check_new(output.with_suffix(".pdf"))
    opened = [open_sweep(word, results) for word in dict.fromkeys(sweeps)]
    from cnnjobs.report.build import own_folder
    from cnnjobs.report.bundle import entries, write_archive

    with ExitStack() as stack:
        place = own_folder([each.store for each in opened])
        if not can_write(place):
            # Results that can only be read keep the report that they have.
            place = Path(stack.enter_context(TemporaryDirectory(prefix="cnnjobs-"))) / "report"
        tables, built = build(opened, results=results, template=template, folder=place)
        found = entries(tables, built, Path.cwd(), models)
        page = built.pages.get("pdf", built.page)
        beside = output.with_suffix(page.suffix)
        write_new(beside, page.read_bytes())
        write_archive(output, found)
        show_bundle(output, found, beside, built.notices)
