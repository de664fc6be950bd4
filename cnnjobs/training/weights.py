"""Networks that start from the weights of another: a file's tensors, fitted to the classes and channels of a run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from cnnjobs.components.models.first_convolution import RGB, first_convolution, summed_over_rgb
from cnnjobs.errors import DataError
from cnnjobs.training.weights_source import Normalisation, WeightsSource, normalisation_of

# Where other programs put the tensors in a file that holds more.
_WRAPPERS: Final = ("state_dict", "model_state_dict", "model")
# What `torch.nn.DataParallel` puts before every name.
_PARALLEL: Final = "module."
# Classifiers of GoogLeNet and Inception that only training from nothing has a use for.
_AUXILIARY: Final = re.compile(r"(aux1|aux2|AuxLogits)\.")
# DenseNets were saved before these names lost their dots.
_DENSE_LAYER: Final = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.(\d\.)")
_OPTIONAL: Final = "num_batches_tracked"
# What a transformer knows of the places in an image, as many as its size has.
_POSITIONS: Final = "pos_embed"
_NAMED: Final = 3


@dataclass(frozen=True, eq=False)
class InitialWeights:
    """What a file of weights holds, on the CPU, and what its network's images went through where that is known."""

    source: WeightsSource
    tensors: dict[str, Tensor]
    normalisation: Normalisation | None

    def fill(self, model: nn.Module, model_name: str, num_classes: int) -> tuple[str, ...]:
        """Give `model` these weights, and say what of it keeps its own. Raises DataError that names what does not fit.

        The last layer keeps its drawn weights when the classes are others; a first convolution for gray images gets
        the weights for RGB summed.
        """
        own = model.state_dict()
        tensors = {
            name: tensor for name, tensor in _renamed(self.tensors).items() if name in own or not _is_spare(name)
        }
        notes = [f"starts from the weights {self.source.name} (SHA-256 {self.source.sha256[:16]})"]
        notes += _adapted(model, tensors, own)
        notes += _new_head(model, tensors, own, num_classes)
        tensors |= {name: own[name] for name in own if name.endswith(_OPTIONAL) and name not in tensors}
        misfits = _misfits(tensors, own)
        if misfits:
            more = f"; and {len(misfits) - _NAMED} more" if len(misfits) > _NAMED else ""
            size = self.source.image_size
            if size and any(_POSITIONS in misfit for misfit in misfits):
                more += f"; they are for images of {size}×{size} pixels: add {{name: resize, size: {size}}} to augment"
            raise DataError(
                f"weights {self.source.path} do not fit model `{model_name}`: {'; '.join(misfits[:_NAMED])}{more}"
            )
        model.load_state_dict(tensors)
        return tuple(notes)


def read_initial_weights(source: WeightsSource) -> InitialWeights:
    """The tensors of the file; nothing in it is run. Raises DataError when it holds none."""
    try:
        found: Any = torch.load(source.path, map_location="cpu", weights_only=True)
    except Exception as error:
        # A damaged file can break its reader in any way.
        why = str(error).partition("\n")[0]
        raise DataError(f"weights file {source.path}: cannot be read ({type(error).__name__}: {why})") from error
    normalisation = source.normalisation
    if isinstance(found, Mapping) and isinstance(found.get("preprocessing"), list | tuple):
        normalisation = normalisation or normalisation_of(found["preprocessing"], source.path.name)
    for key in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not found or not all(isinstance(each, Tensor) for each in found.values()):
        raise DataError(
            f"weights file {source.path}: holds no state_dict; save one with torch.save(model.state_dict())"
        )
    return InitialWeights(source, dict(found), normalisation)


def _renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    names = {name: name.removeprefix(_PARALLEL) for name in tensors}
    return {_DENSE_LAYER.sub(r"\1\2", names[name]): tensor for name, tensor in tensors.items()}


def _is_spare(name: str) -> bool:
    return _AUXILIARY.match(name) is not None


def _adapted(model: nn.Module, tensors: dict[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    """Sum the weights of the first convolution over RGB where the network takes gray images."""
    if not any(isinstance(module, nn.Conv2d) for module in model.modules()):
        return []
    layer, _ = first_convolution(model)
    name = f"{layer}.weight"
    if name not in tensors or tensors[name].ndim != 4 or own[name].shape[1] != 1 or tensors[name].shape[1] != RGB:
        return []
    tensors[name] = summed_over_rgb(tensors[name])
    return [f"its first convolution {layer} has the weights for RGB summed, for gray images"]


def _new_head(model: nn.Module, tensors: dict[str, Tensor], own: Mapping[str, Tensor], num_classes: int) -> list[str]:
    """Keep the network's own last layer where the file's has other classes."""
    layers = [name for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    head = layers[-1] if layers else ""
    name = f"{head}.weight"
    if not head or name not in tensors or len(own[name]) != num_classes or len(tensors[name]) == num_classes:
        return []
    if own[name].shape[1:] != tensors[name].shape[1:]:
        return []
    classes = len(tensors[name])
    tensors |= {key: own[key] for key in (name, f"{head}.bias") if key in own}
    return [f"its last layer {head} starts anew: the weights know {classes} classes, the run has {num_classes}"]


def _misfits(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    """Each layer that differs, in the order of the network, in words."""
    found: dict[str, str] = {}
    for name, tensor in own.items():
        layer = name.rpartition(".")[0] or name
        if name not in tensors:
            found.setdefault(layer, f"layer {layer} of the model is not in the file")
        elif tensors[name].shape != tensor.shape:
            shapes = f"{tuple(tensor.shape)} in the model and {tuple(tensors[name].shape)} in the file"
            found.setdefault(layer, f"layer {layer}: {name.rpartition('.')[2]} is {shapes}")
    for name in tensors:
        layer = name.rpartition(".")[0] or name
        if name not in own:
            found.setdefault(layer, f"layer {layer} of the file is not in the model")
    return list(found.values())
