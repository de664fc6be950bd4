"""Subject of figures: a network with its preprocessing, and the images that it is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cnnjobs.components.files.pictures import read_picture
from cnnjobs.config.run import RunConfig
from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.errors import InputError
from cnnjobs.figures.network.layers import Prefix, check_channel, check_spatial, watching
from cnnjobs.figures.network.test_card import draw_card
from cnnjobs.training.data.device_split import DeviceSplit
from cnnjobs.training.data.pipeline import DataSets
from cnnjobs.training.data.preprocessing import Preprocessing
from cnnjobs.training.networks.evaluate import undisturbed
from cnnjobs.training.trained.network import TrainedNetwork

SPLITS: Final = ("train", "validation", "test")
CARD: Final = "card"

# Told how many of how many images are done.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class InputImage:
    """An image as the network sees it, `inputs` (1, C, H, W) float, and as people see it, `shown` (H, W, C) uint8.

    `index` counts from 0 in its split, `label` is its true class; None where there is none. `notes` tell what was done
    to a file.
    """

    name: str
    inputs: Tensor
    shown: NDArray[np.uint8]
    index: int | None = None
    label: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Subject:
    """A network in eval mode on its device; `config` names its data set, `folder` is its run, where it has one."""

    name: str
    model: nn.Module
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    data_sets: DataSets
    config: RunConfig | None = None
    folder: RunFolder | None = None

    @classmethod
    def of_run(cls, folder: RunFolder, trained: TrainedNetwork, data_folders: Sequence[Path] = ()) -> Subject:
        """The network of a run, with the run's data set."""
        data_sets = DataSets(data_folders, trained.device)
        preprocessing, classes = trained.preprocessing, trained.classes
        return cls(trained.run_id, trained.model, preprocessing, classes, data_sets, trained.config, folder)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.data_sets.device

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of what the network takes."""
        return self.preprocessing.input_shape

    @property
    def normalisation(self) -> Preprocessing:
        """Preprocessing of images in [0, 1], of the network's size, into inputs (N, C, H, W)."""
        steps = [step for step in self.preprocessing.steps if step["name"] == "normalise"]
        return Preprocessing.from_steps(steps, self.input_shape)

    def last_maps(self) -> str:
        """The layer that gives the last maps of more than one value, a block ahead of its parts."""
        found: list[str] = []

        def note(name: str, output: Tensor) -> None:
            if output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
                found.append(name)

        modules = {name: module for name, module in self.model.named_modules() if name}
        with undisturbed(self.model), torch.no_grad(), watching(modules, note):
            self.model(torch.zeros(1, *self.input_shape, device=self.device))
        if not found:
            raise InputError(f"{self.name} has no layer that gives maps; --list-layers shows what its layers give")
        return found[-1]

    def maps(self, layer: str, inputs: Tensor, channels: Sequence[int] = ()) -> Tensor:
        """inputs (N, C, H, W) -> the layer's feature maps (N, K, h, w), on the CPU and without gradients.

        Raises InputError for a layer without maps, or one that has not all of the `channels`.
        """
        with torch.no_grad():
            output = Prefix(self.model, layer)(inputs.to(self.device))
        check_spatial(layer, output)
        for channel in channels:
            check_channel(layer, output, channel)
        return output.float().cpu()

    def split(self, name: str = "test") -> DeviceSplit:
        """The images of a split. Raises InputError when there are none, DataError when the data set is not found."""
        if name not in SPLITS:
            raise InputError(f"--split {name}: no such split; allowed: {', '.join(SPLITS)}")
        if self.config is None:
            raise InputError(f"{self.name} has no data set of its own; name one with --dataset")
        found = self.data_sets.get(self.config)
        split: DeviceSplit = getattr(found, name)
        data = f"data set `{self.config.dataset.name}`"
        if not len(split):
            raise InputError(f"{data} has no {name} images; choose another split")
        _, height, width, channels = split.pixels.shape
        given = self._for_shape((channels, height, width), found.are_fitted).input_shape
        if given != self.input_shape:
            raise InputError(
                f"{data} does not fit {self.name}: it gives {_shape(given)}, not {_shape(self.input_shape)}"
            )
        return split

    def image(self, source: str | None = None, split: str = "test") -> InputImage:
        """The image that a word names: its number in the split, a file, or the test card, also without a word."""
        if source is None or source == CARD:
            return self._card()
        if source.isdecimal() and not Path(source).is_file():
            return self.images([int(source)], split)[0]
        return self._file(Path(source))

    def images(self, indices: Sequence[int], split: str = "test") -> list[InputImage]:
        """Images of a split by their numbers. Raises InputError for one that it has not."""
        images = self.split(split)
        for index in indices:
            if not 0 <= index < len(images):
                raise InputError(f"{split} image {index}: there are {len(images)}, 0 to {len(images) - 1}")
        place = torch.tensor(list(indices), dtype=torch.long, device=images.labels.device)
        assert self.config is not None
        classes = self.data_sets.get(self.config).classes
        labels = [classes[number] for number in images.labels[place].tolist()]
        inputs, shown = self._seen(self.preprocessing, images.images(place))
        return [
            InputImage(f"{split} image {index} ({label})", inputs[row : row + 1], shown[row], index, label)
            for row, (index, label) in enumerate(zip(indices, labels, strict=True))
        ]

    def _card(self) -> InputImage:
        channels, size, _ = self.preprocessing.image_shape
        size = max(size, self.input_shape[1])
        inputs, shown = self._seen(self._for_size(size), _batch(draw_card(size, channels)))
        return InputImage("the test card", inputs, shown[0])

    def _file(self, path: Path) -> InputImage:
        channels, size, _ = self.preprocessing.image_shape
        if channels not in (1, 3):
            raise InputError(f"{self.name} takes images of {channels} channels: no image file has them")
        # What the preprocessing enlarges is taken from the file as sharp as it is there.
        size = size if self.preprocessing.are_fitted else max(size, self.input_shape[1])
        picture = read_picture(path, channels=channels, size=size, fitting=self.preprocessing.fitting)
        inputs, shown = self._seen(self._for_size(size), _batch(picture.pixels))
        return InputImage(path.name, inputs, shown[0], notes=picture.notes)

    def _for_size(self, size: int) -> Preprocessing:
        """The same steps for square images of another size; they must give what the network takes."""
        return self._for_shape((self.preprocessing.image_shape[0], size, size), self.preprocessing.are_fitted)

    def _for_shape(self, shape: tuple[int, int, int], are_fitted: bool) -> Preprocessing:
        return Preprocessing.from_steps(self.preprocessing.steps, shape, are_fitted=are_fitted)

    def _seen(self, preprocessing: Preprocessing, images: Tensor) -> tuple[Tensor, NDArray[np.uint8]]:
        """images (N, C, H, W) uint8 -> (inputs (N, C, H, W), shown (N, H, W, 1 or 3) uint8)."""
        images = images.to(self.device)
        visible = [step for step in preprocessing.steps if step["name"] != "normalise"]
        shape, are_fitted = preprocessing.image_shape, preprocessing.are_fitted
        shown = Preprocessing.from_steps(visible, shape, are_fitted=are_fitted)(images)
        if shown.shape[1] not in (1, 3):
            shown = shown.float().mean(1, keepdim=True).round().byte()
        return preprocessing(images), shown.permute(0, 2, 3, 1).cpu().numpy()


def _batch(pixels: NDArray[np.uint8]) -> Tensor:
    """pixels (H, W, C) -> images (1, C, H, W)."""
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]


def _shape(shape: tuple[int, int, int]) -> str:
    return "×".join(map(str, shape))
