"""Folders of images as the names of their files tell of them: classes, images, and what is passed over."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cnnjobs.components.files.places import HELD_OUT
from cnnjobs.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_JPEG: Final = (".jfif", ".jpe", ".jpeg", ".jpg")
_JPEG_2000: Final = (".j2c", ".j2k", ".jp2", ".jpf", ".jpx")
_TIFF: Final = (".tif", ".tiff")
_PORTABLE: Final = (".pbm", ".pgm", ".pnm", ".ppm")
SUFFIXES: Final = tuple(sorted((*_JPEG, *_JPEG_2000, *_TIFF, *_PORTABLE, ".avif", ".bmp", ".gif", ".png", ".webp")))
_ONE_KIND: Final = (_JPEG, _JPEG_2000, _TIFF, _PORTABLE)
_KINDS_TOLD: Final = 4
_FOLDER: Final = "folder"
# Archives, file systems and file servers leave them; they are no classes.
_OF_SYSTEMS: Final = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found", "__pycache__")
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


def list_splits(folder: Path) -> tuple[Listing, Listing]:
    """The listings of `train` and `test`. Raises DataError where they do not hold the same classes, or one is empty."""
    train, test = list_images(folder / "train"), list_images(folder / "test")
    if train.classes.keys() != test.classes.keys():
        lonely = [f"`{name}` (in train alone)" for name in train.classes if name not in test.classes]
        lonely += [f"`{name}` (in test alone)" for name in test.classes if name not in train.classes]
        raise DataError(f"{folder}: train and test must hold the same classes; found {', '.join(lonely)}")
    return train, test


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
        if not folder.is_dir() or folder.name in _OF_SYSTEMS:
            listing.others.append(folder)
            continue
        images: list[os.DirEntry[str]] = []
        others: list[os.DirEntry[str]] = []
        for entry in _visible(folder):
            (images if _is_image(entry) else others).append(entry)
        if not images:
            below = ", but folders" if any(entry.is_dir() for entry in others) else ""
            raise DataError(
                f"{folder.path}: holds no image{below}; put images there ({' '.join(SUFFIXES)}) or remove the folder"
            )
        listing.others.extend(others)
        name = _composed(folder.name)
        listing.classes.setdefault(name, []).extend(images)
        listing.folders.setdefault(name, []).append(folder.name)
    if not listing.classes:
        raise DataError(f"{split}: holds no class; make one folder per class, with its images in it")
    ordered = {name: sorted(listing.classes[name], key=_order) for name in sorted(listing.classes)}
    return Listing(ordered, listing.others, listing.folders)


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


def _composed(name: str) -> str:
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def notes_of(folder: Path, train: Listing, test: Listing) -> tuple[str, ...]:
    """Notes on a folder of images that can be trained on, a line each."""
    told = [*_beside_the_splits(folder)]
    listed = [*train.others, *test.others]
    loose = [entry for entry in listed if Path(entry).parent.parent == folder and _is_image(entry)]
    if loose:
        lie = "1 image lies in no class's folder and was" if len(loose) == 1 else _LIE.format(len(loose))
        told.append(f"{folder}: {lie} passed over, the first is {loose[0].path}")
    if others := [entry for entry in listed if entry not in loose]:
        first = others[0].path
        are = "1 file is not an image and was" if len(others) == 1 else f"{len(others)} files are not images and were"
        told.append(f"{folder}: {are} passed over ({_kinds(others)}), the first is {first}")
    kinds = Counter(_suffix(entry) for entry in (*train.entries, *test.entries))
    if len({_kind(suffix) for suffix in kinds}) > 1:
        told.append(
            f"{folder}: its images are of several kinds, {_listed(kinds)}: what tells classes apart may be that"
        )
    names = {name: {*train.folders[name], *test.folders[name]} for name in train.folders}
    for name in sorted(name for name, written in names.items() if len(written) > 1):
        told.append(f"{folder}: folders called {name} in two Unicode forms (NFC and NFD) are one class")
    return tuple(told)


def _beside_the_splits(folder: Path) -> list[str]:
    """A line where validation images of the user's own lie there, which no run takes."""
    own = [name for name in HELD_OUT if (folder / name).is_dir()]
    why = "validation images are drawn from train (dataset.validation says how many)"
    return [f"{folder / name}: is passed over; {why}" for name in own]


def _is_image(entry: os.DirEntry[str]) -> bool:
    return entry.name.lower().endswith(SUFFIXES) and entry.is_file()


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


def _kind(suffix: str) -> str:
    return next((kind[0] for kind in _ONE_KIND if suffix in kind), suffix)
