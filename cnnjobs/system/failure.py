"""Causes of a failed run, from the exception that ended it, or from what its program said."""

from __future__ import annotations

import re
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import Final

from cnnjobs.errors import CnnjobsError
from cnnjobs.system import own_modules
from cnnjobs.system.package import PACKAGE

_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
_GPU_IS_FULL: Final = re.compile(
    "(CUDA|HIP|XPU) out of memory|(CUDA|HIP) error: out of memory|cudaErrorMemoryAllocation|OutOfMemoryError"
    "|CUBLAS_STATUS_ALLOC_FAILED|RESOURCE_EXHAUSTED"
)
_MACHINE_IS_FULL: Final = re.compile(
    "MemoryError|can't allocate memory|Cannot allocate memory|bad_alloc", re.IGNORECASE
)
_FEWER: Final = "make batch_size smaller, or run or stack fewer at once"
_FEWER_PROGRAMS: Final = "make its batch smaller, or run fewer at once"


def cause_of(error: Exception) -> str:
    """Why a run failed, in one line."""
    said = " ".join(str(error).split())
    if isinstance(error, CnnjobsError):
        return str(error)
    # An error of torch is none where torch was never loaded.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return gpu_is_full(said, _FEWER)
    if isinstance(error, MemoryError) or "can't allocate memory" in said:
        return machine_is_full(said, _FEWER)
    frames = traceback.extract_tb(error.__traceback__)
    # Where the user's own code was, which torch may have raised it for.
    frame = next((each for each in reversed(frames) if _is_own(Path(each.filename))), frames[-1])
    remedy = own_modules.missing(error)
    told = f"{type(error).__name__}: {said} ({frame.filename}:{frame.lineno} in {frame.name})"
    return f"{told}; {remedy}" if remedy else told


def gpu_is_full(said: str, remedy: str = _FEWER_PROGRAMS) -> str:
    """The cause of a run that the memory of its GPU has ended."""
    return f"the GPU's memory is full: {remedy} ({said})"


def machine_is_full(said: str, remedy: str = _FEWER_PROGRAMS) -> str:
    """The cause of a run that the memory of its machine, or what it may take of it, has ended."""
    return f"the machine's memory is full: {remedy} ({said})"


def full_memory(said: str) -> str | None:
    """The cause where the last words of a program tell that some memory is full."""
    if _GPU_IS_FULL.search(said):
        return gpu_is_full(said)
    return machine_is_full(said) if _MACHINE_IS_FULL.search(said) else None


def _is_own(file: Path) -> bool:
    others = any(file.is_relative_to(each) for each in (PACKAGE, sysconfig.get_paths()["stdlib"]))
    return file.is_file() and not others and _INSTALLED.isdisjoint(file.parts)
