"""`cnnjobs show`: the layers of a network."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import typer

from cnnjobs.cli import completion
from cnnjobs.cli.network.networks import find_run_or_model, read_model, read_shape
from cnnjobs.cli.options import RESULTS, Results

_INPUT: Final = (3, 32, 32)
_CLASSES: Final = 10


def show(
    what: Annotated[
        str,
        typer.Argument(
            autocompletion=completion.runs,
            metavar="MODEL|RUN",
            help="A model's name, import path or YAML ('{name: cnn, dropout: 0.5}'), or a run: its id or the beginning,"
            " its label, SWEEP/RUN, or its folder.",
        ),
    ],
    *,
    image: Annotated[
        str | None,
        typer.Option("--input", metavar="C,H,W", help="Shape of an image. [default: that of the run, or 3,32,32]"),
    ] = None,
    classes: Annotated[
        int | None, typer.Option("--classes", min=1, help="Number of classes. [default: those of the run, or 10]")
    ] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", min=1, help="Show the shapes and the cost of a batch of so many images.")
    ] = None,
    form: Annotated[
        Literal["table", "md", "tex", "csv", "json"],
        typer.Option("--format", help="As a table here, for a document, or in full for programs."),
    ] = "table",
    results: Results = RESULTS,
) -> None:
    """Show the layers of a model or of a run's network: shapes, parameters, multiply-accumulates."""
    from cnnjobs.config.kinds import network
    from cnnjobs.console.own_code import show_differences

    run = find_run_or_model(what, results)
    record = run.results.read_record() if run else None
    if run and record:
        show_differences([run])
        run.results.use_code(record.code)
    config = network(run.read_config()) if run else read_model(what)
    shape = read_shape(image) or (record.input_shape if record else None) or _INPUT
    number = classes or (len(record.classes) if record else 0) or _CLASSES

    from cnnjobs.console.network.layers import show_layers
    from cnnjobs.console.runs.evaluations import show_measured
    from cnnjobs.training.networks.building import build_model
    from cnnjobs.training.networks.freezing import freeze
    from cnnjobs.training.networks.layer_table import layer_table

    built = build_model(config, shape, number)
    if config.freeze:
        freeze(built, config.freeze)
    table = layer_table(built, shape, batch or 1)
    show_layers(table, f"{run.run_id if run else config.model.name}: {number} classes", form, with_batch=bool(batch))
    if record is not None and form == "table":
        show_measured(record)
