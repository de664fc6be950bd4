"""`cnnjobs fetch`: data sets and weights from the net, on a machine that reaches it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_NAME_HELP = "A data set (cnnjobs data lists them), or weights by model and name: torchvision/resnet18:IMAGENET1K_V1."
_FOLDER_HELP = "The data folder. [default: the first that can be written of CNNJOBS_DATA, the profile's, ./data]"


def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help=_NAME_HELP)],
    data_dir: Annotated[Path | None, typer.Option("--data-dir", metavar="DIR", help=_FOLDER_HELP)] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is there already.")] = False,
) -> None:
    """Fetch published data sets and weights, each checked by its hash, into a data folder."""
    from cnnjobs.console.fetch import downloads, show_failed, show_fetched, show_stopped, show_there
    from cnnjobs.errors import FetchError
    from cnnjobs.launch.plan.place import local_data_folders
    from cnnjobs.setup.fetching import fetch, find_items, writable_folder

    folders = local_data_folders(data_dir)
    items = find_items(names, folders)
    failed = False
    for item in items:
        if item.there is not None and not (force and item.originals):
            show_there(item.name, item.there, can_be_fetched=bool(item.originals))
            continue
        try:
            with downloads() as watch:
                path = fetch(item, writable_folder(folders, data_dir), watch)
            show_fetched(item.name, path)
        except FetchError as error:
            failed = True
            show_failed(str(error))
        except KeyboardInterrupt:
            show_stopped()
            raise typer.Exit(130) from None
    if failed:
        raise typer.Exit(1)
