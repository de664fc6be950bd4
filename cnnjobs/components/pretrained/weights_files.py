"""Kind and content of a file of weights, read without torch before a run starts; nothing in it is run."""

from __future__ import annotations

import json
import pickletools
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from cnnjobs.errors import DataError

SAFETENSORS: Final = ".safetensors"
_SAVE: Final = "save one with torch.save(model.state_dict(), ...)"
# A magic number, a version, the sizes of types, and what was saved.
_OLD_PICKLES: Final = 4
_LARGEST_HEADER: Final = 100 << 20
# Where torch's own readers take classes from when they take nothing but tensors and plain values.
_PLAIN: Final = ("collections", "_codecs", "numpy", "torch")
_PLAIN_BUILTINS: Final = ("set", "bytearray", "complex")
_NETWORKS: Final = ("torch.nn.modules", "torch.optim", "torch.fx", "torch._dynamo")
_STARTS: Final = (
    (b"version https://git-lfs", "is a pointer of Git LFS, not the weights: fetch them with git lfs pull"),
    (b"\x89HDF", "is an HDF5 file, as Keras writes it; weights of PyTorch are needed"),
    (b"<", "is a web page, not weights: its download went wrong"),
    (b"\x93NUMPY", f"is an array of NumPy; {_SAVE}"),
    (b"\x1f\x8b", "is packed by gzip; unpack it first"),
)
_WORDS: Final = ("SHORT_BINUNICODE", "BINUNICODE", "UNICODE", "BINUNICODE8")


def check_weights_file(path: Path) -> None:
    """Raises DataError that tells what the file is where it holds no weights that can be read."""
    try:
        problem = _problem(path)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    if problem:
        raise DataError(f"weights file {path}: {problem}")


def is_safetensors(path: Path) -> bool:
    """Check whether the file is of that kind, by its name."""
    return path.suffix == SAFETENSORS


def safetensors_entries(path: Path) -> tuple[int, Mapping[str, Any]]:
    """Where the bytes of the tensors begin, and dtype, shape and data_offsets of each by name. Raises DataError."""
    with path.open("rb") as file:
        size = path.stat().st_size
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else _LARGEST_HEADER + 1
        if length > min(size - 8, _LARGEST_HEADER):
            raise DataError(f"weights file {path}: is no safetensors file, or cut short")
        try:
            found = json.loads(file.read(length))
            entries = {name: entry for name, entry in found.items() if name != "__metadata__"}
            end = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
        except (ValueError, AttributeError, LookupError, TypeError) as error:
            raise DataError(f"weights file {path}: is no safetensors file, or damaged") from error
    if size < 8 + length + end:
        raise DataError(f"weights file {path}: is cut short: {size} of {8 + length + end} bytes; copy it again")
    return 8 + length, entries


def _problem(path: Path) -> str:
    if is_safetensors(path):
        safetensors_entries(path)
        return ""
    with path.open("rb") as file:
        start = file.read(64)
        if not start:
            return "is empty"
        known = next((what for mark, what in _STARTS if start.lstrip().startswith(mark)), "")
        if known:
            return known
        if start.startswith(b"PK"):
            return _problem_of_archive(file)
        if start[:1] == b"\x80":
            return _problem_of_old_file(file)
    return f"is no file that torch.save writes; {_SAVE}"


def _problem_of_archive(file: BinaryIO) -> str:
    """Of the zip files that torch writes."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if any(name.endswith("/constants.pkl") for name in names):
                return f"is a TorchScript program (torch.jit.save); {_SAVE}"
            pickled = next((name for name in names if name.endswith("/data.pkl")), None)
            if pickled is None:
                kind = "an archive of NumPy" if any(name.endswith(".npy") for name in names) else "a zip file"
                return f"is {kind}, not a file that torch.save writes; {_SAVE}"
            damaged = archive.testzip()
            if damaged:
                return f"is damaged ({damaged}); copy it again"
            return _objects(archive.read(pickled))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError):
        return "is cut short or damaged; copy it again"


def _problem_of_old_file(file: BinaryIO) -> str:
    """Of what torch wrote before 1.6: pickles one after the other, the tensors' bytes behind them."""
    file.seek(0)
    for number in range(_OLD_PICKLES):
        start = file.tell()
        try:
            for _ in pickletools.genops(file):
                pass
        except Exception:
            return f"is no file that torch.save writes; {_SAVE}" if number == 0 else "is cut short; copy it again"
        end = file.tell()
        file.seek(start)
        told = _objects(file.read(end - start))
        if told:
            return told
    return ""


def _objects(content: bytes) -> str:
    """Objects in a pickle beside tensors and plain values; nothing of it is made."""
    for owner, name in _globals(content):
        top = owner.partition(".")[0]
        plain = name in _PLAIN_BUILTINS if top in ("builtins", "__builtin__") else top in _PLAIN
        if not plain or owner.startswith(_NETWORKS):
            return (
                f"holds a Python object, `{owner}.{name}`, which would run code when it is read; where it was made,"
                " save the tensors alone: torch.save(model.state_dict(), ...)"
            )
    return ""


def _globals(content: bytes) -> Iterator[tuple[str, str]]:
    words: list[str] = []
    with suppress(Exception):
        for operation, argument, _ in pickletools.genops(content):
            if operation.name in _WORDS:
                words.append(str(argument))
            elif operation.name == "GLOBAL":
                owner, _, name = str(argument).partition(" ")
                yield owner, name
            elif operation.name == "STACK_GLOBAL" and len(words) > 1:
                yield words[-2], words[-1]
