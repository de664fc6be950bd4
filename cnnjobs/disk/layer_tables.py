"""Layers of a sweep's networks, kept when they train: a file for each network, whichever runs train it.

results/<sweep>/networks/
  <key>.json   a LayerTable; the key is a hash of the model with its options, `freeze`, image size, classes and own code
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from cnnjobs.config.run import RunConfig
from cnnjobs.disk.files import why_damaged, write_whole
from cnnjobs.errors import storage_error
from cnnjobs.system.opening import read_bytes

_DIGITS: Final = 16


@dataclass(frozen=True)
class Design:
    """Settings of a layer; None and "" where it has no such thing. `units` are filters, or outputs of a linear layer.

    `padding` may be torch's word: same, valid. `pooled_first` names the poolings between the layer and its activation.
    """

    units: int | None = None
    kernel: tuple[int, ...] | None = None
    stride: tuple[int, ...] | None = None
    padding: tuple[int, ...] | str | None = None
    dilation: tuple[int, ...] | None = None
    groups: int | None = None
    dropped: float | None = None
    activation: str = ""
    pooled_first: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layer:
    """One call of a module. Parameters that an earlier row counted are not counted again (`shared`).

    The shapes (N, ...) are None where nothing tensor-like goes in or comes out, and for a module that is never called;
    that may be `used` all the same, its weights by the `forward` of another one.
    """

    name: str
    kind: str
    input_shape: tuple[int, ...] | None
    output_shape: tuple[int, ...] | None
    parameters: int
    trainable: int
    macs: int
    shared: bool = False
    called: bool = True
    used: bool = True
    design: Design = field(default_factory=Design)


@dataclass(frozen=True)
class Stage:
    """The layers of one part of a network, such as `layer1`; `output_shape` is that of the last one."""

    name: str
    output_shape: tuple[int, ...] | None
    parameters: int
    trainable: int
    macs: int


@dataclass(frozen=True)
class LayerTable:
    """The layers in the order of their calls, and the totals of the whole network.

    `macs` counts the multiply-accumulates of convolutions and matrix products, as torch's own counter does.
    """

    layers: tuple[Layer, ...]
    input_shape: tuple[int, ...]
    parameters: int
    trainable: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates for the whole batch."""
        return sum(layer.macs for layer in self.layers)

    @property
    def frozen(self) -> int:
        """Parameters that training leaves as they are."""
        return self.parameters - self.trainable

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The sums of the network's parts, in order; none where every part is one layer."""
        parts: dict[str, list[Layer]] = {}
        for layer, name in zip(self.layers, stage_names([layer.name for layer in self.layers]), strict=True):
            parts.setdefault(name, []).append(layer)
        if all(len({layer.name for layer in layers}) == 1 for layers in parts.values()):
            return ()
        return tuple(_stage(name, layers) for name, layers in parts.items())


def stage_names(names: Sequence[str]) -> list[str]:
    """The first word of each dotted name, after the words that all of them start with."""
    words = [name.split(".") for name in names]
    depth = 1
    while all(len(each) > depth for each in words) and len({tuple(each[:depth]) for each in words}) == 1:
        depth += 1
    return [".".join(each[:depth]) for each in words]


def _stage(name: str, layers: Sequence[Layer]) -> Stage:
    shapes = [layer.output_shape for layer in layers if layer.called]
    parameters, trainable = sum(layer.parameters for layer in layers), sum(layer.trainable for layer in layers)
    return Stage(name, shapes[-1] if shapes else None, parameters, trainable, sum(layer.macs for layer in layers))


_ADAPTER: Final = TypeAdapter(LayerTable)


class LayerTables:
    """Those of one sweep."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, config: RunConfig, input_shape: Sequence[int], num_classes: int, code: str | None) -> Path | None:
        """The place of a network's table; None for code of the user's own that was not copied: it may have changed."""
        if ":" in config.model.name and code is None:
            return None
        freeze = config.freeze.model_dump(mode="json") if config.freeze else None
        parts = [config.model.model_dump(mode="json"), freeze, list(input_shape), num_classes, code]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:_DIGITS]
        return self.path / f"{key}.json"

    def write(self, file: Path, table: LayerTable) -> None:
        """Keep a table. Raises StorageError."""
        try:
            # Its parents are there, or away for a while.
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise storage_error(self.path, error) from error
        write_whole(file, _ADAPTER.dump_json(table, exclude_defaults=True), make_folder=False)

    def read(self, file: Path) -> LayerTable | str | None:
        """A table that was kept, what is wrong with its file, or None where there is none."""
        try:
            return _ADAPTER.validate_json(read_bytes(file))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            return why_damaged(error)
