"""Networks that start from the weights of another: a file's tensors, fitted to the classes and channels of a run."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from cnnjobs.components.models.first_convolution import RGB, first_convolution, summed_over_rgb
from cnnjobs.components.pretrained.weights_files import check_weights_file, is_safetensors, safetensors_entries
from cnnjobs.errors import DataError
from cnnjobs.training.weights.source import Normalisation, WeightsSource, normalisation_of

# Where other programs put the tensors in a file that holds more.
_WRAPPERS: Final = (
    "state_dict", "model_state_dict", "model_state", "model_ema", "model", "network", "net", "params", "weights",
)  # fmt: skip
# Classifiers of GoogLeNet and Inception that only training from nothing has a use for.
_AUXILIARY: Final = re.compile(r"(aux1|aux2|AuxLogits)\.")
# DenseNets were saved before these names lost their dots.
_DENSE_LAYER: Final = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.(\d\.)")
_OPTIONAL: Final = "num_batches_tracked"
# What a transformer knows of the places in an image, as many as its size has.
_POSITIONS: Final = "pos_embed"
_NAMED: Final = 3
_MOST_WORDS: Final = 200
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_DTYPES: Final = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class InitialWeights:
    """Content of a file of weights, on the CPU, and the preprocessing of its network where that is known."""

    source: WeightsSource
    tensors: dict[str, Tensor]
    normalisation: Normalisation | None

    def fill(self, model: nn.Module, model_name: str, num_classes: int) -> tuple[str, ...]:
        """Give `model` these weights, and say what of it keeps its own. Raises DataError that names what does not fit.

        The last layer keeps its drawn weights when the classes are others; a first convolution for gray images gets
        the weights for RGB summed.
        """
        own = model.state_dict()
        notes = [f"starts from the weights {self.source.name} (SHA-256 {self.source.sha256[:16]})"]
        named, told = without_prefix(_renamed(self.tensors), own)
        notes += told
        tensors = {name: tensor for name, tensor in named.items() if name in own or not _is_spare(name)}
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
        if broken := _not_finite(tensors, {name for name, _ in model.named_parameters()}):
            raise DataError(
                f"weights {self.source.path}: {broken}, as of a training that diverged; take a checkpoint from before"
            )
        model.load_state_dict(tensors)
        return tuple(notes)


def read_initial_weights(source: WeightsSource) -> InitialWeights:
    """The tensors of the file; nothing in it is run. Raises DataError when it holds none."""
    check_weights_file(source.path)
    if is_safetensors(source.path):
        return InitialWeights(source, read_safetensors(source.path), source.normalisation)
    try:
        found: Any = torch.load(source.path, map_location="cpu", weights_only=True)
    except Exception as error:
        # A damaged file can break its reader in any way.
        raise DataError(f"weights file {source.path}: cannot be read ({_plainly(error)})") from error
    normalisation = source.normalisation
    if isinstance(found, Mapping) and isinstance(found.get("preprocessing"), list | tuple):
        normalisation = normalisation or normalisation_of(found["preprocessing"], source.path.name)
    while isinstance(found, Mapping) and not all(isinstance(each, Tensor) for each in found.values()):
        inner = next((found[key] for key in _WRAPPERS if isinstance(found.get(key), Mapping)), None)
        if inner is None:
            break
        found = inner
    if not isinstance(found, Mapping) or not found or not all(isinstance(each, Tensor) for each in found.values()):
        raise DataError(
            f"weights file {source.path}: holds no state_dict{_instead(found)};"
            " save one with torch.save(model.state_dict())"
        )
    return InitialWeights(source, dict(found), normalisation)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file (https://github.com/huggingface/safetensors). Raises DataError."""
    start, entries = safetensors_entries(path)
    content, found = path.read_bytes(), {}
    for name, entry in entries.items():
        dtype = _DTYPES.get(entry["dtype"])
        if dtype is None:
            raise DataError(f"weights file {path}: `{name}` is of type {entry['dtype']}, which is not known here")
        first, end = entry["data_offsets"]
        flat = bytearray(content[start + first : start + end])
        tensor = torch.frombuffer(flat, dtype=dtype) if flat else torch.empty(0, dtype=dtype)
        found[name] = tensor.reshape(entry["shape"])
    return found


def _plainly(error: Exception) -> str:
    """The first sentence of what torch says, without its colours and its advice on how to run what is in the file."""
    said = " ".join(_COLOURS.sub("", str(error)).split())
    return f"{type(error).__name__}: {said.partition('. ')[0][:_MOST_WORDS]}"


def _instead(found: Any) -> str:
    """Content of a file that holds no tensors by name."""
    if not isinstance(found, Mapping):
        return f" but a `{type(found).__name__}`"
    return f" but {', '.join(f'`{key}`' for key in list(found)[:_NAMED])}" if found else ""


def without_prefix(
    tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors by the names that the network has for them, and what was taken off or left out, in words.

    `module.` of DataParallel, `_orig_mod.` of torch.compile, `model.` of Lightning, or any other in front of all of the
    network's names.
    """
    known = sum(name in own for name in tensors)
    ends = (f".{name}" for name in list(own)[:_NAMED])
    prefixes = dict.fromkeys(name[: -len(end) + 1] for end in ends for name in tensors if name.endswith(end))
    counts = {prefix: sum(f"{prefix}{name}" in tensors for name in own) for prefix in prefixes}
    best = max(counts, key=lambda prefix: counts[prefix], default="")
    if not best or counts[best] <= max(known, len(own) // 2):
        return dict(tensors), ()
    kept = {name.removeprefix(best): tensor for name, tensor in tensors.items() if name.startswith(best)}
    rest = [name for name in tensors if not name.startswith(best)]
    more = f" and {len(rest) - _NAMED} more" if len(rest) > _NAMED else ""
    left_out = (f"of its file {', '.join(rest[:_NAMED])}{more} are left out",) if rest else ()
    return kept, (f"its file has `{best}` in front of every name: taken off", *left_out)


def _renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {_DENSE_LAYER.sub(r"\1\2", name): tensor for name, tensor in tensors.items()}


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


def _not_finite(tensors: Mapping[str, Tensor], parameters: Collection[str]) -> str:
    """The first tensor that holds NaN, or a parameter with an infinite value; a mask may be infinite."""
    for name, tensor in tensors.items():
        wrong = tensor.isfinite().logical_not() if name in parameters else tensor.isnan()
        if count := int(wrong.sum()):
            kind = "NaN" if bool(tensor.isnan().any()) else "an infinite value"
            return f"`{name}` holds {kind} ({count:,} of {tensor.numel():,} values)"
    return ""


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
