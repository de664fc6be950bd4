"""Why a run failed: from the exception that ended it, or from what became of its starts."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path
from typing import Final

import torch

from cnnjobs.disk.record import RunRecord, RunState
from cnnjobs.errors import CnnjobsError
from cnnjobs.system import own_modules
from cnnjobs.system.package import PACKAGE

SILENT_ENDS: Final = 3
_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})


def cause_of(error: Exception) -> str:
    """Why a run failed, in one line."""
    said = " ".join(str(error).split())
    if isinstance(error, CnnjobsError):
        return str(error)
    if isinstance(error, torch.OutOfMemoryError):
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


def why_hopeless(before: RunRecord, epoch: int) -> str | None:
    """Why a run that keeps taking its process down is not to start once more from this epoch, if so."""
    # One that waited for others of its stack may have had no turn.
    recent = [past for past in before.attempts[before.forgiven :] if not past.waited][-SILENT_ENDS:]
    silent = [past for past in recent if past.ended is None and past.from_epoch == epoch]
    if before.state is not RunState.RUNNING or len(silent) < SILENT_ENDS:
        return None
    return (
        f"the last {SILENT_ENDS} starts all ended without a word before the end of epoch {epoch + 1}: killed, out of"
        " memory, or the machine went down; give the job more memory, then use --retry-failed"
    )
