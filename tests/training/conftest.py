"""Runs over a tiny data set."""

from __future__ import annotations

import sys
from pathlib import Path

# Modules of this room that several test files share.
sys.path.insert(0, str(Path(__file__).parent))

from toy_runs import jobs, toy, toys

__all__ = ["jobs", "toy", "toys"]
