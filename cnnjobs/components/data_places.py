"""Where data sets lie, told by the names of files alone: a sweep is planned without reading any image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cnnjobs.errors import DataError, suggest

Layout = Literal["idx", "cifar_batches", "image_folder"]

IDX_FILES: Final = (
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
)  # fmt: skip
CIFAR_BATCHES: Final = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
BUNDLED: Final = Path(__file__).parent.parent / "data"
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")

_BELOW: Final[dict[str, tuple[tuple[str, Layout], ...]]] = {
    "cifar10": (("cifar10", "image_folder"), ("cifar-10-batches-py", "cifar_batches")),
    "mnist": (("MNIST/raw", "idx"),),
    "fashion_mnist": (("FashionMNIST/raw", "idx"),),
}
_FETCH: Final = {
    "cifar10": "python -c \"import torchvision; torchvision.datasets.CIFAR10('data', download=True)\"",
    "mnist": "python -c \"import torchvision; torchvision.datasets.MNIST('data', download=True)\"",
    "fashion_mnist": "python -c \"import torchvision; torchvision.datasets.FashionMNIST('data', download=True)\"\n"
    "or, on Debian and Ubuntu, with: apt-get install dataset-fashion-mnist",
}
_NAME_FOLDER: Final = "name the folder that holds it with --data-dir or CNNJOBS_DATA"
_WHAT: Final[dict[Layout, str]] = {
    "idx": f"the files {', '.join(IDX_FILES)}, each with or without .gz",
    "cifar_batches": f"the files {', '.join((CIFAR_BATCHES[0], '...', *CIFAR_BATCHES[-2:]))}",
    "image_folder": "the folders train and test, one folder of images per class in each",
}


@dataclass(frozen=True)
class Place:
    """A folder that holds a data set, and how it lies there."""

    path: Path
    layout: Layout


def place_of(name: str, folders: Sequence[Path]) -> Place:
    """The first place that holds the data set. Raises DataError with every place looked in and what to do."""
    looked: list[str] = []
    for place in _places(name, folders):
        try:
            missing = _missing(place) if place.path.is_dir() else ["no such folder"]
        except PermissionError:
            missing = ["may not be read"]
        if not missing:
            return place
        looked.append(f"  {place.path} ({', '.join(missing)})")
    raise DataError("\n".join([_headline(name, folders), *looked, remedy(name)]))


def idx_file(folder: Path, name: str) -> Path | None:
    """The IDX file of that name, plain before packed."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _places(name: str, folders: Sequence[Path]) -> Iterator[Place]:
    if name == "fashion_mnist_mini":
        yield Place(BUNDLED / name, "idx")
        return
    for folder in folders:
        for below, layout in _BELOW.get(name, ((name, "image_folder"),)):
            yield Place(_join(folder, Path(below)), layout)
    if name == "fashion_mnist":
        yield Place(DEBIAN_FASHION_MNIST, "idx")


def _join(folder: Path, below: Path) -> Path:
    """`folder / below`; `folder` may end in the first parts of `below` already: data/MNIST serves as data does."""
    for length in range(len(below.parts), 0, -1):
        if folder.parts[-length:] == below.parts[:length]:
            return folder.joinpath(*below.parts[length:])
    return folder / below


def _missing(place: Place) -> list[str]:
    """What the folder lacks, in words."""
    if place.layout == "idx":
        names = [name for name in IDX_FILES if idx_file(place.path, name) is None]
    elif place.layout == "cifar_batches":
        names = [name for name in CIFAR_BATCHES if not (place.path / name).is_file()]
    else:
        names = [name for name in ("train", "test") if not (place.path / name).is_dir()]
    return [f"no {name}" for name in names]


def _headline(name: str, folders: Sequence[Path]) -> str:
    if name in _BELOW:
        what = ", or ".join(_WHAT[layout] for _, layout in _BELOW[name])
        return f"data set `{name}` was not found; looked for {what}, in"
    if name == "fashion_mnist_mini":
        return f"data set `{name}` comes with the package, but is not where it belongs; looked in"
    known = [*_BELOW, "fashion_mnist_mini", *(found for folder in folders for found in image_folders(folder))]
    headline = f"no data set is called `{name}`; {suggest(name, known)}, or a folder of images by its name"
    return f"{headline}; looked for {_WHAT['image_folder']}, in"


def image_folders(folder: Path) -> list[str]:
    """The names below `folder` that would serve as data sets."""
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if path.name not in _BELOW)
    return [path.name for path in found if path.is_dir() and not _missing(Place(path, "image_folder"))]


def remedy(name: str) -> str:
    """What to do about a data set that is missing: the command that fetches it, where there is one."""
    if name in _FETCH:
        return f"fetch it into ./data with: {_FETCH[name]}\nor {_NAME_FOLDER}"
    return "install cnnjobs again" if name == "fashion_mnist_mini" else _NAME_FOLDER
