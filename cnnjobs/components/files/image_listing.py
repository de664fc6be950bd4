"""Folders of images as the names of their files tell of them: classes, images, and what is passed over."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cnnjobs.components.files.image_names import OF_SYSTEMS, SUFFIXES, folders_in, is_image_name
from cnnjobs.components.files.label_tables import read_tables, tables_in
from cnnjobs.components.files.places import parts_of
from cnnjobs.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


ImageFile = os.DirEntry[str] | Path


@dataclass(frozen=True)
class Listing:
    """A split's folder: class -> its image files in the order of their names, files of other kinds, folders joined.

    Classes are named and ordered in the Unicode form NFC, whatever the form of their folders' names.
    """

    classes: dict[str, list[ImageFile]]
    others: list[os.DirEntry[str]]
    folders: dict[str, list[str]]

    @property
    def entries(self) -> list[ImageFile]:
        """The image files of all classes, in order, as their folders list them."""
        return [entry for entries in self.classes.values() for entry in entries]

    @property
    def files(self) -> list[Path]:
        """Their paths."""
        return [Path(entry) for entry in self.entries]

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of images of each class."""
        return tuple(map(len, self.classes.values()))

    @property
    def labels(self) -> NDArray[np.int64]:
        """The label of each image (N,)."""
        import numpy as np

        return np.repeat(np.arange(len(self.classes)), self.counts)

    def labels_among(self, classes: Sequence[str]) -> NDArray[np.int64]:
        """The label of each image (N,) by its place among these classes."""
        import numpy as np

        return np.repeat(np.array([classes.index(name) for name in self.classes], np.int64), self.counts)


@dataclass(frozen=True)
class Splits:
    """The listings of a data set: `train`, the user's own `validation` images, `test`; None for what it has not."""

    train: Listing
    validation: Listing | None = None
    test: Listing | None = None

    @property
    def listings(self) -> list[Listing]:
        """Those that are there, training images first."""
        return [each for each in (self.train, self.validation, self.test) if each]

    @property
    def entries(self) -> list[ImageFile]:
        """All image files: those of validation follow those of train."""
        return [entry for listing in self.listings for entry in listing.entries]

    @property
    def files(self) -> dict[str, list[Path]]:
        """The images that are decoded together: `train`, with those of validation at its end, and `test`."""
        held_out = self.validation.files if self.validation else []
        return {"train": [*self.train.files, *held_out], "test": self.test.files if self.test else []}

    @property
    def classes(self) -> tuple[str, ...]:
        """All classes, in order."""
        return tuple(self.train.classes)

    @property
    def labels(self) -> dict[str, NDArray[np.int64]]:
        """The label of each of the `files` (N,)."""
        import numpy as np

        none = np.zeros(0, np.int64)
        held_out = self.validation.labels_among(self.classes) if self.validation else none
        test = self.test.labels if self.test else none
        return {"train": np.concatenate([self.train.labels, held_out]), "test": test}

    @property
    def held_out(self) -> int:
        """Number of the user's own validation images."""
        return len(self.validation.entries) if self.validation else 0


def list_splits(folder: Path) -> Splits:
    """The listings of a folder. Raises DataError where they do not hold the same classes, or one is empty."""
    tables = tables_of(folder)
    if tables:
        named = {
            split: Listing({name: [*files] for name, files in classes.items()}, [], {})
            for split, classes in read_tables(tables).items()
        }
        names = {split: f"`{split}` of {tables[0].name}" for split in named}
    else:
        parts = parts_of(folder)
        if parts is None:
            raise DataError(f"{folder}: train or test is missing; it was there a moment ago")
        paths = {split: path for split, path in vars(parts).items() if path}
        named = {split: list_images(path) for split, path in paths.items()}
        names = {split: path.name for split, path in paths.items()}
    if "test" not in named and "validation" in named:
        # Runs are tested on what was not trained on.
        named["test"], names["test"] = named.pop("validation"), names["validation"]
    if "train" not in named:
        raise DataError(f"{tables[0]}: has no training images; leave `split` out, or give some `train`")
    _check_classes(folder, named, names)
    return Splits(named["train"], named.get("validation"), named.get("test"))


