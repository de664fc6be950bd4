"""A data set read as a run takes it: from the cache, or from its files into the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cnnjobs.components.data.cache import cached, entry, read_entry, remembered
from cnnjobs.components.data.decoding import Decoded, decode, source_of
from cnnjobs.components.files.fitting import Fitting
from cnnjobs.components.files.places import Place

_TOLD: Final = 5


@dataclass(frozen=True, eq=False)
class Reading:
    """A decoded data set, notes on its files, and the `entry` of the cache that stands for their state."""

    decoded: Decoded
    entry: Path
    notes: tuple[str, ...]
    are_fitted: bool = False


def read(place: Place, classes: tuple[str, ...], fitting: Fitting | None = None, *, skip: bool = False) -> Reading:
    """Read a data set; with the `fitting` where its images have sizes of their own. Raises DataError.

    Images that cannot be read are an error, unless they are to be skipped.
    """
    known = remembered(place, fitting, skip=skip)
    data = read_entry(known.folder) if known else None
    if known is not None and data is not None:
        return Reading(data, known.plain, (*known.notes, *_left_out(place, data)), known.are_fitted)
    source = source_of(place)
    plain = entry(place, source)
    fitted = fitting if fitting is not None and _are_to_be_fitted(place, plain) else None
    folder = entry(place, source, fitted)
    # Where all could be read, there is nothing to be skipped.
    skips = skip and not folder.is_dir()
    folder = entry(place, source, fitted, skip=skips)
    data = cached(folder, lambda work: decode(place, classes, work, fitted, skip=skips))
    return Reading(data, plain, (*source.notes, *_left_out(place, data)), fitted is not None)


def _left_out(place: Place, data: Decoded) -> tuple[str, ...]:
    """A note on the images that were skipped."""
    bad = [told for _, told in (*data.bad_train, *data.bad_test)]
    if not bad:
        return ()
    total = len(data.train_labels) + len(data.test_labels)
    are = "1 image is" if len(bad) == 1 else f"{len(bad)} images are"
    told = "; ".join(bad[:_TOLD]) + (f"; and {len(bad) - _TOLD} more" if len(bad) > _TOLD else "")
    return (f"{place.path}: {are} left out of {total:,} (on_bad_image: skip): {told}",)


def _are_to_be_fitted(place: Place, plain: Path) -> bool:
    """Check whether the images have sizes of their own: those that have one were perhaps decoded before."""
    if place.layout != "image_folder" or plain.is_dir():
        return False
    from cnnjobs.components.files.image_folders import have_one_size

    return not have_one_size(place.path)
