"""Provenance of a run: versions, choices, images."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from cnnjobs.components.data.fingerprints import OTHER_DATA_REMEDY, changed
from cnnjobs.config.kinds import network
from cnnjobs.config.run import RunConfig
from cnnjobs.disk.layer_tables import LayerTable
from cnnjobs.disk.record import RunRecord
from cnnjobs.disk.start import Start
from cnnjobs.errors import RunError
from cnnjobs.system.stop_request import Stopped
from cnnjobs.training.networks.layer_table import built_layers
from cnnjobs.training.networks.precision import LEAST_PRODUCTS, has_fast_bfloat16
from cnnjobs.training.networks.trial import FASTER

if TYPE_CHECKING:
    from cnnjobs.training.data.pipeline import DeviceData
    from cnnjobs.training.loop.trainer import Trainer

_FUSED: Final = ("sgd", "adam", "adamw")
_PACKAGES: Final = ("cnnjobs", "torch", "torchvision", "numpy")


@cache
def versions() -> dict[str, str]:
    """Versions of what decides the numbers, and the processor."""
    found = {"python": platform.python_version(), "system": platform.platform(), "processor": processor()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    if torch.cuda.is_available():
        found |= {
            "cuda": str(torch.version.cuda),
            "cudnn": str(torch.backends.cudnn.version()),  # type: ignore[no-untyped-call]
        }
    return found


def chosen(config: RunConfig, trainer: Trainer) -> dict[str, str]:
    """The `choices` of a run whose trainer is there."""
    fused = bool(trainer.optimizer.defaults.get("fused"))
    return choices(config, trainer.config.precision, trainer.device, memory_format=trainer.trial.why, fused=fused)


def choices(
    config: RunConfig, precision: str, device: torch.device, *, memory_format: str = FASTER, fused: bool = True
) -> dict[str, str]:
    """Choices of how a run's steps are computed, each with its reason; those for a CPU were measured."""
    found = {
        "memory_format": memory_format,
        "precision": f"{precision}: {_why(config.precision, device)}",
        "compile": "none: on a CPU it gains nothing, and its first step takes 6 to 40 s",
    }
    if fused and config.optimizer.name in _FUSED:
        found["optimizer"] = "fused: one pass over all weights"
    if device.type == "cuda":
        return found | {"cudnn": "deterministic: the same run again gives the same numbers"}
    return found | {
        "threads": "cpus_per_run, or the cores shared out: more threads than cores take four times as long",
        "denormals": "flushed to zero: they are slow, and too small to count",
    }


def _why(wanted: str, device: torch.device) -> str:
    if wanted == "auto" and device.type == "cuda":
        return "auto, and bfloat16 was not measured on a GPU"
    if wanted == "auto" and not has_fast_bfloat16():
        return "auto, and this processor does not compute in bfloat16"
    chosen = {"auto": "auto", "float32": "the default"}.get(wanted, "as the run sets it")
    return f"{chosen}; bfloat16 is faster from {LEAST_PRODUCTS / 1e6:g} million products an image on, and less exact"


def images(trainer: Trainer) -> dict[str, Any]:
    """Images of a run for its record, before and after preprocessing."""
    data, preprocessing = trainer.data, trainer.pipeline.preprocessing
    return {
        "image_shape": preprocessing.image_shape,
        "preprocessing": preprocessing.steps,
        "are_fitted": preprocessing.are_fitted,
        "input_shape": trainer.pipeline.input_shape,
        "classes": data.classes,
        "num_images": _sizes(data),
        "data_sha256": data.sha256,
    }


def keep_layers(start: Start, image_facts: Mapping[str, Any]) -> None:
    """Keep the table of the network's layers for reports, once for all runs that train it. Raises StorageError."""
    networks, config = start.folder.networks, network(start.config)
    shape, num_classes = image_facts["input_shape"], len(image_facts["classes"])
    file = networks.file(config, shape, num_classes, start.code)
    if file is None or isinstance(networks.read(file), LayerTable):
        return
    try:
        table = built_layers(config, shape, num_classes)
    except Stopped:
        raise
    except Exception as error:
        start.say(f"the network's layers cannot be listed: {type(error).__name__}: {' '.join(str(error).split())}")
        return
    networks.write(file, table)


def refuse_other_data(before: RunRecord, name: str, data: DeviceData) -> None:
    """Raises RunError when a run would go on with other images than it began with: its splits would be drawn anew."""
    if before.data_sha256 not in (None, data.sha256):
        raise RunError(
            f"{changed(name, before.data_sha256, data.sha256)} since the run began with it; {OTHER_DATA_REMEDY}"
        )
    # A version that kept no fingerprint has told how many images there were.
    if before.data_sha256 is None and before.num_images not in ({}, _sizes(data)):
        counts = f"{_counted(before.num_images)} then, {_counted(_sizes(data))} now"
        raise RunError(f"data set `{name}` has changed ({counts}) since the run began with it; {OTHER_DATA_REMEDY}")


def _sizes(data: DeviceData) -> dict[str, int]:
    return {name: len(split) for name, split in data.splits.items()}


def _counted(sizes: dict[str, int]) -> str:
    return " + ".join(f"{size:,} {name}" for name, size in sizes.items())


def processor() -> str:
    """The processor's name and, where torch knows it, the instructions used."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()} ({torch.backends.cpu.get_cpu_capability()})"


def device_name(device: torch.device) -> str:
    """`cpu`, or `cuda` with the GPU's name."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else "cpu"
