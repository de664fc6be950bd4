"""Which data sets are here, told by headers and names of files alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cnnjobs.components.data_places import Place, image_folders, place_of
from cnnjobs.components.datasets import look_into
from cnnjobs.components.decoding import source_files
from cnnjobs.components.raw_splits import Contents
from cnnjobs.errors import DataError
from cnnjobs.registry import components


@dataclass(frozen=True)
class Listed:
    """A data set that is here: what it holds and its size, or what is wrong with it."""

    name: str
    place: Place | None = None
    contents: Contents | None = None
    megabytes: float = 0.0
    problem: str = ""


def names_of_data(folders: Sequence[Path]) -> list[str]:
    """The data sets known by name, then the folders of images that are here."""
    own: set[str] = set()
    for folder in folders:
        with suppress(OSError):
            own.update(image_folders(folder))
    known = [name for name in components("dataset") if name != "image_folder"]
    return [*known, *sorted(own.difference(known))]


def list_data(folders: Sequence[Path]) -> tuple[list[Listed], list[str]]:
    """Every data set that is here, and the names of those that are not."""
    here: list[Listed] = []
    missing: list[str] = []
    for name in names_of_data(folders):
        try:
            place = place_of(name, folders)
        except DataError:
            missing.append(name)
            continue
        try:
            here.append(Listed(name, place, look_into(place), megabytes_of(place)))
        except DataError as error:
            here.append(Listed(name, problem=str(error)))
    return here, missing


def megabytes_of(place: Place) -> float:
    """What the files of a data set take up."""
    return sum(path.stat().st_size for path in source_files(place)) / 1e6
