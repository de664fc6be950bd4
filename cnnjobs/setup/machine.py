"""Resources of this machine: Python and its packages, GPUs, cores, memory, disks. Without loading torch."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Final

from cnnjobs.components.data.cache import cache_folder
from cnnjobs.disk import locks
from cnnjobs.launch.plan.resources import allowed_cores, find_gpus
from cnnjobs.setup.finding import Finding, Level
from cnnjobs.system.memory import free_memory

_GB: Final = 1024**3
_LITTLE_DISK_GB, _NO_DISK_GB = 5.0, 0.5
_LITTLE_MEMORY_GB: Final = 2.0
_MOUNTS: Final = Path("/proc/mounts")
_OWN_DISKS: Final = frozenset(
    ("btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "ramfs", "tmpfs", "vfat", "xfs", "zfs")
)
_REINSTALL: Final = "install cnnjobs again in this environment: pip install --upgrade cnnjobs"


def look_at_python() -> Iterator[Finding]:
    """The interpreter, what cnnjobs needs and whether it is there."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok", "Python", f"{version} ({sys.executable}), cnnjobs {metadata.version('cnnjobs')}")
    found, wrong = [], []
    for needed in metadata.requires("cnnjobs") or ():
        if "extra ==" in needed:
            continue
        name, least = _needed(needed)
        try:
            there = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is not installed")
            continue
        found.append(f"{name} {there}")
        if _numbers(there) < _numbers(least):
            wrong.append(f"{name} {there} is older than {least}")
    pair = _mismatch()
    wrong += [pair] if pair else []
    yield Finding("ok", "packages", ", ".join(found))
    if wrong:
        yield Finding("problem", "packages", "; ".join(wrong), _REINSTALL)


def _needed(requirement: str) -> tuple[str, str]:
    """`torch>=2.6; python_version > "3"` -> its name and the least version."""
    match = re.match(r"([A-Za-z0-9._-]+)[^;]*?(?:>=\s*([0-9.]+))?(?:[,;\s]|$)", requirement)
    return (match[1], match[2] or "") if match else (requirement, "")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0]))


def _mismatch() -> str | None:
    """torchvision works with one release of torch only; another one crashes at its first use."""
    with suppress(metadata.PackageNotFoundError):
        torch = metadata.version("torch").partition("+")[0]
        for needed in metadata.requires("torchvision") or ():
            match = re.match(r"torch\s*\(?==\s*([0-9.]+)", needed)
            if match and match[1] != torch:
                vision = metadata.version("torchvision")
                return f"torchvision {vision} belongs to torch {match[1]}, and torch {torch} is installed"
    return None


def look_at_gpus(on_cluster: bool) -> Finding:
    """Check whether a driver is seen here, and whether torch can use it."""
    gpus, cuda = find_gpus(), torch_cuda()
    if gpus and cuda is None:
        text = f"{_count(len(gpus), 'GPU')} here, but torch is built for the CPU alone"
        return Finding("problem", "GPU", text, "install torch for CUDA: see pytorch.org, 'Get started'")
    if gpus:
        return Finding("ok", "GPU", f"{_count(len(gpus), 'GPU')} here; torch is built for CUDA {cuda}")
    where = "compute nodes may have some, see the partitions" if on_cluster else "runs train on the CPU"
    built = f"built for CUDA {cuda}" if cuda else "built for the CPU alone"
    return Finding("note", "GPU", f"no GPU driver is seen here: {where}; torch is {built}")


def torch_cuda() -> str | None:
    """The CUDA version that torch was built for, from its own note; torch is not loaded."""
    with suppress(ValueError, OSError):
        spec = importlib.util.find_spec("torch")
        if spec and spec.origin:
            text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
            match = re.search(r"^cuda\b[^=]*=\s*['\"]([^'\"]+)['\"]", text, flags=re.MULTILINE)
            return match[1] if match else None
    return None


def look_at_cores_and_memory() -> Iterator[Finding]:
    """Cores and memory that this process may use."""
    allowed, total = allowed_cores(), os.cpu_count() or 1
    of = "" if allowed == total else f" of {total}"
    yield Finding("ok", "cores", f"{_count(allowed, 'core')} may be used{of}")
    free = free_memory()
    memory_gb = (free or 0) / _GB
    if free is None:
        yield Finding("note", "memory", "this machine does not tell how much is free")
    elif memory_gb < _LITTLE_MEMORY_GB:
        remedy = "run fewer at once: --set job.max_parallel=1"
        yield Finding("note", "memory", f"{memory_gb:.1f} GB free: little for several runs at once", remedy)
    else:
        yield Finding("ok", "memory", f"{memory_gb:.1f} GB free")


def look_at_results(results: Path, on_cluster: bool) -> Iterator[Finding]:
    """Check whether runs can be written there, with locks, room, and seen by the nodes. Leaves nothing behind."""
    folder = _nearest(results)
    place = f"{results.absolute()}" + ("" if folder == results.absolute() else f" (to be made in {folder})")
    try:
        with tempfile.TemporaryDirectory(prefix=".cnnjobs-doctor-", dir=folder) as made:
            with locks.hold(Path(made) / "lock") as held:
                by_kernel = held is not None and held.by_kernel
            free_gb = shutil.disk_usage(made).free / _GB
    except OSError as error:
        remedy = "choose another folder with --results, or free some space"
        yield Finding("problem", "results", f"{place}: cannot be written ({error.strerror})", remedy)
        return
    yield Finding("ok", "results", f"{place}: can be written")
    if by_kernel:
        yield Finding("ok", "locks", "this file system has locks")
    else:
        text = "this file system has no locks: files that name host and process stand in for them"
        yield Finding("note", "locks", text, "where you can choose, take a file system with locks (NFS has them)")
    yield _room(free_gb)
    kind = _file_system(folder)
    if on_cluster and kind in _OWN_DISKS:
        text = f"{folder} lies on a disk of this machine ({kind}): other nodes may not see it"
        yield Finding("note", "results", text, "work in a folder that all nodes share, such as your home there")


def _room(free_gb: float) -> Finding:
    text = f"{free_gb:.1f} GB free where results go"
    if free_gb >= _LITTLE_DISK_GB:
        return Finding("ok", "disk", text)
    level: Level = "problem" if free_gb < _NO_DISK_GB else "note"
    return Finding(level, "disk", text, "free some space, or choose another folder with --results")


def look_at_cache() -> Finding:
    """Check whether decoded data sets can be kept."""
    cache = cache_folder()
    if os.access(_nearest(cache), os.W_OK | os.X_OK):
        return Finding("ok", "cache", f"decoded data sets are kept in {cache}")
    text = f"{cache}: cannot be written, so every job decodes its data set again"
    return Finding("note", "cache", text, "name a folder that can be written with CNNJOBS_CACHE")


def _nearest(path: Path) -> Path:
    """The folder itself, or the nearest one above that is there."""
    path = path.expanduser().absolute()
    return next((each for each in (path, *path.parents) if each.is_dir()), Path("/"))


def _file_system(folder: Path) -> str:
    """The kind of file system that holds the folder, as the kernel calls it; empty when it does not tell."""
    found = (Path("/"), "")
    with suppress(OSError):
        for line in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines():
            mount, kind = line.split()[1:3]
            path = Path(mount.replace("\\040", " "))
            if folder.resolve().is_relative_to(path) and len(path.parts) >= len(found[0].parts):
                found = (path, kind)
    return found[1]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
