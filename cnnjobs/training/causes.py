"""Why a run failed, from the exception that ended it."""

from __future__ import annotations

import traceback

import torch

from cnnjobs.errors import CnnjobsError


def cause_of(error: Exception) -> str:
    """Why a run failed, in one line."""
    said = " ".join(str(error).split())
    if isinstance(error, CnnjobsError):
        return str(error)
    if isinstance(error, torch.OutOfMemoryError):
        return f"the GPU's memory is full: make batch_size smaller or run fewer at once ({said})"
    if isinstance(error, MemoryError) or "can't allocate memory" in said:
        return f"the machine's memory is full: make batch_size smaller or run fewer at once ({said})"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {said} ({frame.filename}:{frame.lineno} in {frame.name})"
