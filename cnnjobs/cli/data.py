"""`cnnjobs data`: the data sets that are here, and what one of them holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnnjobs.cli.options import DataDir, check_figure, read_yaml
from cnnjobs.errors import InputError

if TYPE_CHECKING:
    from cnnjobs.components.data.datasets import DataSet
    from cnnjobs.config.run import Choice

_PER_CLASS = 10
_SHOWN_SIZE = 64


def data(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="A data set by name, import path or YAML ('{name: emnist, split: letters}')."
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            metavar="FILE",
            help="Draw images of each class to a new .png or .svg file. [default: NAME-samples.png]",
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """List the data sets that are here and how to fetch others; of one, its classes, splits, and a picture of both."""
    from cnnjobs.launch.plan.place import local_data_folders

    if data_dir is not None and not data_dir.is_dir():
        raise InputError(f"--data-dir {data_dir}: no such folder")
    folders = local_data_folders(data_dir)
    if what is None:
        if picture is not None:
            raise InputError(f"--picture {picture}: name the data set too: cnnjobs data NAME --picture {picture}")
        from cnnjobs.console.data import show_list
        from cnnjobs.launch.plan.data_sets import list_data

        here, missing = list_data(folders)
        show_list(here, missing, folders)
        raise typer.Exit(2 if any(listed.problem for listed in here) else 0)
    _show(what, folders, picture)


def _show(what: str, folders: tuple[Path, ...], picture: Path | None) -> None:
    """One data set, and its picture."""
    from cnnjobs.components.data.datasets import place_of_data
    from cnnjobs.components.data.surveys import look_into, skips
    from cnnjobs.components.files.fitting import Fitting
    from cnnjobs.components.files.image_facts import facts_of
    from cnnjobs.console.data import show_data, show_picture
    from cnnjobs.disk.files import write_new
    from cnnjobs.launch.plan.data_sets import megabytes_of
    from cnnjobs.launch.plan.image_shapes import sizes

    choice = _read(what)
    if picture is not None:
        check_figure(picture)
    place = place_of_data(choice.name, folders, choice.options)
    contents = look_into(place, skip=skips(choice.options)).contents if place else None
    # Shown whole; a run has them as its `augment` says.
    fitting = Fitting("letterbox", _SHOWN_SIZE) if contents and contents.needs_fitting else None
    data_set: DataSet = choice.build(name=choice.name, folders=folders, fitting=fitting)
    own = sizes(contents) if contents and fitting else ""
    facts = facts_of(place.path) if place and place.layout == "image_folder" else None
    show_data(data_set, place.path if place else None, megabytes_of(place) if place else None, own, facts)
    path = picture or Path(f"{re.sub('[^A-Za-z0-9_.]+', '_', choice.name)}-samples.png")
    content = _drawn(data_set, path)
    is_new = picture is not None or not path.is_file() or path.read_bytes() != content
    if is_new:
        write_new(path, content)
    show_picture(path, is_new=is_new)


def _read(what: str) -> Choice:
    """The data set with its options. Raises InputError."""
    from cnnjobs.config.run import read_config

    value = read_yaml(what, what) if what.startswith("{") else what
    config = read_config({"dataset": value, "model": "lenet5"})
    if isinstance(config, list):
        raise InputError("\n".join(f"{mistake.key}: {mistake.found}; {mistake.remedy}" for mistake in config))
    choice: Choice = config.dataset
    return choice


def _drawn(data: DataSet, path: Path) -> bytes:
    """Training images of each class, from all over the split."""
    import numpy as np

    from cnnjobs.figures.drawing.class_images import class_images
    from cnnjobs.figures.drawing.style import figure_bytes

    images = {}
    for label, name in enumerate(data.classes):
        rows = np.flatnonzero(data.train.labels == label)
        if len(rows):
            chosen = np.linspace(0, len(rows) - 1, min(_PER_CLASS, len(rows))).round().astype(int)
            images[name] = data.train.take(rows[chosen])
    figure = class_images(images, f"{data.name}: training images")
    return figure_bytes(figure, path.suffix)
