"""Why a run failed, from the exception that ended it."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from pathlib import Path
from typing import Final

from cnnjobs.errors import CnnjobsError
from cnnjobs.system import own_modules
from cnnjobs.system.package import PACKAGE

_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})


def cause_of(error: Exception) -> str:
    """Why a run failed, in one line."""
    said = " ".join(str(error).split())
    if isinstance(error, CnnjobsError):
        return str(error)
    # An error of torch is none where torch was never loaded.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return f"the GPU's memory is full: make batch_size smaller, or run or stack fewer at once ({said})"
    if isinstance(error, MemoryError) or "can't allocate memory" in said:
        return f"the machine's memory is full: make batch_size smaller, or run or stack fewer at once ({said})"
    frames = traceback.extract_tb(error.__traceback__)
    # Where the user's own code was, which torch may have raised it for.
    frame = next((each for each in reversed(frames) if _is_own(Path(each.filename))), frames[-1])
    remedy = own_modules.missing(error)
    told = f"{type(error).__name__}: {said} ({frame.filename}:{frame.lineno} in {frame.name})"
    return f"{told}; {remedy}" if remedy else told


def _is_own(file: Path) -> bool:
    others = any(file.is_relative_to(each) for each in (PACKAGE, sysconfig.get_paths()["stdlib"]))
    return file.is_file() and not others and _INSTALLED.isdisjoint(file.parts)
