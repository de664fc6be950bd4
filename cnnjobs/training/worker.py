"""The name by which workers that an earlier version has started run a job; goes with 0.3.0."""

from __future__ import annotations

from cnnjobs.worker.run_list import run_job

__all__ = ["run_job"]
