"""Data on the device: uint8 tensors, and the batches that training and evaluation draw from them."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from cnnjobs.components.augment import Augmentation, output_shape
from cnnjobs.components.data.datasets import DataSet, Part, Split
from cnnjobs.components.data.fingerprints import fingerprint_of_arrays
from cnnjobs.config.fitting import fitting_of, without_fitting
from cnnjobs.config.run import Choice, RunConfig
from cnnjobs.errors import DataError
from cnnjobs.system import own_modules
from cnnjobs.training.data.augmentations import build_augmentations, check_data, try_augmentations
from cnnjobs.training.data.device_split import Batches, DeviceSplit
from cnnjobs.training.data.preprocessing import Preprocessing
from cnnjobs.training.data.ranks import ALONE, Ranks
from cnnjobs.training.data.streaming import ImageReader, why_streamed
from cnnjobs.training.weights.source import Normalisation

# Random augmentations work on this many bytes at a time: enough to hide the start of each, few enough for the cache.
_CHUNK_BYTES: Final = 1 << 20
_STATISTICS_BATCH: Final = 256


@dataclass(frozen=True, eq=False)
class DeviceData:
    """A data set whose splits lie on one device, or are streamed to it: `why_streamed` tells so in one line.

    `sha256`, `notes` and `are_fitted` are those of the data set; one of an import path has a fingerprint of its images.
    """

    train: DeviceSplit
    validation: DeviceSplit
    test: DeviceSplit
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    why_streamed: str | None = None
    sha256: str | None = None
    notes: tuple[str, ...] = ()
    are_fitted: bool = False

    @property
    def splits(self) -> dict[str, DeviceSplit]:
        """The splits by their names."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.train.labels.device


def to_device(data: DataSet, device: torch.device) -> DeviceData:
    """The data set on a device; on the CPU memory maps serve as they are. Raises DataError when nothing can train."""
    if not len(data.train.labels):
        raise DataError(f"data set `{data.name}`: no training images are left; set dataset.validation below 1")
    why = why_streamed(data, device)
    train, validation, test = (
        _split_to_device(split, device, stays=why is not None) for split in (data.train, data.validation, data.test)
    )
    sha256 = data.sha256 or fingerprint_of_arrays(data)
    return DeviceData(
        train, validation, test, data.classes, data.mean, data.std, why, sha256, data.notes, data.are_fitted
    )


def _split_to_device(split: Split, device: torch.device, *, stays: bool) -> DeviceSplit:
    with warnings.catch_warnings():
        # torch warns of read-only memory maps; nothing here writes to them.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        pixels = torch.from_numpy(split.whole if isinstance(split, Part) else split.images)
        rows = torch.from_numpy(split.rows) if isinstance(split, Part) else None
        labels = torch.from_numpy(split.labels).to(device)
    if stays or device.type == "cpu":
        reader = ImageReader(split.whole if isinstance(split, Part) else split.images) if stays else None
        return DeviceSplit(pixels, labels, rows, reader)
    if rows is None:
        return DeviceSplit(pixels.to(device), labels)
    # Piece by piece: main memory need not hold them all.
    own = torch.empty((len(rows), *pixels.shape[1:]), dtype=pixels.dtype, device=device)
    for start in range(0, len(rows), _STATISTICS_BATCH):
        place = slice(start, start + _STATISTICS_BATCH)
        own[place] = pixels.index_select(0, rows[place]).to(device)
    return DeviceSplit(own, labels)


class DataSets:
    """The data sets of a worker's runs; the last one stays on the device for the next run.

    What decodes one runs inside `interruptible()`, which may end it.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        device: torch.device,
        notes: Sequence[str] = (),
        *,
        interruptible: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.device, self.notes = device, tuple(notes)
        self._interruptible = interruptible
        self.folders = tuple(folders)
        self._last: tuple[str, DeviceData] | None = None

    def get(self, config: RunConfig) -> DeviceData:
        """The run's data set on the device. Raises DataError."""
        fitting = fitting_of(config.augment)
        key = f"{config.dataset.model_dump_json()} {own_modules.place_of(config.dataset.name)} {fitting}"
        if self._last is None or self._last[0] != key:
            self._last = None  # one at a time: the next one may need its memory
            with self._interruptible():
                built = config.dataset.build(name=config.dataset.name, folders=self.folders, fitting=fitting)
                check_data(config.dataset, built)
                self._last = (key, to_device(built, self.device))
        return self._last[1]


