"""`cnnjobs show`: the layers of a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from cnnjobs.cli.options import RESULTS, Results
from cnnjobs.errors import InputError, UnknownNameError, suggest

if TYPE_CHECKING:
    from cnnjobs.runs import RunFolder
    from cnnjobs.spec.run import RunConfig

_INPUT: Final = (3, 32, 32)
_CLASSES: Final = 10


def show(
    what: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|RUN",
            help="A model's name, import path or YAML ('{name: cnn, dropout: 0.5}'), or a run's id.",
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
    run = _find_run(what, results)
    record = run.read_record() if run else None
    config = run.read_config() if run else _read_model(what, results)
    shape = _shape(image) or (record.input_shape if record else None) or _INPUT
    number = classes or (len(record.classes) if record else 0) or _CLASSES

    from cnnjobs.console.evaluations import show_measured
    from cnnjobs.console.layers import show_layers
    from cnnjobs.report.layers import layer_table
    from cnnjobs.training.freezing import freeze
    from cnnjobs.training.trainer import build_model

    network = build_model(config, shape, number)
    if config.freeze:
        freeze(network, config.freeze)
    table = layer_table(network, shape, batch or 1)
    show_layers(table, f"{run.run_id if run else config.model.name}: {number} classes", form, with_batch=bool(batch))
    if record is not None and form == "table":
        show_measured(record)


def _find_run(what: str, results: Path) -> RunFolder | None:
    """The run of that id, or of that folder."""
    from cnnjobs.runs import RunFolder, stores

    if (Path(what) / "config.yaml").is_file():
        return RunFolder(Path(what).resolve())
    if "/" in what:
        return None
    return next((store.run(what) for store in stores(results) if store.run(what).config_file.is_file()), None)


def _read_model(what: str, results: Path) -> RunConfig:
    """A configuration with the model of that name, import path or YAML mapping. Raises InputError."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    from cnnjobs import registry
    from cnnjobs.runs import stores
    from cnnjobs.spec.run import read_config

    value: Any = what
    if what.startswith("{"):
        try:
            value = YAML(typ="safe").load(what)
        except YAMLError:
            raise InputError(
                f"{what}: cannot be read as YAML; write for example '{{name: cnn, dropout: 0.5}}'"
            ) from None
    elif not {":", "/"} & {*what} and what not in registry.components("model"):
        runs = [run.run_id for store in stores(results) for run in store.runs()]
        allowed = suggest(what, [*registry.components("model"), *runs])
        raise UnknownNameError(f"`{what}` is neither a model nor a run under {results}; {allowed}")
    config = read_config({"dataset": "cifar10", "model": value})
    if isinstance(config, list):
        raise InputError("\n".join(f"{mistake.key}: {mistake.found}; {mistake.remedy}" for mistake in config))
    return config


def _shape(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    parts = text.replace("x", ",").split(",")
    numbers = [int(part) for part in parts if part.strip().isdecimal()]
    if len(numbers) != 3 or len(parts) != 3 or 0 in numbers or numbers[1] != numbers[2]:
        raise InputError(f"--input {text}: write channels, height and width of a square image, for example 3,32,32")
    channels, height, width = numbers
    return channels, height, width
