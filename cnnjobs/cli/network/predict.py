"""`cnnjobs predict`: what a trained network sees in images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cnnjobs.cli import completion
from cnnjobs.cli.options import RESULTS, DataDir, Results, check_figure
from cnnjobs.errors import InputError

if TYPE_CHECKING:
    from cnnjobs.training.trained.network import TrainedNetwork
    from cnnjobs.training.trained.predictions import Prediction


def predict(  # noqa: PLR0913
    run: Annotated[
        str,
        typer.Argument(
            autocompletion=completion.runs,
            help="A finished run: its id or the beginning, its label, SWEEP/RUN, or its folder.",
        ),
    ],
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="IMAGE", help="Image files of any size and kind.")
    ] = None,
    *,
    split: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option("--split", help="Images of the run's data set instead, with their true classes."),
    ] = None,
    first: Annotated[int, typer.Option("--first", min=1, help="How many of the split.")] = 4,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Draw them with this seed. [default: the first ones]")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many classes of each image are shown.")] = 3,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write every probability to a new file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every probability as JSON, for programs.")] = False,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="Draw the images to a new .png or .svg file.")
    ] = None,
    results: Results = RESULTS,
    data_dir: DataDir = None,
) -> None:
    """Show the probability of each class for image files, or for images of the data set with their true classes."""
    from cnnjobs.console.network.predictions import show_predictions, show_predictions_json, show_written
    from cnnjobs.console.own_code import show_differences
    from cnnjobs.disk.files import check_new, write_new
    from cnnjobs.launch.plan.place import local_data_folders
    from cnnjobs.status.named_runs import find_folder

    if bool(images) == (split is not None):
        raise InputError("which images? name files, or take some of the data set: --split test --first 4")
    for path, check in ((picture, check_figure), (csv, check_new)):
        if path is not None:
            check(path)
    outputs = [path for path in (csv, picture) if path is not None]
    folder = find_folder(run, results)
    folder.check_weights()
    show_differences([folder])
    from cnnjobs.training.trained.network import best_device, load_trained

    folders = local_data_folders(data_dir)
    network = load_trained(folder, best_device(), folders)
    if split is None:
        from cnnjobs.training.trained.predictions import predict_files

        predictions = predict_files(network, images or [])
    else:
        from cnnjobs.console.runs.plan import show_notes
        from cnnjobs.launch.plan.data_sets import other_data
        from cnnjobs.training.data.pipeline import DataSets
        from cnnjobs.training.trained.predictions import predict_split

        show_notes(other_data(folder, folders))
        predictions = predict_split(network, DataSets(folders, network.device), split, first, seed)
    if csv is not None:
        write_new(csv, _table(predictions))
    if picture is not None:
        write_new(picture, _drawn(network, predictions, picture))
    if as_json:
        show_predictions_json(network.run_id, predictions)
    else:
        show_predictions(network.run_id, predictions, top)
    show_written(outputs)


def _table(predictions: list[Prediction]) -> bytes:
    """One line per image as CSV: its class, the most probable one, and the probability of each."""
    import pandas as pd

    from cnnjobs.report.results.files import csv_bytes

    classes = [f"probability of {each}" for each in predictions[0].probabilities]
    rows = [[each.source, each.truth, each.ranked[0][0], *each.probabilities.values()] for each in predictions]
    return csv_bytes(pd.DataFrame(rows, columns=["image", "true", "predicted", *classes]))


def _drawn(network: TrainedNetwork, predictions: list[Prediction], picture: Path) -> bytes:
    from cnnjobs.figures.drawing.samples import Sample, sample_grid
    from cnnjobs.figures.drawing.style import figure_bytes

    samples = [
        Sample(each.pixels, *each.ranked[0], truth=each.truth, name=Path(each.source).name) for each in predictions
    ]
    figure = sample_grid(samples, network.run_id)
    return figure_bytes(figure, picture.suffix)
