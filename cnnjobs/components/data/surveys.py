"""A data set before its images are read: what is wrong with it, what a user must know, which images a run draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cnnjobs.components.data.class_names import classes_of
from cnnjobs.components.files.places import Place
from cnnjobs.errors import DataError, concerning, key_of

if TYPE_CHECKING:
    from cnnjobs.components.data.decoding import Decoded, Survey
    from cnnjobs.components.data.splitting import Drawn, SplitName


def look_into(place: Place, *, skip: bool = False) -> Survey:
    """Survey of a data set by its names, headers and labels; bad images may be skipped. Raises DataError."""
    from cnnjobs.components.data.decoding import look

    return look(place, classes_of(place.name, place.split), skip=skip)


def skips(options: Mapping[str, Any]) -> bool:
    """Check whether the options of a data set say that images which cannot be read are left out."""
    return bool(options.get("on_bad_image") == "skip")


def survey(place: Place, options: Mapping[str, Any]) -> tuple[Survey, dict[SplitName, int]]:
    """All that can be known of a run's images before any is decoded, and how many it has of each split.

    Raises DataError for what no run could be trained on.
    """
    found = look_into(place, skip=skips(options))
    return found, sizes_from(found, place.name, options)


def sizes_from(found: Survey, name: str, options: Mapping[str, Any]) -> dict[SplitName, int]:
    """Number of images in each split. Raises DataError that names the data set."""
    from cnnjobs.components.data.splitting import split_sizes

    contents = found.contents
    with _naming(name):
        return split_sizes(
            contents.train_labels,
            contents.test_labels,
            found.classes,
            held_out=contents.held_out,
            **_drawing(options),
        )


def fingerprint_of(place: Place) -> str:
    """The SHA-256 of what the files of a data set hold: one for all its copies. Raises DataError."""
    from cnnjobs.components.data.cache import entry
    from cnnjobs.components.data.decoding import source_of
    from cnnjobs.components.data.fingerprints import fingerprint

    return fingerprint(place, entry(place, source_of(place)))


def draw(name: str, data: Decoded, options: Mapping[str, Any]) -> Drawn:
    """The rows of each split of what was decoded, without those that are bad. Raises DataError, with the name."""
    import numpy as np

    from cnnjobs.components.data.splitting import Drawn, draw_splits

    train, test = (
        np.setdiff1d(np.arange(len(labels)), np.array([row for row, _ in bad], np.int64))
        for labels, bad in ((data.train_labels, data.bad_train), (data.test_labels, data.bad_test))
    )
    own = len(data.train_labels) - data.held_out
    labels = data.train_labels[train], data.test_labels[test]
    with _naming(name):
        lost = [data.classes[label] for label in np.setdiff1d(data.train_labels, labels[0]).tolist()]
        if lost or (len(data.test_labels) and not len(test)):
            raise DataError(f"no image of {f'class `{lost[0]}`' if lost else 'the test split'} can be read; mend some")
        found = draw_splits(*labels, data.classes, held_out=int((train >= own).sum()), **_drawing(options))
    of_test = train if found.of_train else test
    return Drawn(train[found.train], train[found.validation], of_test[found.test], found.of_train)


def _drawing(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: options[key] for key in ("validation", "split_seed", "subset")}


@contextmanager
def _naming(name: str) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        with concerning(key_of(error) or "dataset"):
            raise DataError(f"data set `{name}`: {error}") from None


def notes_on(name: str, classes: Sequence[str]) -> tuple[str, ...]:
    """Notes on the classes of a data set."""
    if len(classes) > 1:
        return ()
    return (
        f"data set `{name}` has one class, `{classes[0]}`: any network is right on every image, which tells nothing",
    )
