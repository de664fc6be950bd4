"""A network without a run as what figures are of: its weights are published ones, a file's, a run's, or random."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch

from cnnjobs.components.pretrained import timm, torchvision
from cnnjobs.config.run import RunConfig
from cnnjobs.figures.network.subject import Subject
from cnnjobs.training.data.pipeline import DataSets, DeviceData
from cnnjobs.training.data.preprocessing import Preprocessing
from cnnjobs.training.networks.building import build_model
from cnnjobs.training.networks.memory import lay_out
from cnnjobs.training.networks.trial import Question, working_format
from cnnjobs.training.weights.initial import InitialWeights, read_initial_weights
from cnnjobs.training.weights.source import Normalisation, find_weights

Shape = tuple[int, int, int]

# What the networks of torchvision and timm are made for, and what all others are.
_PACKAGES: Final = (torchvision.PREFIX, timm.PREFIX)
_IMAGENET: Final = ((3, 224, 224), 1000)
_CIFAR10: Final = ((3, 32, 32), 10)
_NO_WEIGHTS: Final = "its weights are random, nothing is learned"
_OWN_WEIGHTS: Final = "its weights are those that its own code begins with; random ones have learned nothing"
_MEAN, _STD = 0.5, 0.25


def open_model(
    config: RunConfig,
    folders: Sequence[Path],
    results: Path,
    device: torch.device,
    *,
    shape: Shape | None = None,
    classes: int | None = None,
    has_data: bool = False,
) -> tuple[Subject, tuple[str, ...]]:
    """The model of `config` with its weights, and what to know of it. Images are resized to `shape` (C, H, W).

    Without `has_data` the data set of `config` stands for none. Raises DataError for weights that are missing or do not
    fit.
    """
    source = find_weights(config, folders, results)
    weights = read_initial_weights(source) if source else None
    data_sets = DataSets(folders, device)
    data = data_sets.get(config) if has_data else None
    shape = shape or _usual_shape(config, weights, data)
    number = classes or _num_classes(config, weights, data)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(config.seed)
        model = build_model(config, shape, number)
    notes: tuple[str, ...] = (_OWN_WEIGHTS if ":" in config.model.name else _NO_WEIGHTS,)
    if weights:
        notes = weights.fill(model, config.model.name, number)
    normalisation = weights.normalisation if weights else None
    if normalisation is None and data is not None:
        normalisation = Normalisation(data.mean, data.std, config.dataset.name)
    if normalisation is None:
        normalisation = Normalisation((_MEAN,), (_STD,), "nobody")
        notes += (f"what its images were normalised by is not known: they get mean {_MEAN} and deviation {_STD}",)
    preprocessing = Preprocessing.from_steps(_steps(shape, normalisation), shape)
    model = model.to(device)
    asked = Question(config.model.name, preprocessing, number)
    return Subject(
        config.model.name,
        lay_out(model, working_format(model, asked)).eval(),
        preprocessing,
        _class_names(config, number, data),
        data_sets,
        config if has_data else None,
    ), notes


def _usual_shape(config: RunConfig, weights: InitialWeights | None, data: DeviceData | None) -> Shape:
    """The images that the weights were trained with, else those that such networks are for."""
    published = config.model.name.startswith(_PACKAGES)
    if weights and weights.source.image_size:
        return 3, weights.source.image_size, weights.source.image_size
    channels, *sides = _IMAGENET[0] if published else _CIFAR10[0]
    if data is not None:
        _, *own_sides, channels = data.train.pixels.shape
        sides = sides if published else own_sides
    return channels, sides[0], sides[1]


def _num_classes(config: RunConfig, weights: InitialWeights | None, data: DeviceData | None) -> int:
    """Number of outputs of the last layer in the file, else those of such networks."""
    matrices = [tensor for tensor in weights.tensors.values() if tensor.ndim in (2, 4)] if weights else []
    if matrices:
        return len(matrices[-1])
    if config.model.name.startswith(_PACKAGES):
        return _IMAGENET[1]
    return _CIFAR10[1] if data is None else len(data.classes)


def _steps(shape: Shape, normalisation: Normalisation) -> list[dict[str, Any]]:
    of_channels = normalisation.of_channels(shape[0])
    return [
        {"name": "resize", "size": shape[1]},
        {"name": "normalise", "mean": list(of_channels.mean), "std": list(of_channels.std)},
    ]


def _class_names(config: RunConfig, number: int, data: DeviceData | None) -> tuple[str, ...]:
    """Those of published weights, else those of a data set with as many, else numbers."""
    name = config.model.name.removeprefix(torchvision.PREFIX)
    if config.weights and torchvision.architecture_of(config.model.name):
        from torchvision.models import get_model_weights

        listed = {each.name: each.meta.get("categories", ()) for each in get_model_weights(name)}
        if len(listed.get(config.weights, ())) == number:
            return tuple(listed[config.weights])
    if data is not None and len(data.classes) == number:
        return data.classes
    return tuple(map(str, range(number)))
