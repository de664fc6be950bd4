"""Folder of the package, with the files that it brings."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parents[1]
BUNDLED: Final = PACKAGE / "bundled"
