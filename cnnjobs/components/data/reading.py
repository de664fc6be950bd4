"""A data set read as a run takes it: from the cache, or from its files into the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cnnjobs.components.data.cache import cached, entry, read_entry, remembered
from cnnjobs.components.data.decoding import Decoded, decode, source_of
from cnnjobs.components.files.fitting import Fitting
from cnnjobs.components.files.places import Place


@dataclass(frozen=True, eq=False)
class Reading:
    """A decoded data set, notes on its files, and the `entry` of the cache that stands for their state."""

    decoded: Decoded
    entry: Path
    notes: tuple[str, ...]
    are_fitted: bool = False


def read(place: Place, classes: tuple[str, ...], fitting: Fitting | None) -> Reading:
    """Read a data set; with the `fitting` where its images have sizes of their own. Raises DataError."""
    known = remembered(place, fitting)
    data = read_entry(known.folder) if known else None
    if known is not None and data is not None:
        return Reading(data, known.plain, known.notes, known.folder != known.plain)
    source = source_of(place)
    plain = entry(place, source)
    if fitting is not None and _are_to_be_fitted(place, plain):
        folder = entry(place, source, fitting)
        data = cached(folder, lambda work: decode(place, classes, work, fitting))
        return Reading(data, plain, source.notes, are_fitted=True)
    return Reading(cached(plain, lambda work: decode(place, classes, work)), plain, source.notes)


def _are_to_be_fitted(place: Place, plain: Path) -> bool:
    """Check whether the images have sizes of their own: those that have one were perhaps decoded before."""
    if place.layout != "image_folder" or plain.is_dir():
        return False
    from cnnjobs.components.files.image_folders import have_one_size

    return not have_one_size(place.path)
