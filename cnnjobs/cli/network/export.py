"""`cnnjobs export`: a trained network as a file that plain PyTorch reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cnnjobs.cli import completion
from cnnjobs.cli.options import RESULTS, DataDir, Results


def export(
    run: Annotated[
        str,
        typer.Argument(
            autocompletion=completion.runs,
            help="A finished run: its id or the beginning, its label, SWEEP/RUN, or its folder.",
        ),
    ],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The new file, such as model.pth.")],
    form: Annotated[
        Literal["full", "state_dict"],
        typer.Option("--format", help="The weights with all that it takes to use them, or the weights alone."),
    ] = "full",
    results: Results = RESULTS,
    data_dir: DataDir = None,
) -> None:
    """Write the best weights of a run to a file that torch.load reads with weights_only=True; overwrite nothing."""
    from cnnjobs.console.network.export import show_exported
    from cnnjobs.console.own_code import show_differences
    from cnnjobs.disk.files import check_new, write_new
    from cnnjobs.launch.plan.place import local_data_folders
    from cnnjobs.status.named_runs import find_folder

    check_new(output)
    folder = find_folder(run, results)
    folder.check_weights()
    show_differences([folder])

    import torch

    from cnnjobs.training.trained.export import exported, exported_weights
    from cnnjobs.training.trained.network import load_trained

    network = load_trained(folder, torch.device("cpu"), local_data_folders(data_dir))
    write_new(output, exported(network) if form == "full" else exported_weights(network))
    show_exported(output, network, is_full=form == "full")
