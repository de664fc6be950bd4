"""A run's network with its best weights and its preprocessing: where all that asks a trained network starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cnnjobs.config.kinds import network
from cnnjobs.config.run import RunConfig
from cnnjobs.disk.run_folder import RunFolder, RunRecord
from cnnjobs.errors import InputError
from cnnjobs.system.opening import open_to_read
from cnnjobs.training.data.pipeline import DataSets, Pipeline
from cnnjobs.training.data.preprocessing import Preprocessing
from cnnjobs.training.networks.building import build_model
from cnnjobs.training.networks.evaluate import autocast
from cnnjobs.training.networks.memory import lay_out
from cnnjobs.training.networks.precision import with_precision
from cnnjobs.training.networks.trial import Question, recorded_format, working_format


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """The best weights of a run on a device: `model` in eval mode, `classes` in the order of its logits.

    Its images are those of a data set, (N, C, H, W) uint8 of `preprocessing.image_shape`; `model` itself sees what
    `preprocessing(images)` gives.
    """

    run_id: str
    config: RunConfig
    record: RunRecord
    model: nn.Module
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    device: torch.device

    def logits(self, images: Tensor) -> Tensor:
        """images (N, C, H, W) uint8, on any device -> logits (N, classes), float32, without gradients."""
        with torch.no_grad(), autocast(self.device, self.config.precision):
            logits: Tensor = self.model(self.preprocessing(images.to(self.device)))
        return logits.float()

    def probabilities(self, images: Tensor) -> Tensor:
        """images (N, C, H, W) uint8, on any device -> probabilities (N, classes)."""
        return self.logits(images).softmax(1)


def load_trained(folder: RunFolder, device: torch.device, data_folders: Sequence[Path] = ()) -> TrainedNetwork:
    """The network of a run as its last evaluation had it. The global generators stay as they are.

    `data_folders` are looked into only for a run whose record does not hold its preprocessing. Raises InputError when
    the run has no weights, or when they do not fit the network.
    """
    folder.check_weights()
    folder = folder.results
    record = folder.read_record()
    folder.use_code(record.code)
    config = network(folder.read_config())
    if record.image_shape is None:
        preprocessing = Pipeline(config, DataSets(data_folders, device).get(config)).preprocessing
        shapes = {"image_shape": preprocessing.image_shape, "input_shape": preprocessing.input_shape}
        steps = {"preprocessing": preprocessing.steps, "are_fitted": preprocessing.are_fitted}
        record = record.model_copy(update={**shapes, **steps})
    return trained_network(config, record, read_weights(folder.model_file), device, str(folder.model_file))


def trained_network(
    config: RunConfig, record: RunRecord, weights: dict[str, Tensor], device: torch.device, origin: str
) -> TrainedNetwork:
    """The network that a record tells of, with these weights. Raises InputError that names their `origin`."""
    assert record.image_shape is not None
    preprocessing = Preprocessing.from_steps(record.preprocessing, record.image_shape, are_fitted=record.are_fitted)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        model = build_model(config, record.input_shape or preprocessing.input_shape, len(record.classes))
    config = with_precision(config, model, record.input_shape or preprocessing.input_shape, device)
    model = model.to(device)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        why = " ".join(str(error).split())
        raise InputError(f"{origin}: it does not fit the network, has its code changed? {why}") from error
    # As the trainer does it, so that the same operations run on the same memory layout.
    asked = Question(config.model.name, preprocessing, len(record.classes), config.precision)
    model = lay_out(model, recorded_format(record.choices) or working_format(model, asked))
    return TrainedNetwork(record.run_id, config, record, model.eval(), preprocessing, record.classes, device)


def read_weights(file: Path) -> Any:
    """Read the file of weights, on the CPU. Raises InputError."""
    try:
        with open_to_read(file) as content:
            return torch.load(content, map_location="cpu", weights_only=True)
    except Exception as error:
        # A damaged file can break its reader in any way.
        raise InputError(f"{file}: it is damaged or holds no weights ({type(error).__name__})") from error


def best_device() -> torch.device:
    """A GPU where torch finds one, else the CPU."""
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
