"""Data sets: the program gives `name` and the `folders` to look in; the rest are YAML keys.

A folder of images `<data folder>/<name>/{train,test}/<class>/*` is a data set by its own name, read by `image_folder`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from cnnjobs.components.data.class_names import classes_of
from cnnjobs.components.data.splits import DataSet, Part, Split
from cnnjobs.components.data.surveys import draw, notes_on, skips
from cnnjobs.components.files.fitting import Fitting
from cnnjobs.components.files.places import EMNIST_SPLIT, Place, place_of
from cnnjobs.registry import BadImages, Fraction, NonNegativeInt, Subset, register

__all__ = ["DataSet", "Part", "Split", "data_folders", "find_data", "place_of_data", "remember_data"]


def data_folders(cli: Path | None = None, profile: Path | None = None) -> tuple[Path, ...]:
    """Where data sets are looked for, in order: --data-dir, CNNJOBS_DATA, the profile's data_dir, ./data."""
    environment = os.environ.get("CNNJOBS_DATA")
    places = (cli, Path(environment) if environment else None, profile, Path("data"))
    return tuple(dict.fromkeys(place.expanduser().absolute() for place in places if place is not None))


def place_of_data(name: str, folders: Sequence[Path], options: Mapping[str, Any]) -> Place | None:
    """Where the data set lies, by a look at the names of its files; None for an import path, which looks for itself.

    Raises DataError with the places looked in and the command that fetches the data set.
    """
    return None if ":" in name else place_of(name, folders, _emnist_split(name, options))


def find_data(name: str, folders: Sequence[Path], options: Mapping[str, Any] | None = None) -> Path | None:
    """The folder of `place_of_data`."""
    place = place_of_data(name, folders, options or {})
    return place.path if place else None


def remember_data(
    name: str, folders: Sequence[Path], options: Mapping[str, Any], fitting: Fitting | None = None
) -> None:
    """Look at the files of a data set that is decoded already once for all processes that this one forks."""
    from cnnjobs.components.data.cache import remember
    from cnnjobs.components.data.decoding import source_of

    place = place_of_data(name, folders, options)
    if place is not None:
        remember(place, source_of(place), fitting, skip=skips(options))


