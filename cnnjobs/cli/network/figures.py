"""`cnnjobs figures`: what a trained network has learned, as pictures."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cnnjobs.cli import completion
from cnnjobs.cli.network.figure_options import Plan, plan_figures, with_kind_options
from cnnjobs.cli.network.networks import find_run_or_model, read_model, read_shape
from cnnjobs.cli.options import RESULTS, DataDir, Results
from cnnjobs.errors import InputError

if TYPE_CHECKING:
    from cnnjobs.disk.run_folder import RunFolder
    from cnnjobs.figures.network.subject import Subject

_OF_MODELS: Final = "Options of models"
_RANDOM: Final = "random"
# As shells have it of what Ctrl-C ended.
_STOPPED: Final = 130


def _show_kinds(asked: bool) -> None:
    if asked:
        from cnnjobs import registry
        from cnnjobs.console.network.figures import show_kinds

        show_kinds(registry.components("figure"))
        raise typer.Exit


@with_kind_options
def figures(  # noqa: PLR0913
    network: Annotated[
        str,
        typer.Argument(
            autocompletion=completion.runs,
            metavar="RUN|MODEL",
            help="A finished run: its id or label; or a model's name or import path.",
        ),
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
            "--out", metavar="DIR", help="Where the files go.", show_default="the report of the run, or figures/MODEL"
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            metavar="NAME",
            help="A published name, a file, run:<run id>, or random.",
            show_default="the published ones of torchvision/MODEL",
            rich_help_panel=_OF_MODELS,
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", metavar="NAME", help="The data set that images are of.", rich_help_panel=_OF_MODELS),
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option("--input", metavar="C,H,W", help="The shape of an image.", rich_help_panel=_OF_MODELS),
    ] = None,
    classes: Annotated[
        int | None, typer.Option("--classes", min=1, help="The number of classes.", rich_help_panel=_OF_MODELS)
    ] = None,
    results: Results = RESULTS,
    data_dir: DataDir = None,
    **given: Any,
) -> None:
    """Draw what a trained network has learned: PNG and SVG, each with its numbers and its caption."""
    plan = plan_figures(kind, {name: value for name, value in given.items() if value not in (None, False)})
    of_model = {"--weights": weights, "--dataset": dataset, "--input": shape, "--classes": classes}
    given_too = [option for option, value in of_model.items() if value is not None]
    run = find_run_or_model(network, results, is_model=bool(given_too))
    if run is not None:
        if given_too:
            raise InputError(f"{given_too[0]}: `{network}` is a run, which knows its own; leave it out")
        subject, folder = _open_run(run, data_dir, has_place=out is not None or list_layers)
    else:
        subject, folder = _open_model(
            network, results, data_dir, weights=weights, dataset=dataset, shape=shape, classes=classes
        )
    if list_layers:
        from cnnjobs.console.network.figures import show_layers
        from cnnjobs.figures.network.layers import list_layers as layers

        show_layers(subject.name, subject.input_shape, layers(subject.model, subject.input_shape))
    else:
        _draw(subject, plan, out or folder, keep_going=kind is None)


def _open_run(run: RunFolder, data_dir: Path | None, *, has_place: bool) -> tuple[Subject, Path]:
    """A run's network, and the folder that its figures belong into, or go into where that can only be read."""
    from cnnjobs.console.own_code import show_differences
    from cnnjobs.console.runs.plan import show_notes
    from cnnjobs.console.terminal import notice
    from cnnjobs.disk.files import can_write
    from cnnjobs.disk.run_folder import RunStore
    from cnnjobs.launch.plan.data_sets import other_data
    from cnnjobs.launch.plan.place import local_data_folders

    show_differences([run])
    folders = local_data_folders(data_dir)
    show_notes(other_data(run, folders))

    from cnnjobs.figures.network.subject import Subject
    from cnnjobs.training.trained.network import best_device, load_trained

    trained = load_trained(run, best_device(), folders)
    place = RunStore(run.path.parent).report_folder / "figures" / run.run_id
    if not (has_place or can_write(place)):
        notice(f"{place} cannot be written: the figures go to figures/{run.run_id}; --out says where")
        place = Path("figures") / run.run_id
    return Subject.of_run(run, trained, folders), place


def _open_model(
    word: str,
    results: Path,
    data_dir: Path | None,
    *,
    weights: str | None,
    dataset: str | None,
    shape: str | None,
    classes: int | None,
) -> tuple[Subject, Path]:
    """A model's network, and the folder that its figures go into."""
    from cnnjobs.components.pretrained.places import DEFAULT
    from cnnjobs.components.pretrained.torchvision import PREFIX
    from cnnjobs.console.terminal import notice
    from cnnjobs.launch.plan.place import local_data_folders

    if weights is None and word.startswith(PREFIX):
        weights = DEFAULT
    settings = {"weights": None if weights == _RANDOM else weights, "dataset": dataset or "cifar10"}
    config = read_model(word, **settings)
    size, folders = read_shape(shape), local_data_folders(data_dir)

    from cnnjobs.figures.drawing.figure import file_name
    from cnnjobs.figures.network.untrained import open_model
    from cnnjobs.training.trained.network import best_device

    subject, notes = open_model(
        config, folders, results, best_device(), shape=size, classes=classes, has_data=dataset is not None
    )
    for note in notes:
        notice(f"{subject.name}: {note}")
    return subject, Path("figures") / file_name(subject.name)


def _draw(subject: Subject, plan: Plan, folder: Path, *, keep_going: bool) -> None:
    """Draw, keep and tell; of the standard set what this network cannot have is told and left out."""
    from cnnjobs.console.network.figures import progress, show_kept, show_left_out
    from cnnjobs.console.network.outcome import show_undrawn
    from cnnjobs.figures.drawing.figure import keep

    drawn = 0
    for place, (component, options) in enumerate(plan):
        try:
            with progress(component.name) as moved:
                for drawing in component.build(given={"subject": subject, "progress": moved}, options=options):
                    show_kept(keep(folder, drawing), drawing.caption)
                    drawn += 1
        except InputError as error:
            if not keep_going:
                raise
            show_left_out(component.name, str(error))
        except KeyboardInterrupt:
            words = ["cnnjobs", *(word for word in sys.argv[1:] if word != "--debug")]
            show_undrawn(drawn, [each.name for each, _ in plan[place:]], shlex.join(words))
            raise typer.Exit(_STOPPED) from None
    if not drawn:
        raise InputError(f"{subject.name}: no figure of the standard set can be drawn")
