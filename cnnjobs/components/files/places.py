"""Places of data sets, found by the names of files alone: a sweep is planned without reading any image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cnnjobs.components.files.image_names import folders_in, holds_images
from cnnjobs.components.files.label_tables import tables_in
from cnnjobs.errors import DataError, suggest
from cnnjobs.system.package import BUNDLED

Layout = Literal["idx", "emnist", "cifar10", "cifar100", "svhn", "stl10", "image_folder"]

IDX_FILES: Final = (
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
)  # fmt: skip
CIFAR_BATCHES: Final = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
EMNIST_SPLIT: Final = "balanced"
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")

# Layout -> what lies in a data set's folder: files, for `idx` and `emnist` with or without .gz, or folders.
_CONTENT: Final[dict[Layout, tuple[str, ...]]] = {
    "idx": IDX_FILES,
    "emnist": tuple(
        f"emnist-{{split}}-{part}-{kind}" for part in ("train", "test")
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
    ),
    "cifar10": CIFAR_BATCHES,
    "cifar100": ("train", "test"),
    "svhn": ("train_32x32.mat", "test_32x32.mat"),
    "stl10": ("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin"),
    "image_folder": ("train", "test"),
}  # fmt: skip
# As torchvision leaves them, https://docs.pytorch.org/vision/stable/datasets.html
_BELOW: Final[dict[str, tuple[tuple[str, Layout], ...]]] = {
    "cifar10": (("cifar10", "image_folder"), ("cifar-10-batches-py", "cifar10")),
    "cifar100": (("cifar-100-python", "cifar100"),),
    "emnist": (("EMNIST/raw", "emnist"),),
    "fashion_mnist": (("FashionMNIST/raw", "idx"),),
    "kmnist": (("KMNIST/raw", "idx"),),
    "mnist": (("MNIST/raw", "idx"),),
    "stl10": (("stl10_binary", "stl10"),),
    "svhn": (("", "svhn"), ("svhn", "svhn")),
}
_DEBIAN_PACKAGE: Final = "or, on Debian and Ubuntu, with: apt-get install dataset-fashion-mnist\n"
# What others call the images that are held out.
HELD_OUT: Final = ("val", "valid", "validation", "dev", "eval")
_ALIKE: Final = {"train": "train", "training": "train", "test": "test", "testing": "test"}
NAME_FOLDER: Final = "name the folder that holds it with --data-dir or CNNJOBS_DATA"
_FOLDERS_TOLD: Final = 3
_IMAGE_FOLDER: Final = "the folders train and test, one folder of images per class in each"


@dataclass(frozen=True)
class Place:
    """The folder that holds a data set, and how it lies there; `split` is that of EMNIST."""

    name: str
    path: Path
    layout: Layout
    split: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files that the folder must hold."""
        return tuple(name.format(split=self.split) for name in _CONTENT[self.layout])

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold images and labels, in the order of `names`; none for a folder of images."""
        if self.layout == "image_folder":
            return ()
        return tuple(_find(self, name) or self.path / name for name in self.names)

    @property
    def again(self) -> str:
        """Remedy for a damaged file."""
        return f"fetch it again: cnnjobs fetch {self.name} --force" if self.name in _BELOW else "install cnnjobs again"

    def missing(self) -> list[str]:
        """Missing files of the folder, in words."""
        try:
            if not self.path.is_dir():
                return ["no such folder"]
            if self.layout == "image_folder" and (parts_of(self.path) or tables_in(self.path)):
                return []
            missing = [f"no {name}" for name in self.names if _find(self, name) is None]
            return [*missing, *self._in_their_place()] if missing and self.layout == "image_folder" else missing
        except PermissionError:
            return ["may not be read"]

    def _in_their_place(self) -> list[str]:
        """Contents of a folder of images that lacks a split, and the remedy."""
        below = sorted(path.name for path in self.path.iterdir() if path.is_dir() and not path.name.startswith("."))
        there = [name for name in below if name not in self.names]
        if not there and not below and holds_images(self.path, depth=0):
            return ["its images lie in no folder of a class: make one for each"]
        if not there:
            return []
        alike = next((name for name in there if name.lower() in _ALIKE), None)
        held_out = next((name for name in there if name.lower() in HELD_OUT), None)
        deeper = next((name for name in there if not set(self.names) - _folders(self.path / name)), None)
        if alike:
            told = f"rename `{alike}` to {_ALIKE[alike.lower()]}"
        elif held_out and "test" not in below:
            told = f"`{held_out}` holds no image"
        elif deeper:
            told = f"train and test lie in `{deeper}`: move them up"
        else:
            more = ", ..." if len(there) > _FOLDERS_TOLD else ""
            listed = ", ".join(f"`{name}`" for name in there[:_FOLDERS_TOLD])
            told = f"it holds {listed}{more}, without images: put those of each class into its folder"
        return [told]


@dataclass(frozen=True)
class Parts:
    """The folders of a data set of images: `train`, and beside it the user's own `validation` and `test` images.

    Without a `test` it is drawn from the training images.
    """

    train: Path
    validation: Path | None = None
    test: Path | None = None


def parts_of(folder: Path) -> Parts | None:
    """The parts that a folder has by the names in it: train with test or val or both, or classes alone."""
    names = folders_in(folder)
    named = (folder / name for name in names if name.lower() in HELD_OUT)
    held_out = next((path for path in named if holds_images(path)), None)
    if "train" in names:
        if "test" in names:
            return Parts(folder / "train", held_out, folder / "test")
        # Runs are tested on what was not trained on.
        unlike = any(name.lower() in _ALIKE for name in names if name != "train")
        return Parts(folder / "train", None, held_out) if held_out and not unlike else None
    of_splits = any(name.lower() in (*_ALIKE, *HELD_OUT) for name in names)
    deeper = any({"train", "test"} & {*folders_in(folder / name)} for name in names)
    are_classes = not of_splits and not deeper and any(holds_images(folder / name) for name in names)
    return Parts(folder) if are_classes else None


def _folders(path: Path) -> set[str]:
    try:
        return {each.name for each in path.iterdir() if each.is_dir()}
    except OSError:
        return set()


def place_of(name: str, folders: Sequence[Path], split: str = EMNIST_SPLIT) -> Place:
    """The first place that holds the data set. Raises DataError with every place looked in and what to do."""
    looked: list[str] = []
    for place in _places(name, folders, split):
        missing = place.missing()
        if not missing:
            return place
        looked.append(f"  {place.path} ({', '.join(missing)})")
    raise DataError("\n".join([_headline(name, folders, split), *looked, remedy(name)]))


def _find(place: Place, name: str) -> Path | None:
    """The file or folder of that name; an IDX file plain before packed."""
    path = place.path / name
    if place.layout == "image_folder":
        return path if path.is_dir() else None
    names = (name, f"{name}.gz") if place.layout in ("idx", "emnist") else (name,)
    return next((path for each in names if (path := place.path / each).is_file()), None)


def _places(name: str, folders: Sequence[Path], split: str) -> Iterator[Place]:
    if name == "fashion_mnist_mini":
        yield Place(name, BUNDLED / name, "idx")
        return
    for folder in folders:
        for below, layout in _BELOW.get(name, ((name, "image_folder"),)):
            yield Place(name, _join(folder, Path(below)), layout, split if layout == "emnist" else "")
    if name == "fashion_mnist":
        yield Place(name, DEBIAN_FASHION_MNIST, "idx")


def _join(folder: Path, below: Path) -> Path:
    """`folder / below`; `folder` may end in the first parts of `below` already: data/MNIST serves as data does."""
    for length in range(len(below.parts), 0, -1):
        if folder.parts[-length:] == below.parts[:length]:
            return folder.joinpath(*below.parts[length:])
    return folder / below


def _headline(name: str, folders: Sequence[Path], split: str) -> str:
    if name in _BELOW:
        what = ", or ".join(dict.fromkeys(_described(layout, split) for _, layout in _BELOW[name]))
        return f"data set `{name}` was not found; looked for {what}, in"
    if name == "fashion_mnist_mini":
        return f"data set `{name}` comes with the package, but is not where it belongs; looked in"
    if name == "image_folder":
        return "`image_folder` reads any folder of images, which is named itself (dataset: flowers); looked for it in"
    if any((folder / name).is_dir() for folder in folders):
        return f"data set `{name}` is not complete; looked for {_IMAGE_FOLDER}, in"
    known = [*_BELOW, "fashion_mnist_mini", *(found for folder in folders for found in image_folders(folder))]
    headline = f"no data set is called `{name}`; {suggest(name, known)}, or a folder of images by its name"
    return f"{headline}; looked for {_IMAGE_FOLDER}, in"


def _described(layout: Layout, split: str) -> str:
    if layout == "image_folder":
        return _IMAGE_FOLDER
    names = [name.format(split=split) for name in _CONTENT[layout]]
    listed = ", ".join(names if len(names) < 5 else [names[0], "...", *names[-2:]])
    return f"the files {listed}" + (", each with or without .gz" if layout in ("idx", "emnist") else "")


def image_folders(folder: Path) -> list[str]:
    """The names below `folder` that would serve as data sets."""
    if not folder.is_dir():
        return []
    found = (path.name for path in folder.iterdir() if path.name not in _BELOW)
    return [name for name in found if not Place(name, folder / name, "image_folder").missing()]


def remedy(name: str) -> str:
    """Remedy for a missing data set: the command that fetches it, where there is one."""
    if name in _BELOW:
        debian = _DEBIAN_PACKAGE if name == "fashion_mnist" else ""
        return f"fetch it with: cnnjobs fetch {name}\n{debian}or {NAME_FOLDER}"
    return "install cnnjobs again" if name == "fashion_mnist_mini" else NAME_FOLDER
