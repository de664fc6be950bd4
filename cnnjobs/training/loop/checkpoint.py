"""Checkpoints on disk: whole, checked, and the one before kept."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from cnnjobs.disk.files import NO_FILE, set_aside_damaged
from cnnjobs.disk.outage import may_be_away
from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.errors import RunError
from cnnjobs.system.opening import open_to_read


def save(folder: RunFolder, state: dict[str, Any], *, check: bool, guard: Callable[[], None] | None = None) -> None:
    """Replace the run's checkpoint, keeping the one before, unless `guard` raises. Raises StorageError.

    With `check` the bytes are read back first. Raises RunError when a component's state holds what no one may load.
    """
    content = to_bytes({"run_id": folder.run_id, **state})
    if check:
        try:
            torch.load(io.BytesIO(content), weights_only=True)
        except Exception as error:
            raise RunError(
                f"the state of the optimizer, schedule or model holds more than tensors and plain values: {error}"
            ) from error
    folder.write_checkpoint(content, guard)


def load(folder: RunFolder) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """The newest checkpoint that is whole, on the CPU, or None, and a note for each one that is damaged and goes.

    Raises OSError while the folder is away: what cannot be read then is neither missing nor damaged.
    """
    notes: list[str] = []
    there = {file.name for file in folder.path.iterdir()}
    for file in (folder.checkpoint_file, folder.previous_checkpoint_file):
        if file.name not in there:
            continue
        state = _read(file, folder.run_id)
        if isinstance(state, dict):
            return state, tuple(notes)
        notes.append(f"{file.name} could not be used ({state})")
        # Away, so that it never takes the place of a whole one when the next is written.
        if file.is_file() and not file.is_symlink():
            file.unlink()
        else:
            set_aside_damaged(file)
    return None, tuple(notes)


def _read(file: Path, run_id: str) -> dict[str, Any] | str:
    """The state, or why there is none."""
    try:
        with open_to_read(file) as content:
            with zipfile.ZipFile(content) as archive:
                damaged = archive.testzip()
            if damaged:
                return f"its part {damaged} is damaged"
            content.seek(0)
            state: dict[str, Any] = torch.load(content, map_location="cpu", weights_only=True)
        if state["run_id"] != run_id:
            return f"it belongs to run {state['run_id']}"
    except zipfile.BadZipFile:
        return "it is cut short or damaged"
    except Exception as error:
        if isinstance(error, OSError) and may_be_away(error):
            raise
        if isinstance(error, NO_FILE):
            return str(error.strerror)
        # A damaged file can break its reader in any way.
        return f"it is damaged: {type(error).__name__}"
    return state


def to_bytes(value: object) -> bytes:
    """Bytes that `torch.save` writes, checksums included."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def plain_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The network's state_dict on the CPU in the usual memory layout, in memory of its own."""
    return {
        name: tensor.to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }


def weights_to_bytes(model: torch.nn.Module) -> bytes:
    """The file of `plain_weights`."""
    return to_bytes(plain_weights(model))
