"""Facts of a folder of images that only its files tell: sizes, modes, and images that are there more than once."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low
from typing import Final

from cnnjobs.components.files.image_folders import Header, header_of, spread
from cnnjobs.components.files.image_listing import ImageFile, Splits, is_image_file, list_splits, tables_of
from cnnjobs.components.files.image_names import kind_of
from cnnjobs.components.files.places import Parts, parts_of
from cnnjobs.errors import DataError

_TOLD: Final = 5
_UNEVEN: Final = 3
_SINGLES_TOLD: Final = 3
_KINDS_TOLD: Final = 4
_FOLDER: Final = "folder"
_LIE: Final = "{} images lie in no class's folder and were"
_DRAWN: Final = "a fifth of each class are the test images, drawn by split_seed"
_Where = tuple[str, str, str]


@dataclass(frozen=True)
class ImageFacts:
    """Sizes and modes of images in words, and notes on what a user should look at, a line each."""

    sizes: str
    modes: str
    notes: tuple[str, ...]


def facts_of(folder: Path) -> ImageFacts:
    """Facts of a folder: sizes and modes by the headers of a thousand images, doubles of all. Raises DataError."""
    splits = list_splits(folder)
    paths = [path for files in splits.files.values() for path in files]
    headers = []
    for path in spread(paths):
        with suppress(DataError):
            headers.append(header_of(path))
    looked = f" (of {len(headers):,} files looked at)" if len(headers) < len(paths) else ""
    modes = Counter(header.mode for header in headers)
    listed = ", ".join(f"{number:,} {mode}" for mode, number in modes.most_common())
    notes = (*_notes_on_doubles(folder, splits), *_note_on_balance(folder, splits))
    return ImageFacts(_sizes(headers) + looked, listed + looked, notes)


def _sizes(headers: Sequence[Header]) -> str:
    sizes = Counter(header.size for header in headers)
    if len(sizes) == 1:
        width, height = next(iter(sizes))
        return f"{width}×{height}, all"
    every = [header.size for header in headers]
    smallest, largest = (pick(every, key=lambda size: size[0] * size[1]) for pick in (min, max))
    middle = median_low(width for width, _ in every), median_low(height for _, height in every)
    different = f"{len(sizes):,} different ones, {_written(smallest)} to {_written(largest)}"
    return f"{different}, median {_written(middle)}"


def _written(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"


def _note_on_balance(folder: Path, splits: Splits) -> Iterator[str]:
    counts = dict(zip(splits.classes, splits.train.counts, strict=True))
    most, fewest = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if counts[most] >= _UNEVEN * counts[fewest]:
        found = f"{counts[most]:,} training images of `{most}`, {counts[fewest]:,} of `{fewest}`"
        yield f"{folder}: its classes are of uneven size, {found}: accuracy tells little of the rare ones"


def _notes_on_doubles(folder: Path, splits: Splits) -> Iterator[str]:
    groups = list(_doubles(splits))
    across = [group for group in groups if len({split for split, _, _ in group}) > 1]
    if across:
        between = " and ".join(sorted({split for group in across for split, _, _ in group}))
        yield _told(folder, across, f"in {between} both, byte for byte: the metrics count what was trained on")
    unclear = [group for group in groups if len({name for _, name, _ in group}) > 1]
    if unclear:
        yield _told(folder, unclear, "in several classes, byte for byte: one of them is wrong")
    if not splits.test and (plain := [group for group in groups if group not in unclear]):
        yield _told(folder, plain, "there more than once, byte for byte: they may be trained on and tested on")


def _told(folder: Path, groups: Sequence[Sequence[_Where]], where: str) -> str:
    lines = [f"  {' = '.join(path for _, _, path in group)}" for group in groups[:_TOLD]]
    more = [f"  and {len(groups) - _TOLD} more"] if len(groups) > _TOLD else []
    are = "1 image is" if len(groups) == 1 else f"{len(groups):,} images are"
    return "\n".join([f"{folder}: {are} {where}", *lines, *more])


def _doubles(splits: Splits) -> Iterator[Sequence[_Where]]:
    """Groups of equal files, each with its split and class: only files of the same length are read."""
    by_length: dict[int, list[_Where]] = defaultdict(list)
    for split, listing in {"train": splits.train, "validation": splits.validation, "test": splits.test}.items():
        for name, entries in listing.classes.items() if listing else ():
            for entry in entries:
                by_length[entry.stat().st_size].append((split, name, os.fspath(entry)))
    for length, found in by_length.items():
        if length and len(found) > 1:
            yield from (group for group in _equal(found).values() if len(group) > 1)


def _equal(found: Sequence[_Where]) -> Mapping[bytes, list[_Where]]:
    groups: dict[bytes, list[_Where]] = defaultdict(list)
    for each in found:
        try:
            with Path(each[2]).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
        except OSError:
            continue
        groups[digest].append(each)
    return groups


def notes_of(folder: Path, splits: Splits) -> tuple[str, ...]:
    """Notes on a folder of images that can be trained on, a line each."""
    told = [*_on_the_splits(folder, splits)]
    listings = splits.listings
    listed = [entry for listing in listings for entry in listing.others]
    parts = {*vars(parts_of(folder) or Parts(folder)).values()}
    loose = [entry for entry in listed if Path(entry).parent in parts and is_image_file(entry)]
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
    tables = tables_of(folder)
    parts = None if tables else parts_of(folder)
    if tables:
        others = f"; so is {tables[1].name}" if len(tables) > 1 else ""
        yield f"{tables[0]}: tells the labels{others}" + ("" if splits.test else f"; {_DRAWN}")
    elif parts and parts.validation:
        yield f"{parts.validation}: holds the validation images, none are drawn from train (validation: 0 for none)"
    elif parts and parts.test and parts.test.name != "test":
        yield f"{parts.test}: holds the test images; validation images are drawn from train"
    elif parts and not parts.test:
        yield f"{folder}: holds no train and test: {_DRAWN}"
    single = [name for name, entries in splits.train.classes.items() if len(entries) == 1]
    if single:
        more = ", ..." if len(single) > _SINGLES_TOLD else ""
        names = ", ".join(f"`{name}`" for name in single[:_SINGLES_TOLD])
        have = "1 class has" if len(single) == 1 else f"{len(single)} classes have"
        yield f"{folder}: {have} one image to train on, {names}{more}: once it is drawn for validation, none is left"


def _kinds(entries: Collection[ImageFile]) -> str:
    return _listed(Counter(_suffix(entry) for entry in entries))


def _listed(kinds: Counter[str]) -> str:
    told = [
        f"{number:,} {suffix}{'s' if suffix == _FOLDER and number > 1 else ''}"
        for suffix, number in kinds.most_common(_KINDS_TOLD)
    ]
    rest = kinds.total() - sum(number for _, number in kinds.most_common(_KINDS_TOLD))
    return ", ".join([*told, *([f"{rest:,} others"] if rest else [])])


def _suffix(entry: ImageFile) -> str:
    if entry.is_dir():
        return _FOLDER
    return Path(entry.name).suffix.lower() or "without a suffix"
