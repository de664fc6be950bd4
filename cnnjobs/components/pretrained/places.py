"""Places of files of weights, found without reading them and without torch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from cnnjobs.components.pretrained import torchvision
from cnnjobs.errors import DataError, UnknownNameError, suggest
from cnnjobs.system.opening import open_to_read

DEFAULT: Final = "DEFAULT"
RUN: Final = "run:"
FOLDER: Final = "weights"


@dataclass(frozen=True)
class WeightsPlace:
    """Weights of a published network: where they come from, and where their file is or belongs.

    `path` is None while no folder has the file; `sha256` is the start of its hash, which the file's name carries.
    """

    model: str
    weights: str
    url: str
    file: str
    sha256: str
    size_mb: float | None
    path: Path | None
    folders: tuple[Path, ...]

    @property
    def name(self) -> str:
        """Name of the weights for `cnnjobs fetch`."""
        return f"{self.model}:{self.weights}"

    @property
    def target(self) -> Path:
        """Where a fetched file goes: the first folder looked in."""
        return self.folders[0] / self.file

    def missing(self) -> str:
        """Message for a file that no folder has."""
        size = f", {self.size_mb:.1f} MB" if self.size_mb else ""
        places = "\n".join(f"  {folder}" for folder in self.folders)
        return (
            f"weights `{self.weights}` of model `{self.model}` were not found; looked for {self.file} (SHA-256"
            f" {self.sha256}...{size}) in\n{places}\nfetch them where there is a network with: cnnjobs fetch"
            f" {self.name}\nor put the file into {self.folders[0]}; it comes from {self.url}"
        )


def weights_place(model: str, weights: str, folders: Sequence[Path]) -> WeightsPlace:
    """Where the weights of that name lie for a model; looked for in `weights/` of the data folders and torch's cache.

    Raises UnknownNameError when the model has no weights of that name.
    """
    name = concrete_name(model, weights)
    architecture = torchvision.architecture_of(model)
    assert architecture is not None
    listed = architecture.weights[name]
    places = weights_folders(folders)
    path = next((place / listed.file for place in places if (place / listed.file).is_file()), None)
    return WeightsPlace(model, name, listed.url, listed.file, listed.sha256, listed.size_mb, path, places)


def named_weights(text: str) -> tuple[str, str] | None:
    """(model, weights) for what `cnnjobs fetch` may be given: `torchvision/resnet18`, `resnet18:IMAGENET1K_V1`.

    None for what no published network is called. Raises UnknownNameError for a network without weights of that name.
    """
    model, _, weights = text.partition(":")
    try:
        known = torchvision.architecture_of(model)
    except UnknownNameError:
        known = None
    return (model, concrete_name(model, weights or DEFAULT)) if known else None


def concrete_name(model: str, weights: str) -> str:
    """The weights' own name: `DEFAULT` is whatever torchvision takes for the best. Raises UnknownNameError."""
    architecture = torchvision.architecture_of(model)
    others = "a file (model.pth), or another run's weights (run:<run id>)"
    if architecture is None or not architecture.weights:
        raise UnknownNameError(f"model `{model}` has no published weights `{weights}`; allowed: {others}")
    if weights == DEFAULT and architecture.default_weights:
        return architecture.default_weights
    if weights not in architecture.weights:
        known = suggest(weights, [*architecture.weights, DEFAULT])
        raise UnknownNameError(f"model `{model}` has no weights `{weights}`; {known}, {others}")
    return weights


def is_file(weights: str) -> bool:
    """Check whether the weights are named by a path, as `best.pth`, `my/best`; no published name has a dot or slash."""
    return not weights.startswith(RUN) and ("." in weights or "/" in weights)


def weights_file(weights: str, folders: Sequence[Path]) -> Path:
    """The file that a path names: from here, or in `weights/` of the data folders. Raises DataError."""
    path = Path(weights).expanduser()
    places = [path.absolute(), *(folder / FOLDER / path for folder in folders if not path.is_absolute())]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        looked = "\n".join(f"  {place}" for place in places)
        raise DataError(f"weights `{weights}`: no such file; looked for\n{looked}")
    return found


def weights_folders(folders: Sequence[Path]) -> tuple[Path, ...]:
    """Where files of weights are looked for, in order."""
    return (*(folder / FOLDER for folder in folders), torch_cache())


def torch_cache() -> Path:
    """Where torch keeps what it downloads."""
    cache_home = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache_home, "torch"))  # noqa: PTH118
    return Path(home).expanduser().absolute() / "hub" / "checkpoints"


def checked_hash(path: Path, expected: str) -> str:
    """The file's SHA-256. Raises DataError when it does not begin as `expected` does."""
    found = file_hash(path)
    if not found.startswith(expected):
        raise DataError(
            f"weights file {path}: its SHA-256 begins with {found[: len(expected)]}, not {expected}: it is damaged or"
            " another file; delete it, then fetch it again"
        )
    return found


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hex; a file that has not changed since is read once. Raises DataError."""
    try:
        status = path.stat()
        return _file_hash(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise DataError(f"weights file {path}: cannot be read: {error.strerror}") from None


@cache
def _file_hash(path: Path, size: int, changed_ns: int) -> str:
    del size, changed_ns
    with open_to_read(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
