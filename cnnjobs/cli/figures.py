"""`cnnjobs figures`: what a trained network has learned, as pictures."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cnnjobs.cli.options import RESULTS, DataDir, Results
from cnnjobs.errors import InputError, suggest
from cnnjobs.figures.kinds import FLAGS, OPTIONS, option_name

if TYPE_CHECKING:
    from cnnjobs.figures.subject import Subject
    from cnnjobs.registry import Component

_NUMBER: Final = {int: "a whole number", float: "a number"}


def _with_kind_options(function: Callable[..., None]) -> Callable[..., None]:
    """The command with one option for every entry of OPTIONS, each None, or False for a flag, where it is not given."""
    signature = inspect.signature(function, eval_str=True)
    kept = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    for name, text in OPTIONS.items():
        option = typer.Option(option_name(name), help=text, rich_help_panel="Options of kinds")
        hint, default = (Annotated[bool, option], False) if name in FLAGS else (Annotated[str | None, option], None)
        kept.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint))
    function.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    return function


def _show_kinds(asked: bool) -> None:
    if asked:
        from cnnjobs import registry
        from cnnjobs.console.figures import show_kinds

        show_kinds(registry.components("figure"))
        raise typer.Exit


@_with_kind_options
def figures(
    network: Annotated[
        str, typer.Argument(metavar="RUN", help="A finished run: its id or the beginning, its label, or its folder.")
    ],
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help="What to draw, see --list-kinds.", show_default="the standard set"),
    ] = None,
    *,
    list_kinds: Annotated[  # noqa: ARG001
        bool,
        typer.Option("--list-kinds", help="Show every KIND with its options.", is_eager=True, callback=_show_kinds),
    ] = False,
    list_layers: Annotated[bool, typer.Option("--list-layers", help="Show the layers by their names.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Where the files go.", show_default="into the report of the run's sweep"
        ),
    ] = None,
    results: Results = RESULTS,
    data_dir: DataDir = None,
    **given: Any,
) -> None:
    """Draw what a trained network has learned: PNG and SVG, each with its numbers and its caption."""
    options = {name: value for name, value in given.items() if value not in (None, False)}
    plan = _plan(kind, options)
    subject, folder = _open(network, results, data_dir)
    if list_layers:
        from cnnjobs.console.figures import show_layers
        from cnnjobs.figures.layers import list_layers as layers

        show_layers(subject.name, subject.input_shape, layers(subject.model, subject.input_shape))
        return
    _draw(subject, plan, out or folder, keep_going=kind is None)


def _plan(kind: str | None, options: dict[str, Any]) -> list[tuple[Component, dict[str, Any]]]:
    """Kinds with their options, checked before anything is loaded. Raises InputError."""
    from cnnjobs import registry
    from cnnjobs.figures.kinds import STANDARD

    if kind is not None:
        component = registry.find("figure", kind)
        return [(component, _read(component, options))]
    return [
        (registry.find("figure", name), _standard(registry.find("figure", name), fixed, options))
        for name, fixed in STANDARD
    ]


def _standard(component: Component, fixed: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The options of one figure of the standard set: of those given the ones that it has."""
    return fixed | _read(component, {name: value for name, value in options.items() if name in component.parameters})


def _read(component: Component, options: dict[str, Any]) -> dict[str, Any]:
    """The kind's options as its function takes them. Raises InputError."""
    from cnnjobs.spec.run import read_options

    unknown = [name for name in options if name not in component.parameters]
    if unknown:
        allowed = suggest(option_name(unknown[0]), map(option_name, component.parameters))
        raise InputError(f"`{component.name}` has no {option_name(unknown[0])}; {allowed}")
    values = {name: _value(name, text, component.parameters[name].annotation) for name, text in options.items()}
    found = read_options("figure", component.name, values)
    if isinstance(found, list):
        raise InputError("\n".join(f"{option_name(each.key)}: {each.found}; {each.remedy}" for each in found))
    return found


def _value(name: str, text: Any, annotation: Any) -> Any:
    """What stands on the command line as the type that the kind asks for."""
    leaves = list(_leaves(annotation))
    if text is True or not {int, float, tuple} & {*leaves}:
        return text
    if tuple in leaves:
        return tuple(number for part in text.split(",") for number in _numbers(name, part))
    number = int if int in leaves else float
    try:
        return number(text)
    except ValueError:
        raise InputError(f"{option_name(name)} {text}: write {_NUMBER[number]}") from None


def _leaves(annotation: Any) -> typing.Iterator[Any]:
    """The plain types of an annotation: `NonNegativeInt | None` -> int, None; a tuple's own are left out."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (tuple, typing.Literal):
        yield tuple if origin is tuple else str
    elif origin is Annotated:
        yield from _leaves(arguments[0])
    elif arguments:
        for argument in arguments:
            yield from _leaves(argument)
    else:
        yield annotation


def _numbers(name: str, text: str) -> range:
    """`7` or `4531-4546`, both ends included."""
    first, dash, last = text.strip().partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
        raise InputError(f"{option_name(name)} {text}: write numbers, 0,3,17, or a range of them, 4531-4546")
    return range(int(first), int(last or first) + 1)


def _open(network: str, results: Path, data_dir: Path | None) -> tuple[Subject, Path]:
    """The network, and the folder that its figures belong into."""
    from cnnjobs.launch.place import local_data_folders
    from cnnjobs.launch.targets import find_folder
    from cnnjobs.runs import RunStore

    run = find_folder(network, results)
    folders = local_data_folders(data_dir)

    from cnnjobs.figures.subject import Subject
    from cnnjobs.training.trained import best_device, load_trained

    trained = load_trained(run, best_device(), folders)
    return Subject.of_run(trained, folders), RunStore(run.path.parent).report_folder / "figures" / run.run_id


def _draw(subject: Subject, plan: list[tuple[Component, dict[str, Any]]], folder: Path, *, keep_going: bool) -> None:
    """Draw, keep and tell; of the standard set what this network cannot have is told and left out."""
    from cnnjobs.console.figures import progress, show_kept, show_left_out
    from cnnjobs.figures.drawing import keep

    drawn = 0
    for component, options in plan:
        try:
            with progress(component.name) as moved:
                for drawing in component.build(given={"subject": subject, "progress": moved}, options=options):
                    show_kept(keep(folder, drawing), drawing.caption)
                    drawn += 1
        except InputError as error:
            if not keep_going:
                raise
            show_left_out(component.name, str(error))
    if not drawn:
        raise InputError(f"{subject.name}: no figure of the standard set can be drawn")