def draws(seed: int, epoch: int, purpose: str) -> torch.Generator:
    """The random draws of one purpose in one epoch, whatever was drawn before and whatever the device."""
    digest = hashlib.sha256(f"{purpose} {seed} {epoch}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7]))


class Pipeline:
    """The batches of one run.

    Augmentations run in the order of the configuration, each image with its own draw; those that are not random
    (resize, grayscale, normalise) in evaluation too. Where none normalises, images are normalised before the first
    `erase`, so that erased pixels are zero. Numbers that the configuration leaves out are those of `normalisation`,
    which the run's weights were trained with, or else of the data set. Of several `ranks` each has its own part of the
    same batches. Raises InputError for augmentations that do not fit.
    """

    def __init__(
        self, config: RunConfig, data: DeviceData, normalisation: Normalisation | None = None, ranks: Ranks = ALONE
    ) -> None:
        self._config, self._data, self._ranks = config, data, ranks
        choices: list[Choice] = list(config.augment)
        names = [choice.name for choice in choices]
        _, height, width, channels = data.train.pixels.shape
        self._image_shape = (channels, height, width)
        self.normalised_by = "`normalise` as the run sets it"
        if "normalise" not in names:
            place = names.index("erase") if "erase" in names else len(names)
            choices.insert(place, Choice(kind="augmentation", name="normalise", options={}))
        for place, choice in enumerate(choices):
            if choice.name == "normalise" and all(value is None for value in choice.options.values()):
                choices[place] = self._normalisation(choices[:place], normalisation)
        left = without_fitting(choices) if data.are_fitted else choices
        augmentations = build_augmentations(left)
        self.input_shape = output_shape(augmentations, self._image_shape)
        try_augmentations(left, augmentations, self._image_shape)
        # The draws of a batch are made for all of it; what follows the last of them, each rank does to its own part.
        last = max((place for place, each in enumerate(augmentations, start=1) if each.random), default=0)
        self._drawing, self._fixed = augmentations[:last], augmentations[last:]
        floats = any(choice.name == "normalise" for choice in left[:last])
        self._drawn_bytes = (4 if floats else 1) * math.prod(self.input_shape)  # of one image
        self.preprocessing = Preprocessing(choices, self._image_shape, are_fitted=data.are_fitted)
        whole, rest = divmod(len(data.train), config.batch_size)
        streamed = (data.why_streamed,) if data.why_streamed else ()
        self.notes = (*data.notes, *streamed)
        self.steps_per_epoch = whole + (rest > 0 and not (config.drop_last and whole))

    def training_batches(self, epoch: int) -> Batches:
        """Augmented images (B, C, H, W) and labels (B,), by this seed and epoch alone: this rank's part of each."""
        config, split, device = self._config, self._data.train, self._data.device
        # The order is drawn on the CPU, so that it is the same on every device.
        order = torch.randperm(len(split), generator=draws(config.seed, epoch, "order"))
        order = order[: self.steps_per_epoch * config.batch_size]
        order = order if split.reader else order.to(device)
        generator = draws(config.seed, epoch, "augmentation")
        chunk = config.batch_size * max(1, _CHUNK_BYTES // (self._drawn_bytes * config.batch_size))
        chunks = [order[start : start + chunk] for start in range(0, len(order), chunk)]
        for chosen, loaded in zip(chunks, split.load(chunks), strict=True):
            images, labels = _apply(self._drawing, loaded, generator), split.labels[chosen.to(device)]
            images, labels, sizes = self._own_parts(images, labels)
            for batch, own in zip(torch.split(images, sizes), torch.split(labels, sizes), strict=True):
                yield _apply(self._fixed, batch, generator), own

    def _own_parts(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, list[int]]:
        """Parts of some batches that this rank trains on, and its number of images in each."""
        sizes = [len(batch) for batch in torch.split(labels, self._config.batch_size)]
        if self._ranks.number == 1:
            return images, labels, sizes
        shares = [self._ranks.batch_share(size) for size in sizes]
        parts = [
            torch.cat([batch[share] for batch, share in zip(torch.split(whole, sizes), shares, strict=True)])
            for whole in (images, labels)
        ]
        return parts[0], parts[1], [share.stop - share.start for share in shares]

    def batch_images(self, step: int) -> int:
        """Number of images that all ranks train on in the step after `step`."""
        done = step % self.steps_per_epoch * self._config.batch_size
        return min(self._config.batch_size, len(self._data.train) - done)

    @property
    def batch_sizes(self) -> set[int]:
        """Number of images of each step of an epoch."""
        return {self.batch_images(step) for step in (0, self.steps_per_epoch - 1)}

    def smallest_evaluated(self, split: DeviceSplit) -> int:
        """Number of images in the last batch of an evaluation on this split."""
        size = self.preprocessing.at_a_time(self._config.batch_size)
        return len(split) % size or size

    def evaluation_batches(self, split: DeviceSplit) -> Batches:
        """The whole split in its order, never augmented: images (B, C, H, W) and labels (B,)."""
        return self.preprocessing.batches(split, self._config.batch_size)

    def _normalisation(self, before: Sequence[Choice], given: Normalisation | None) -> Choice:
        """By what is `given`, or by the mean and standard deviation of what comes out of the steps `before`."""
        preparing = Preprocessing(before, self._image_shape, are_fitted=self._data.are_fitted)
        channels = preparing.input_shape[0]
        if given is not None:
            given = given.of_channels(channels)
            mean, std, self.normalised_by = given.mean, given.std, given.owner
        else:
            mean, std, self.normalised_by = self._data.mean, self._data.std, "the data set"
            if channels != len(mean):
                mean, std = _statistics(self._data.train, preparing)
        return Choice(kind="augmentation", name="normalise", options={"mean": mean, "std": std})


def _apply(augmentations: Sequence[Augmentation], images: Tensor, generator: torch.Generator) -> Tensor:
    for augmentation in augmentations:
        images = augmentation(images, generator)
    return images


def _statistics(split: DeviceSplit, preparing: Preprocessing) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel, in [0, 1], of what the preprocessing makes of the training images."""
    means, squares, sizes = [], [], []
    for start in range(0, len(split), _STATISTICS_BATCH):
        images = preparing(split.images(slice(start, start + _STATISTICS_BATCH))).double() / 255
        means.append(images.mean((0, 2, 3)) * len(images))
        squares.append(images.square().mean((0, 2, 3)) * len(images))
        sizes.append(len(images))
    mean, square = (torch.stack(sums).sum(0) / sum(sizes) for sums in (means, squares))
    return tuple(mean.tolist()), tuple((square - mean.square()).clamp(min=1e-12).sqrt().tolist())
