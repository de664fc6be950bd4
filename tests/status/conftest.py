"""A sweep of four runs, put on disk in any state."""

from __future__ import annotations

import sys
from pathlib import Path

# Modules of this room that several test files share.
sys.path.insert(0, str(Path(__file__).parent))

from four_runs import put, store, sweep

__all__ = ["put", "store", "sweep"]