@register("dataset", "cifar10")
def cifar10(
    name: str,
    folders: Sequence[Path],
    *,
    validation: Fraction = 0.1,
    split_seed: NonNegativeInt = 0,
    subset: Subset | None = None,
) -> DataSet:
    """CIFAR-10: 50,000 + 10,000 colour images of 32x32 pixels, 10 classes.

    Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html; mean and std computed over its training images.
    """
    return _build(
        name, folders, validation, split_seed, subset, statistics=((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
    )


@register("dataset", "cifar100")
def cifar100(
    name: str,
    folders: Sequence[Path],
    *,
    validation: Fraction = 0.1,
    split_seed: NonNegativeInt = 0,
    subset: Subset | None = None,
) -> DataSet:
    """CIFAR-100: 50,000 + 10,000 colour images of 32x32 pixels, 100 classes.

    Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html; mean and std are computed as it is read.
    """
    return _build(name, folders, validation, split_seed, subset)


@register("dataset", "svhn")
def svhn(
    name: str,
    folders: Sequence[Path],
    *,
    validation: Fraction = 0.1,
    split_seed: NonNegativeInt = 0,
    subset: Subset | None = None,
) -> DataSet:
    """SVHN, the digits of house numbers: 73,257 + 26,032 colour images of 32x32 pixels, 10 classes.

    Netzer et al. 2011, http://ufldl.stanford.edu/housenumbers/, format 2 without the extra images; mean and std are
    computed as it is read.
    """
    return _build(name, folders, validation, split_seed, subset)


@register("dataset", "stl10")
def stl10(
    name: str,
    folders: Sequence[Path],
    *,
    validation: Fraction = 0.1,
    split_seed: NonNegativeInt = 0,
    subset: Subset | None = None,
) -> DataSet:
    """STL-10: 5,000 + 8,000 colour images of 96x96 pixels, 10 classes; those without labels are not used.

    Coates et al. 2011, https://cs.stanford.edu/~acoates/stl10/; mean and std are computed as it is read.
    """
    return _build(name, folders, validation, split_seed, subset)


@register("dataset", "mnist")
def mnist(
    name: str,
    folders: Sequence[Path],
    *,
    validation: Fraction = 0.1,
    split_seed: NonNegativeInt = 0,
    subset: Subset | None = None,
) -> DataSet:
    """MNIST: 60,000 + 10,000 gray images of 28x28 pixels, 10 digits.

    LeCun et al. 1998, http://yann.lecun.com/exdb/mnist/; mean and std computed over its training images.
    """
    return _build(name, folders, validation, split_seed, subset, statistics=((0.1307,), (0.3081,)))


@register("dataset", "fashion_mnist")
def fashion_mnist(
    name: str,
    folders: Sequence[Path],
    *,
    validation: Fraction = 0.1,
    split_seed: NonNegativeInt = 0,
    subset: Subset | None = None,
) -> DataSet:
    """Fashion-MNIST: 60,000 + 10,000 gray images of 28x28 pixels, 10 kinds of clothes.

    Xiao et al. 2017, https://arxiv.org/abs/1708.07747; mean and std computed over its training images.
    """
    return _build(name, folders, validation, split_seed, subset, statistics=((0.2860,), (0.3530,)))


@register("dataset", "fashion_mnist_mini")
def fashion_mnist_mini(
    name: str,
    folders: Sequence[Path],
    *,
    validation: Fraction = 0.1,
    split_seed: NonNegativeInt = 0,
    subset: Subset | None = None,
) -> DataSet:
    """The first 600 training and 100 test images of each class of Fashion-MNIST, which come with the package.

    Made by tools/make_fashion_mnist_mini.py; mean and std computed over its training images.
    """
    return _build(name, folders, validation, split_seed, subset, statistics=((0.2869,), (0.3538,)))


@register("dataset", "kmnist")
def kmnist(
    name: str,
    folders: Sequence[Path],
    *,
    validation: Fraction = 0.1,
    split_seed: NonNegativeInt = 0,
    subset: Subset | None = None,
) -> DataSet:
    """KMNIST: 60,000 + 10,000 gray images of 28x28 pixels, 10 cursive Japanese syllables.

    Clanuwat et al. 2018, https://arxiv.org/abs/1812.01718; mean and std are computed as it is read.
    """
    return _build(name, folders, validation, split_seed, subset)


@register("dataset", "emnist")
def emnist(
    name: str,
    folders: Sequence[Path],
    *,
    split: Literal["balanced", "byclass", "bymerge", "letters", "digits", "mnist"] = "balanced",
    validation: Fraction = 0.1,
    split_seed: NonNegativeInt = 0,
    subset: Subset | None = None,
) -> DataSet:
    """EMNIST: gray images of 28x28 pixels, letters and digits, upright; `balanced` has 112,800 + 18,800 in 47 classes.

    Cohen et al. 2017, https://arxiv.org/abs/1702.05373; mean and std are computed as it is read.
    """
    return _build(name, folders, validation, split_seed, subset, split=split)


@register("dataset", "image_folder")
def image_folder(
    name: str,
    folders: Sequence[Path],
    fitting: Fitting | None = None,
    *,
    validation: Fraction = 0.1,
    split_seed: NonNegativeInt = 0,
    subset: Subset | None = None,
    on_bad_image: BadImages = "stop",
) -> DataSet:
    """The images of `<data folder>/<name>/{train,test}/<class>/*`, gray if all are gray.

    Those of one square size are read as they are, others by the `resize` or `letterbox` that `augment` begins with.
    """
    skip = on_bad_image == "skip"
    return _build(name, folders, validation, split_seed, subset, reading=(fitting, skip))


def _build(
    name: str,
    folders: Sequence[Path],
    validation: float,
    split_seed: int,
    subset: Subset | None,
    *,
    split: str = EMNIST_SPLIT,
    statistics: tuple[tuple[float, ...], tuple[float, ...]] | None = None,
    reading: tuple[Fitting | None, bool] = (None, False),
) -> DataSet:
    """Read it or take it from the cache, with a fitting, or without what is bad; draw the splits from it."""
    from cnnjobs.components.data.fingerprints import fingerprint
    from cnnjobs.components.data.reading import read

    place = place_of(name, folders, split)
    found = read(place, classes_of(name, split), reading[0], skip=reading[1])
    data = found.decoded
    options = {"validation": validation, "split_seed": split_seed, "subset": subset}
    drawn = draw(name, data, options)
    train, held_out = (
        Part(data.train_images, rows, data.train_labels[rows]) for rows in (drawn.train, drawn.validation)
    )
    test = Split(data.test_images, data.test_labels)
    if drawn.of_train:
        test = Part(data.train_images, drawn.test, data.train_labels[drawn.test])
    elif len(drawn.test) < len(test):
        test = Part(data.test_images, drawn.test, data.test_labels[drawn.test])
    mean, std = statistics or (data.mean, data.std)
    told = (*found.notes, *notes_on(name, data.classes))
    sha256 = fingerprint(place, found.entry)
    return DataSet(name, train, held_out, test, data.classes, mean, std, sha256, told, found.are_fitted)


def _emnist_split(name: str, options: Mapping[str, Any]) -> str:
    return str(options.get("split", EMNIST_SPLIT)) if name == "emnist" else EMNIST_SPLIT
