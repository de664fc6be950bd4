"""Ends of runs."""

from __future__ import annotations

from typing import Final

from cnnjobs.disk.record import RunState

SETTLED: Final = (RunState.FINISHED, RunState.FAILED, RunState.CANCELLED)
