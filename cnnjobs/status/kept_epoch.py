"""Epoch that a run continues from, read from its checkpoint without torch or any tensor."""

from __future__ import annotations

import pickletools
import struct
import zipfile
from typing import BinaryIO, Final

from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.disk.start import Standing
from cnnjobs.system.opening import open_to_read

# A file in a zip archive begins with this many bytes; the lengths of its name and of what follows end them.
_HEADER_SIZE: Final = 30


def kept_epoch(folder: RunFolder) -> int:
    """The last whole epoch on disk, 0 without one. A line of metrics is written before its checkpoint is."""
    for file in (folder.checkpoint_file, folder.previous_checkpoint_file):
        try:
            with open_to_read(file) as content:
                # One that is cut short has no end.
                if zipfile.is_zipfile(content):
                    return _epoch(content)
        except (OSError, ValueError, struct.error):
            continue
    return 0


def goes_on(folder: RunFolder) -> str:
    """From where a run goes on, in words; nothing where it starts from nothing."""
    if folder.newest_checkpoint is not None:
        return Standing.of_program(folder, 0).goes_on
    epoch = kept_epoch(folder)
    return Standing.of_epochs(epoch).goes_on if epoch else ""


def _epoch(content: BinaryIO) -> int:
    """The epoch of a checkpoint. Raises ValueError when it is none of ours."""
    content.seek(0)
    _skip_header(content)
    key: object = None
    for opcode, argument, _ in pickletools.genops(content):
        if key == "epoch" and isinstance(argument, int) and "PUT" not in opcode.name:
            return argument
        if isinstance(argument, str):
            key = argument
    raise ValueError("it holds no epoch")


def _skip_header(content: BinaryIO) -> None:
    """Go to the plain values: torch.save puts them first, and packs nothing."""
    *_, name_size, extra_size = struct.unpack("<26xHH", content.read(_HEADER_SIZE))
    if not content.read(name_size).endswith(b"/data.pkl"):
        raise ValueError("its plain values do not come first")
    content.read(extra_size)
