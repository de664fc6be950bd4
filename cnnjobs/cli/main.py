"""The console script. Commands import what they need when they run, so that `--help` and plans start at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cnnjobs.cli import bundle, cancel, data, doctor, fetch, init, logs, report, search, status, tensorboard, theory
from cnnjobs.cli.network import evaluate, export, figures, predict, show
from cnnjobs.cli.start import local, retry, sweep
from cnnjobs.console.streams import UNREAD, prepare
from cnnjobs.errors import CnnjobsError, SpecError

app = typer.Typer(
    name="cnnjobs",
    help="From one YAML file to a finished report: hyperparameter sweeps of image classifiers.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
for command in (
    local.local, sweep.sweep, status.status, logs.logs, cancel.cancel, retry.retry, report.report, search.search,
    show.show, bundle.bundle, tensorboard.tensorboard,
    figures.figures, evaluate.evaluate, predict.predict, export.export, data.data, fetch.fetch,
    doctor.doctor, init.init,
):  # fmt: skip
    app.command()(command)
app.add_typer(theory.app, name="theory")


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        from cnnjobs.console.terminal import say

        say(f"cnnjobs {version('cnnjobs')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error, with any command.")] = False,
) -> None:
    """From one YAML file to a finished report: hyperparameter sweeps of image classifiers."""


def run() -> None:
    """Entry point of the shell: exit code 0, 1 for failed runs, 2 for bad input; a traceback only with --debug.

    Where the output found no reader to its end (`| head`), it is that of a broken pipe in place of 0.
    """
    prepare()
    debug = "--debug" in sys.argv[1:]
    try:
        app(args=[word for word in sys.argv[1:] if word != "--debug"], prog_name="cnnjobs")
    except SystemExit as ended:
        if (ended.code in (None, 0) and _is_unread()) or isinstance(ended.__context__, BrokenPipeError):
            sys.exit(UNREAD)
        raise
    except Exception as problem:
        sys.exit(_tell(problem, debug))


def _is_unread() -> bool:
    # Commands that print nothing by themselves (--help) need no console.
    console = sys.modules.get("cnnjobs.console.terminal")
    return console is not None and not console.was_read()


def _stands_nowhere() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _tell(problem: Exception, debug: bool) -> int:
    from cnnjobs.console.terminal import error, failure, notice

    if debug:
        failure()
    if isinstance(problem, SpecError):
        for told in problem.notices:
            notice(told)
        for mistake in problem.told:
            error(mistake)
        return problem.exit_code
    if isinstance(problem, CnnjobsError):
        error(str(problem))
        return problem.exit_code
    if isinstance(problem, FileNotFoundError) and _stands_nowhere():
        error("the folder in which this shell stands is gone; go to another one with: cd")
        return 2
    said = " ".join(str(problem).split())
    error(f"{type(problem).__name__}: {said}" + ("" if debug else "; run again with --debug to see where"))
    return 1
