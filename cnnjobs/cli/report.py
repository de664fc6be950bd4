"""`cnnjobs report`: results.csv, tables, curves, and a page, a PDF and a Markdown file of them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from cnnjobs.cli import completion
from cnnjobs.cli.options import RESULTS, Results, results_option

if TYPE_CHECKING:
    from cnnjobs.report.build import Built
    from cnnjobs.report.results.table import ResultsTable
    from cnnjobs.status.sweeps import OpenSweep
    from cnnjobs.sweep.file import Sweep

# As shells have it of what Ctrl-C ended.
_STOPPED: Final = 130
_FORMATS: Final = ("html", "pdf", "md")


def report(
    sweeps: Annotated[
        list[str] | None,
        typer.Argument(
            autocompletion=completion.sweeps,
            metavar="[SWEEP]...",
            help="Sweep files, or names of started sweeps; several make one report.",
        ),
    ] = None,
    *,
    look: Annotated[bool, typer.Option("--open", help="Open the report when it is there.")] = False,
    formats: Annotated[
        str, typer.Option("--format", metavar="LIST", help="What is made of it: html, pdf and md, with commas.")
    ] = ",".join(_FORMATS),
    template: Annotated[
        Path | None,
        typer.Option("--template", metavar="FILE", help="How the PDF looks, in place of report.template and our own."),
    ] = None,
    curves: Annotated[
        str | None,
        typer.Option(
            "--curves",
            metavar="N|all",
            help="Draw the curves of so many configurations. [default: report.curves, or 3]",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Where it goes. [default: report in the sweep's folder; here, where that can only be read]",
        ),
    ] = None,
    results: Results = RESULTS,
) -> None:
    """Collect the results of sweeps, of the latest one without SWEEP, into tables and a report."""
    from cnnjobs.status.sweeps import latest_sweep, open_sweep

    wanted = _read_formats(formats)
    number = _read_curves(curves) if curves is not None else None
    opened = [open_sweep(word, results) for word in dict.fromkeys(sweeps or ())] or [latest_sweep(results)]
    make_report(opened, results=results, formats=wanted, template=template, look=look, curves=number, out=out)


def _read_curves(text: str) -> int | Literal["all"]:
    from cnnjobs.errors import InputError

    if text == "all":
        return "all"
    if not text.isdecimal() or not int(text):
        raise InputError(f"--curves {text}: allowed: all, or how many configurations, 1 or more")
    return int(text)


def _read_formats(text: str) -> list[str]:
    from cnnjobs.errors import InputError, suggest

    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in _FORMATS:
            raise InputError(f"--format {text}: no format is called `{word}`; {suggest(word, _FORMATS)}")
    if not words:
        raise InputError(f"--format: empty; allowed: {', '.join(_FORMATS)}")
    return [word for word in _FORMATS if word in words]


def make_report(
    opened: Sequence[OpenSweep],
    *,
    results: Path = RESULTS,
    formats: Sequence[str] = _FORMATS,
    template: Path | None = None,
    look: bool = False,
    curves: int | Literal["all"] | None = None,
    out: Path | None = None,
) -> None:
    """Build the report, show the results of each sweep and say where the report is."""
    from cnnjobs.console.network.outcome import show_report, show_unfinished
    from cnnjobs.console.runs.results import show_results
    from cnnjobs.console.terminal import notice
    from cnnjobs.errors import StorageError
    from cnnjobs.report.build import place_for
    from cnnjobs.status.repair import look_at, prune

    place, told = place_for([each.store for each in _unique(opened)], out)
    if told:
        notice(told)
    try:
        tables, built = build(opened, results=results, formats=formats, template=template, curves=curves, folder=place)
    except KeyboardInterrupt:
        words = " ".join(shlex.quote(each.store.path.name) for each in opened)
        show_unfinished(f"cnnjobs report {words}{results_option(results)}")
        raise typer.Exit(_STOPPED) from None
    for table in tables:
        show_results(table)
    for text in built.notices:
        notice(text)
    show_report([*built.pages.values()] or [built.folder])
    for each in (each for each in opened if each.store.jobs_folder.is_dir()):
        # What was collected needs its jobs' files no longer; whoever launches it does this, too.
        with suppress(StorageError), each.store.launching() as is_free:
            if is_free:
                prune(each.store, look_at(each.store))
    if look and built.pages:
        typer.launch(str(built.page))


def build(
    opened: Sequence[OpenSweep],
    *,
    results: Path,
    formats: Sequence[str] = _FORMATS,
    template: Path | None = None,
    curves: int | Literal["all"] | None = None,
    folder: Path | None = None,
) -> tuple[list[ResultsTable], Built]:
    """Read each sweep once and write the report of all of them."""
    from cnnjobs.console.reporting import report_progress
    from cnnjobs.report.build import build_report, own_folder
    from cnnjobs.report.results.table import ResultsTable

    unique = _unique(opened)
    words = [f"--format {','.join(formats)}"] if tuple(formats) != _FORMATS else []
    words += [f"--template {shlex.quote(str(template))}"] if template else []
    words += [f"--curves {curves}"] if curves else []
    is_elsewhere = folder not in (None, own_folder([each.store for each in unique]))
    words += [f"--out {shlex.quote(str(folder))}"] if is_elsewhere else []
    command = _command(unique, results, words)
    with report_progress() as tell:
        tables = [ResultsTable.load(_drawn(each.sweep, curves), each.store, tell) for each in unique]
        return tables, build_report(
            *tables, formats=formats, template=template, command=command, folder=folder, tell=tell
        )


def _unique(opened: Sequence[OpenSweep]) -> list[OpenSweep]:
    return list({each.store.path: each for each in opened}.values())


def _drawn(sweep: Sweep, curves: int | Literal["all"] | None) -> Sweep:
    """The sweep with as many curves one by one as the command line wants; as the file says without."""
    if curves is None:
        return sweep
    return replace(sweep, report=replace(sweep.report, curves=None if curves == "all" else curves))


def _command(opened: Sequence[OpenSweep], results: Path, options: Sequence[str]) -> str:
    """The command that makes the same report again."""
    words = ["cnnjobs report", *(shlex.quote(each.store.path.name) for each in opened), *options]
    return " ".join(words) + results_option(results)
