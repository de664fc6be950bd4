"""Folders of images as the names of their files tell of them: classes, images, and what is passed over."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cnnjobs.components.files.image_names import OF_SYSTEMS, SUFFIXES, is_image_name, kind_of
from cnnjobs.components.files.places import parts_of
from cnnjobs.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_KINDS_TOLD: Final = 4
_FOLDER: Final = "folder"
_SINGLES_TOLD: Final = 3
_LIE: Final = "{} images lie in no class's folder and were"


@dataclass(frozen=True)
class Listing:
    """A split's folder: class -> its image files in the order of their names, files of other kinds, folders joined.

    Classes are named and ordered in the Unicode form NFC, whatever the form of their folders' names.
    """

    classes: dict[str, list[os.DirEntry[str]]]
    others: list[os.DirEntry[str]]
    folders: dict[str, list[str]]

    @property
    def entries(self) -> list[os.DirEntry[str]]:
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
    def entries(self) -> list[os.DirEntry[str]]:
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
    parts = parts_of(folder)
    if parts is None:
        raise DataError(f"{folder}: train or test is missing; it was there a moment ago")
    train, validation, test = (
        list_images(path) if path else None for path in (parts.train, parts.validation, parts.test)
    )
    assert train is not None
    if test and parts.test:
        lonely = [f"`{name}` (in train alone)" for name in train.classes if name not in test.classes]
        lonely += [f"`{name}` (in {parts.test.name} alone)" for name in test.classes if name not in train.classes]
        if lonely:
            found = ", ".join(lonely)
            raise DataError(f"{folder}: train and {parts.test.name} must hold the same classes; found {found}")
    unknown = [f"`{name}`" for name in validation.classes if name not in train.classes] if validation else []
    if unknown:
        raise DataError(f"{parts.validation}: holds classes that train has not: {', '.join(unknown)}")
    return Splits(train, validation, test)


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
            (images if _is_image(entry) else others).append(entry)
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


def _place_below(split: Path) -> Callable[[os.DirEntry[str]], str]:
    """The order of images: by their names, those of folders below a class's by theirs."""
    depth = len(os.fspath(split).rstrip(os.sep)) + 1

    def place(entry: os.DirEntry[str]) -> str:
        return _composed(entry.path[depth:].partition(os.sep)[2])

    return place


def _composed(name: str) -> str:
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def notes_of(folder: Path, splits: Splits) -> tuple[str, ...]:
    """Notes on a folder of images that can be trained on, a line each."""
    told = [*_on_the_splits(folder, splits)]
    listings = splits.listings
    listed = [entry for listing in listings for entry in listing.others]
    parts = {each for part in vars(parts_of(folder) or folder).values() if (each := part)}
    loose = [entry for entry in listed if Path(entry).parent in parts and _is_image(entry)]
    if loose:
        lie = "1 image lies in no class's folder and was" if len(loose) == 1 else _LIE.format(len(loose))
        told.append(f"{folder}: {lie} passed over, the first is {loose[0].path}")
    if others := [entry for entry in listed if entry not in loose]:
        first = others[0].path
        are = "1 file is not an image and was" if len(others) == 1 else f"{len(others)} files are not images and were"
        told.append(f"{folder}: {are} passed over ({_kinds(others)}), the first is {first}")
    kinds = Counter(_suffix(entry) for entry in splits.entries)
    if len({kind_of(suffix) for suffix in kinds}) > 1:
        told.append(
            f"{folder}: its images are of several kinds, {_listed(kinds)}: what tells classes apart may be that"
        )
    names = {name: {each for listing in listings for each in listing.folders.get(name, ())} for name in splits.classes}
    for name in sorted(name for name, written in names.items() if len(written) > 1):
        told.append(f"{folder}: folders called {name} in two Unicode forms (NFC and NFD) are one class")
    return tuple(told)


def _on_the_splits(folder: Path, splits: Splits) -> Iterator[str]:
    """Lines on where validation and test images come from, where it is not from train and test."""
    parts = parts_of(folder)
    if parts and parts.validation:
        yield f"{parts.validation}: holds the validation images, none are drawn from train (validation: 0 for none)"
    elif parts and parts.test and parts.test.name != "test":
        yield f"{parts.test}: holds the test images; validation images are drawn from train"
    elif parts and not parts.test:
        yield f"{folder}: holds no train and test: a fifth of each class are the test images, drawn by split_seed"
    single = [name for name, entries in splits.train.classes.items() if len(entries) == 1]
    if single:
        more = ", ..." if len(single) > _SINGLES_TOLD else ""
        names = ", ".join(f"`{name}`" for name in single[:_SINGLES_TOLD])
        have = "1 class has" if len(single) == 1 else f"{len(single)} classes have"
        yield f"{folder}: {have} one image to train on, {names}{more}: once it is drawn for validation, none is left"


def _is_image(entry: os.DirEntry[str]) -> bool:
    return is_image_name(entry.name) and entry.is_file()


def _kinds(entries: Collection[os.DirEntry[str]]) -> str:
    return _listed(Counter(_suffix(entry) for entry in entries))


def _listed(kinds: Counter[str]) -> str:
    told = [
        f"{number:,} {suffix}{'s' if suffix == _FOLDER and number > 1 else ''}"
        for suffix, number in kinds.most_common(_KINDS_TOLD)
    ]
    rest = kinds.total() - sum(number for _, number in kinds.most_common(_KINDS_TOLD))
    return ", ".join([*told, *([f"{rest:,} others"] if rest else [])])


def _suffix(entry: os.DirEntry[str]) -> str:
    if entry.is_dir():
        return _FOLDER
    return Path(entry.name).suffix.lower() or "without a suffix"
