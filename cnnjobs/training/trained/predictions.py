"""Predictions of a trained network for single images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from cnnjobs.components.files.pictures import Picture, read_picture
from cnnjobs.errors import InputError
from cnnjobs.training.data.pipeline import DataSets
from cnnjobs.training.trained.evaluation import fitting_split
from cnnjobs.training.trained.network import TrainedNetwork

_BATCH: Final = 256


@dataclass(frozen=True, eq=False)
class Prediction:
    """One image, pixels (H, W, C) uint8 as the data set holds them, with the probability of each class in [0, 1].

    `truth` is its class where that is known.
    """

    source: str
    pixels: NDArray[np.uint8]
    probabilities: dict[str, float]
    truth: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """Class and probability, the most probable first."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])

    @property
    def is_right(self) -> bool | None:
        """True if the most probable class is the true one; None where that is not known."""
        return None if self.truth is None else self.ranked[0][0] == self.truth


def predict_files(network: TrainedNetwork, paths: Sequence[Path]) -> list[Prediction]:
    """Predictions for image files of any size and mode. Raises InputError that names every one that is no image."""
    channels, size, _ = network.preprocessing.image_shape
    fitting = network.preprocessing.fitting
    if channels not in (1, 3):
        raise InputError(f"run {network.run_id} takes images of {channels} channels: no image file has them")
    pictures: list[tuple[str, Picture, None]] = []
    problems: list[str] = []
    for path in paths:
        try:
            pictures.append((str(path), read_picture(path, channels=channels, size=size, fitting=fitting), None))
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError("\n".join(problems))
    return [*_predict(network, pictures)]


def predict_split(
    network: TrainedNetwork, data_sets: DataSets, split_name: str, number: int, seed: int | None = None
) -> list[Prediction]:
    """Predictions for the first images of a split of the run's data set; with `seed` for ones that are drawn."""
    data = data_sets.get(network.config)
    split = fitting_split(network, data, network.config.dataset.name, split_name)
    order = torch.arange(len(split))
    if seed is not None:
        order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))
    images = (
        (
            f"{split_name} {index}",
            Picture(split.images(slice(index, index + 1))[0].permute(1, 2, 0).cpu().numpy(), ()),
            network.classes[int(split.labels[index])],
        )
        for index in order[:number].tolist()
    )
    return [*_predict(network, images)]


def _predict(network: TrainedNetwork, images: Iterable[tuple[str, Picture, str | None]]) -> Iterator[Prediction]:
    left = iter(images)
    while batch := [*islice(left, _BATCH)]:
        pixels = torch.from_numpy(np.stack([picture.pixels for _, picture, _ in batch]))
        rows = network.probabilities(pixels.permute(0, 3, 1, 2)).cpu().tolist()
        for (source, picture, truth), row in zip(batch, rows, strict=True):
            probabilities = dict(zip(network.classes, row, strict=True))
            yield Prediction(source, picture.pixels, probabilities, truth, picture.notes)
