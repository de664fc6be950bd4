"""The file of weights that a run starts from, found and checked without torch: when it is planned and when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnjobs.components.pretrained import places, torchvision
from cnnjobs.components.pretrained.weights_files import check_weights_file
from cnnjobs.config.run import RunConfig
from cnnjobs.disk.run_folder import RunFolder, RunState, stores
from cnnjobs.errors import DataError, RunError, UnknownNameError, suggest


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation per channel, of pixel values in [0, 1], and whose they are."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    owner: str

    def of_channels(self, channels: int) -> Normalisation:
        """For images of so many channels; gray ones get the means over RGB."""
        if channels != 1 or len(self.mean) == 1:
            return self
        mean, std = (sum(values) / len(values) for values in (self.mean, self.std))
        return Normalisation((mean,), (std,), self.owner)


@dataclass(frozen=True)
class WeightsSource:
    """A file of weights: `name` as the run gives it, its whole SHA-256, and what its network's images went through.

    `image_size` is what published weights were trained with, in pixels.
    """

    name: str
    path: Path
    sha256: str
    normalisation: Normalisation | None = None
    image_size: int | None = None


def find_weights(config: RunConfig, folders: Sequence[Path], results: Path) -> WeightsSource | None:
    """Find the initial weights of a run; None where its weights are drawn.

    Raises DataError when the file is missing or not what its name says, and UnknownNameError for an unknown run.
    """
    name: str | None = config.weights
    if name is None:
        return None
    if name.startswith(places.RUN):
        return _of_run(name, find_finished(name.removeprefix(places.RUN), results))
    if places.is_file(name):
        path = places.weights_file(name, folders)
        check_weights_file(path)
        return WeightsSource(name, path, places.file_hash(path))
    return _published(config.model.name, name, folders)


def find_same_weights(
    config: RunConfig, folders: Sequence[Path], results: Path, before: str | None
) -> WeightsSource | None:
    """The same, for a run that may have begun with a file of SHA-256 `before`. Raises RunError for another one."""
    source = find_weights(config, folders, results)
    if source is not None and before not in (None, source.sha256):
        raise RunError(changed(source, before))
    return source


def changed(source: WeightsSource, before: str) -> str:
    """Notice when runs began with another content, of SHA-256 `before`."""
    return (
        f"weights {source.path} have changed since runs began with them (SHA-256 {before[:16]}... then,"
        f" {source.sha256[:16]}... now); put the old file back, rename the new one, or start anew with --force"
    )


def _published(model: str, name: str, folders: Sequence[Path]) -> WeightsSource:
    place = places.weights_place(model, name, folders)
    if place.path is None:
        raise DataError(place.missing())
    sha256 = places.checked_hash(place.path, place.sha256)
    architecture = torchvision.architecture_of(model)
    assert architecture is not None
    listed = architecture.weights[place.weights]
    normalisation = Normalisation(listed.mean, listed.std, "ImageNet")
    return WeightsSource(name, place.path, sha256, normalisation, listed.image_size)


def _of_run(name: str, folder: RunFolder) -> WeightsSource:
    normalisation = normalisation_of(folder.read_record().preprocessing, f"run {folder.run_id}")
    return WeightsSource(name, folder.model_file, places.file_hash(folder.model_file), normalisation)


def normalisation_of(steps: Sequence[dict[str, Any]], owner: str) -> Normalisation | None:
    """The mean and standard deviation among the steps of a preprocessing."""
    for step in steps:
        if step["name"] == "normalise":
            return Normalisation(tuple(step["mean"]), tuple(step["std"]), owner)
    return None


def find_finished(run_id: str, results: Path) -> RunFolder:
    """The finished run of that id in any sweep. Raises UnknownNameError, and DataError when it has not finished."""
    found = [store.run(run_id) for store in stores(results) if store.run(run_id).config_file.is_file()]
    if not found:
        known = [run.run_id for store in stores(results) for run in store.runs() if run.model_file.is_file()]
        near = suggest(run_id, known) if known else "no run has finished there"
        raise UnknownNameError(f"weights `{places.RUN}{run_id}`: there is no such run under {results}; {near}")
    found = [folder.results for folder in found]
    states = [folder.read_record().state for folder in found]
    for folder, state in zip(found, states, strict=True):
        if state is RunState.FINISHED and folder.model_file.is_file():
            return folder
    raise DataError(
        f"weights `{places.RUN}{run_id}`: the run is {states[0]} and has no weights yet; they are there when it"
        " has finished"
    )
