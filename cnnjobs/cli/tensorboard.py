"""`cnnjobs tensorboard`: the live view of a sweep."""

from __future__ import annotations

from typing import Annotated

import typer

from cnnjobs.cli import completion
from cnnjobs.cli.options import RESULTS, Results


def tensorboard(
    sweep: Annotated[
        str | None,
        typer.Argument(
            autocompletion=completion.sweeps, metavar="[SWEEP]", help="A sweep file, or the name of a started sweep."
        ),
    ] = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Where the browser finds it.")] = 6006,
    results: Results = RESULTS,
) -> None:
    """Start TensorBoard on a sweep, the latest without SWEEP, with its runs named by what differs; Ctrl-C ends it."""
    from cnnjobs.console.terminal import say
    from cnnjobs.status.sweeps import latest_sweep, open_sweep
    from cnnjobs.status.tensorboard import check_tensorboard, labelled, show_in_tensorboard

    opened = latest_sweep(results) if sweep is None else open_sweep(sweep, results)
    check_tensorboard(opened)
    say(f"{opened.sweep.name}: http://localhost:{port}, until Ctrl-C")
    with labelled(opened) as folder:
        code = show_in_tensorboard(folder, port)
    if code:
        raise typer.Exit(code)
