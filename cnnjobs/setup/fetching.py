"""Published data sets and weights, fetched into a data folder: all of one or nothing, and at once by nobody else."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cnnjobs.components.data.sources import SOURCES, Original
from cnnjobs.components.files.places import place_of
from cnnjobs.components.pretrained import torchvision
from cnnjobs.components.pretrained.places import FOLDER, named_weights, weights_place
from cnnjobs.disk import locks
from cnnjobs.errors import DataError, FetchError, InputError, UnknownNameError, suggest
from cnnjobs.setup.downloads import Watch, download, wrong_hash
from cnnjobs.setup.unpacking import install, is_packed, unpack


@dataclass(frozen=True)
class Item:
    """A data set or weights by name: the files that it comes as, and where it lies already."""

    name: str
    originals: tuple[Original, ...]
    there: Path | None

    @property
    def is_data(self) -> bool:
        """True if it is a data set."""
        return self.name in SOURCES


def find_items(names: Sequence[str], folders: Sequence[Path]) -> list[Item]:
    """Items that the names stand for, each once. Raises UnknownNameError with all unknown names."""
    items: dict[str, Item] = {}
    problems: list[str] = []
    for name in names:
        try:
            item = _find_item(name, folders)
            items[item.name] = item
        except UnknownNameError as error:
            problems.append(str(error))
    if problems:
        raise UnknownNameError("\n".join(problems))
    return list(items.values())


def _find_item(name: str, folders: Sequence[Path]) -> Item:
    if name.startswith(torchvision.PREFIX):
        torchvision.architecture(name.removeprefix(torchvision.PREFIX).partition(":")[0])
    if weights := named_weights(name):
        place = weights_place(*weights, folders)
        hash = f"sha256:{place.sha256}" if place.sha256 else ""
        original = Original(f"{FOLDER}/{place.file}", (place.url,), hash, place.size_mb)
        damaged = place.path is not None and wrong_hash(place.path, hash)
        return Item(place.name, (original,), None if damaged else place.path)
    try:
        there = place_of(name, folders).path
    except DataError:
        there = None
    if name not in SOURCES and there is None:
        weights_too = "or weights, as torchvision/resnet18:IMAGENET1K_V1"
        raise UnknownNameError(f"nothing is to be had by the name `{name}`; {suggest(name, SOURCES)}, {weights_too}")
    return Item(name, SOURCES.get(name, ()), there)


def writable_folder(folders: Sequence[Path], given: Path | None) -> Path:
    """The first data folder that can be written or made; the given one or none. Raises InputError."""
    if given is not None:
        folders = folders[:1]
    for folder in folders:
        above = next(path for path in (folder, *folder.parents) if path.exists())
        if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
            return folder
    raise InputError(f"{', '.join(map(str, folders))}: cannot be written; name another folder with --data-dir")


def fetch(item: Item, folder: Path, watch: Watch) -> Path:
    """Fetch the item into the data folder: where it lies then. Raises FetchError; what has come so far stays."""
    try:
        with _staging(item, folder) as staging:
            archives = _archives(item, folder, staging, watch)
            whole = staging / "whole"
            shutil.rmtree(whole, ignore_errors=True)
            whole.mkdir()
            for original, archive in archives.items():
                if is_packed(original.file):
                    unpack(archive, original.path, whole)
                elif archive.parent == staging:
                    install(archive, whole / original.path)
            _check(item, whole)
            for each in whole.iterdir():
                install(each, folder / each.name)
            shutil.rmtree(staging)
    except OSError as error:
        raise FetchError(f"{item.name}: {error.filename or folder}: cannot be written ({error.strerror})") from None
    return place_of(item.name, [folder]).path if item.is_data else folder / item.originals[0].path


@contextmanager
def _staging(item: Item, folder: Path) -> Iterator[Path]:
    """The item's own folder for what has come so far; the next fetch goes on there. Raises FetchError."""
    staging = folder / f".cnnjobs-fetch-{re.sub('[^A-Za-z0-9]+', '_', item.name)}"
    staging.mkdir(parents=True, exist_ok=True)
    with locks.hold(staging / "lock") as hold:
        if hold is None:
            raise FetchError(f"{item.name}: another process fetches it into {folder} right now")
        try:
            yield staging
        finally:
            with suppress(OSError):
                if [path.name for path in staging.iterdir()] == ["lock"]:
                    shutil.rmtree(staging)
                folder.rmdir()  # where it was made for this alone


def _archives(item: Item, folder: Path, staging: Path, watch: Watch) -> dict[Original, Path]:
    """Every file as it is published: copied here by hand, fetched before, or fetched now. Raises FetchError."""
    found: dict[Original, Path] = {}
    for original in item.originals:
        copied, fetched = folder / original.path, staging / original.file
        if copied.is_file():
            wrong = wrong_hash(copied, original.hash)
            if not wrong:
                found[original] = copied
                continue
            watch.note(f"{copied}: {wrong}; it is fetched anew")
        if not fetched.exists():
            try:
                download(original, fetched, watch)
            except FetchError as error:
                missing = [each for each in item.originals if each not in found]
                raise FetchError(_unreachable(item, missing, folder, str(error))) from None
        found[original] = fetched
    return found


def _unreachable(item: Item, missing: Sequence[Original], folder: Path, why: str) -> str:
    """Error of the network connection, and the way without one."""
    tried = "\n".join(f"  {line}" for line in why.split("\n"))
    copies = "\n".join(f"  {each.urls[0]} ({each.described()})\n    to {folder / each.path}" for each in missing)
    return (
        f"{item.name} could not be fetched\n{tried}\ngive the same command again to go on where it stopped; without a"
        f" network copy by hand first\n{copies}"
    )


def _check(item: Item, whole: Path) -> None:
    """Raises FetchError when what was unpacked lacks what is read of the data set."""
    if any(is_packed(original.file) for original in item.originals):
        try:
            place_of(item.name, [whole])
        except DataError as error:
            raise FetchError(f"{item.name}: its archive does not hold what it should\n{error}") from None
