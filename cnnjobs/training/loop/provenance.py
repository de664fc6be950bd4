"""What a run was made with: code, versions, machine."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from cnnjobs.components.data.fingerprints import OTHER_DATA_REMEDY, changed
from cnnjobs.config.run import RunConfig
from cnnjobs.disk.layer_tables import LayerTable
from cnnjobs.disk.record import RunRecord
from cnnjobs.disk.run_files import RunFiles
from cnnjobs.errors import RunError
from cnnjobs.system.stop_request import Stopped
from cnnjobs.training.networks.layer_table import built_layers
from cnnjobs.training.networks.precision import LEAST_PRODUCTS, has_fast_bfloat16
from cnnjobs.training.networks.trial import FASTER

if TYPE_CHECKING:
    from cnnjobs.training.data.pipeline import DeviceData
    from cnnjobs.training.loop.trainer import Trainer

_GIT_TIMEOUT_S: Final = 5
_FUSED: Final = ("sgd", "adam", "adamw")
_PACKAGES: Final = ("cnnjobs", "torch", "torchvision", "numpy")


@cache
def git_state(folder: Path) -> tuple[str | None, bool | None]:
    """Commit and whether tracked files differ from it; (None, None) outside a repository or without git."""
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no") if commit else None
    return commit, bool(changes) if changes is not None else None


def _git(folder: Path, *arguments: str) -> str | None:
    # No lock is taken: many jobs may look at one repository at once.
    command = ("git", "--no-optional-locks", "-C", str(folder), *arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def process_age() -> float | None:
    """Seconds since this process was started; None where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return None
    with suppress(OSError):
        # The name of the program stands in brackets and may hold anything; the 20th field after it is the start.
        ticks = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    return None


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


def code_notes(before: RunRecord, code: str | None) -> tuple[str, ...]:
    """What to know of the own code of a run that an earlier version has begun."""
    if code is None or before.code is not None or not before.epochs_done:
        return ()
    return (f"an earlier version began it and copied no code: it goes on with the copy {code}",)


def choices(
    config: RunConfig, precision: str, device: torch.device, *, memory_format: str = FASTER, fused: bool = True
) -> dict[str, str]:
    """How a run's steps are computed, each with its reason. What is said of a CPU was measured there."""
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
    """What a record tells of the images that a run is trained on, and of what its network sees of them."""
    data, preprocessing = trainer.data, trainer.pipeline.preprocessing
    return {
        "image_shape": preprocessing.image_shape,
        "preprocessing": preprocessing.steps,
        "input_shape": trainer.pipeline.input_shape,
        "classes": data.classes,
        "num_images": _sizes(data),
        "data_sha256": data.sha256,
    }


def keep_layers(folder: RunFiles, config: RunConfig, record: RunRecord, say: Callable[[str], None]) -> None:
    """Keep the table of the network's layers for reports, once for all runs that train it. Raises StorageError."""
    assert record.input_shape
    file = folder.networks.file(config, record.input_shape, len(record.classes), record.code)
    if file is None or isinstance(folder.networks.read(file), LayerTable):
        return
    try:
        table = built_layers(config, record.input_shape, len(record.classes))
    except Stopped:
        raise
    except Exception as error:
        say(f"the network's layers cannot be listed: {type(error).__name__}: {' '.join(str(error).split())}")
        return
    folder.networks.write(file, table)


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


def host() -> str:
    """This machine's name."""
    return socket.gethostname()


def job_id() -> str | None:
    """The scheduler's number of this job, or submitit's local one, also inside a Slurm allocation."""
    environment = os.environ
    if environment.get("SUBMITIT_EXECUTOR") == "local":
        return environment.get("SUBMITIT_LOCAL_JOB_ID")
    if "SLURM_ARRAY_JOB_ID" in environment:
        return f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"
    return environment.get("SLURM_JOB_ID")


def job_name() -> str | None:
    """The scheduler's name of this job, which no other has; None on this machine."""
    return None if os.environ.get("SUBMITIT_EXECUTOR") == "local" else os.environ.get("SLURM_JOB_NAME")


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