def tables_of(folder: Path) -> tuple[Path, ...]:
    """The tables that tell labels, where the folders of a data set do not."""
    parts = parts_of(folder)
    tell = parts is not None and parts.train != folder and folders_in(parts.train)
    return () if tell else tables_in(folder)


def _check_classes(folder: Path, named: Mapping[str, Listing], names: Mapping[str, str]) -> None:
    train, test, validation = named["train"], named.get("test"), named.get("validation")
    if test:
        lonely = [f"`{name}` (in train alone)" for name in train.classes if name not in test.classes]
        lonely += [f"`{name}` (in {names['test']} alone)" for name in test.classes if name not in train.classes]
        if lonely:
            found = ", ".join(lonely)
            raise DataError(f"{folder}: train and {names['test']} must hold the same classes; found {found}")
    unknown = [f"`{name}`" for name in validation.classes if name not in train.classes] if validation else []
    if unknown:
        raise DataError(f"{folder / names['validation']}: holds classes that train has not: {', '.join(unknown)}")


def list_images(split: Path) -> Listing:
    """List the folder of one split; hidden files don't count.

    Raises DataError when it or a class in it is empty, cannot be read, or is a link to nothing.
    """
    try:
        return _list(split)
    except OSError as error:
        raise DataError(f"{error.filename or split}: cannot be read ({error.strerror}); mend or remove it") from None


def _list(split: Path) -> Listing:
    listing = Listing({}, [], {})
    for folder in _visible(split):
        if not folder.is_dir() or folder.name in OF_SYSTEMS:
            listing.others.append(folder)
            continue
        images: list[os.DirEntry[str]] = []
        others: list[os.DirEntry[str]] = []
        for entry in _below(folder, frozenset([os.path.realpath(folder)])):
            (images if is_image_file(entry) else others).append(entry)
        if not images:
            raise DataError(
                f"{folder.path}: holds no image; put images there ({' '.join(SUFFIXES)}) or remove the folder"
            )
        listing.others.extend(others)
        name = _composed(folder.name)
        listing.classes.setdefault(name, []).extend(images)
        listing.folders.setdefault(name, []).append(folder.name)
    if not listing.classes:
        raise DataError(f"{split}: holds no class; make one folder per class, with its images in it")
    ordered = {name: sorted(listing.classes[name], key=_place_below(split)) for name in sorted(listing.classes)}
    return Listing(ordered, listing.others, listing.folders)


def _below(folder: os.PathLike[str], above: frozenset[str]) -> Iterator[os.DirEntry[str]]:
    """The files in a folder and in those below it; a link to a folder that it lies in is a file of another kind."""
    for entry in _visible(folder):
        place = os.path.realpath(entry) if entry.is_dir() else ""
        if place and place not in above and entry.name not in OF_SYSTEMS:
            yield from _below(entry, above | {place})
        else:
            yield entry


def _visible(folder: os.PathLike[str]) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        found = sorted((entry for entry in entries if not entry.name.startswith(".")), key=_order)
    for entry in found:
        if entry.is_symlink() and not Path(entry).exists():
            target = Path(entry).readlink()
            raise DataError(f"{entry.path}: is a link to {target}, which is not there; mend the link or remove it")
        if not entry.name.isascii() and not _is_text(entry.name):
            raise DataError(f"{entry.path!a}: its name is no text in UTF-8; rename it")
    return found


def _order(entry: os.DirEntry[str]) -> str:
    return _composed(entry.name)


def _place_below(split: Path) -> Callable[[ImageFile], str]:
    """The order of images: by their names, those of folders below a class's by theirs."""
    depth = len(os.fspath(split).rstrip(os.sep)) + 1

    def place(entry: ImageFile) -> str:
        return _composed(os.fspath(entry)[depth:].partition(os.sep)[2])

    return place


def _composed(name: str) -> str:
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_image_file(entry: os.DirEntry[str]) -> bool:
    """Check whether an entry is a file that is called as an image is."""
    return is_image_name(entry.name) and entry.is_file()
