"""Names of image files, and of folders that are none of the user's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_JPEG: Final = (".jfif", ".jpe", ".jpeg", ".jpg")
_JPEG_2000: Final = (".j2c", ".j2k", ".jp2", ".jpf", ".jpx")
_TIFF: Final = (".tif", ".tiff")
_PORTABLE: Final = (".pbm", ".pgm", ".pnm", ".ppm")
SUFFIXES: Final = tuple(sorted((*_JPEG, *_JPEG_2000, *_TIFF, *_PORTABLE, ".avif", ".bmp", ".gif", ".png", ".webp")))
_ONE_KIND: Final = (_JPEG, _JPEG_2000, _TIFF, _PORTABLE)
# Archives, file systems and file servers leave them; they are no classes.
OF_SYSTEMS: Final = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found", "__pycache__")


def is_image_name(name: str) -> bool:
    """Check whether a file is called as an image is."""
    return name.lower().endswith(SUFFIXES)


def kind_of(suffix: str) -> str:
    """One suffix for all that stand for the same format."""
    return next((kind[0] for kind in _ONE_KIND if suffix in kind), suffix)


def is_ours(name: str) -> bool:
    """Check that neither the user nor a system has hidden it."""
    return not name.startswith(".") and name not in OF_SYSTEMS


def folders_in(path: Path) -> list[str]:
    """The names of the folders in a folder, in order, but for hidden ones and those of systems."""
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if is_ours(entry.name) and entry.is_dir())
    except OSError:
        return []


def holds_images(path: Path, depth: int = 2) -> bool:
    """Check whether an image lies in a folder, or that many folders below it."""
    try:
        with os.scandir(path) as entries:
            found = [entry for entry in entries if is_ours(entry.name)]
    except OSError:
        return False
    if any(is_image_name(entry.name) for entry in found if not entry.is_dir()):
        return True
    return depth > 0 and any(holds_images(Path(entry), depth - 1) for entry in found if entry.is_dir())
