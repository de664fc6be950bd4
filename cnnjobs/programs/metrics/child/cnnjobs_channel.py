"""The file to which a program's processes append what they report: one JSON object a line."""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, Dict, List, Optional, Set, Tuple, Union

Number = Union[int, float]

# A disk that is full, or away, may be so for long; the program goes on meanwhile.
_MOST_WAITING = 10_000
_lock = threading.RLock()
_waiting: List[bytes] = []
_opened: Dict[str, Tuple[int, Optional[Tuple[int, int]]]] = {}
_said: Set[str] = set()


def say(text: str) -> None:
    """One line on stderr, each once."""
    if text not in _said:
        _said.add(text)
        print("cnnjobs: " + text, file=sys.stderr, flush=True)


def is_open() -> bool:
    """Check whether this process belongs to a run."""
    return bool(os.environ.get("CNNJOBS_METRICS"))


def report(line: Mapping[str, Any]) -> None:
    """Append a line, at once and in one write; one that cannot be written waits for the next."""
    path = os.environ.get("CNNJOBS_METRICS")
    if not path:
        return
    content = (json.dumps(line, default=str) + "\n").encode()
    with _lock:
        if _waiting:
            content = b"".join(_waiting) + content
        try:
            _append(path, content)
            _waiting.clear()
        except OSError as error:
            if not _waiting:
                atexit.register(_try_again)
            _waiting[:] = content.splitlines(keepends=True)[-_MOST_WAITING:]
            say(f"metrics wait in memory, as {path} cannot be written: {error.strerror}")


def _append(path: str, content: bytes) -> None:
    file = _file(path)
    written = os.write(file, content)
    if written < len(content):
        # What a disk took before it was full is ended, so that the next line is whole.
        try:
            os.write(file, b"\n")
        finally:
            _opened.pop(path)
            os.close(file)
        raise OSError(28, "no space left")


def _file(path: str) -> int:
    """The open file; a new one where the program has closed all that was open, and may have another by its number."""
    if path in _opened:
        file, known = _opened[path]
        if known == _identity(file):
            return file
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    _opened[path] = file, _identity(file)
    return file


def _identity(file: int) -> Optional[Tuple[int, int]]:
    try:
        found = os.fstat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _try_again() -> None:
    path = os.environ.get("CNNJOBS_METRICS")
    if path and _waiting:
        try:
            _append(path, b"".join(_waiting))
        except OSError as error:
            say(f"{len(_waiting)} lines of metrics are lost, as {path} cannot be written: {error.strerror}")


def log(metrics: Optional[Mapping[str, Any]] = None, step: Any = None, **more: Any) -> None:
    """Report metrics, `log(step=3, loss=0.4)`; names that are no words go in a dict: `log({"val/acc": 0.9}, step=3)`.

    Numbers count, of NumPy and PyTorch too, in nested dicts as `outer.inner`. Without a step it is the next one.
    """
    if metrics is not None and not isinstance(metrics, Mapping):
        raise TypeError(
            f"cnnjobs.log takes metrics by name, and found {metrics!r}: log(loss=0.4), or log({{'loss': 0.4}})"
        )
    if not is_open():
        say("log: this is no run of a sweep, so what is logged goes nowhere")
        return
    data, passed = flat({**(metrics or {}), **more})
    line = {"_source": "cnnjobs.log", "_at": time.time(), "_rank": rank(), "data": data}
    if step is not None:
        line["_step"] = number(step)
    if passed:
        line["_passed"] = passed
    report(line)


def rank() -> int:
    """The number of this process among those of one program; 0 where it is the only one."""
    for name in ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "LOCAL_RANK"):
        value = os.environ.get(name, "")
        if value.isdigit():
            return int(value)
    return 0


def flat(data: Mapping[str, Any]) -> Tuple[Dict[str, Number], Dict[str, str]]:
    """The numbers of nested mappings by name, `outer.inner` as W&B has them; and the kinds of what is none, by name."""
    numbers: Dict[str, Number] = {}
    passed: Dict[str, str] = {}
    _flatten("", data, numbers, passed)
    return numbers, passed


def _flatten(before: str, data: Mapping[str, Any], numbers: Dict[str, Number], passed: Dict[str, str]) -> None:
    for key, value in data.items():
        name = before + str(key)
        kind = type(value)
        if kind is float or kind is int:
            numbers[name] = value
        elif kind is str:
            passed[name] = "text"
        elif isinstance(value, Mapping):
            _flatten(name + ".", value, numbers, passed)
        elif value is not None:
            found = number(value)
            if found is None:
                passed[name] = kind.__name__
            else:
                numbers[name] = found


def number(value: Any) -> Optional[Number]:
    """The number that a value is, of whatever library; None where it is none."""
    if isinstance(value, (bool, int)):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (str, bytes, complex)) or not hasattr(type(value), "__float__"):
        return None
    try:
        # An array or a tensor is a number where it has one element: its item() waits for a GPU, as float() would.
        plain = value.item() if hasattr(value, "item") else value
        return int(plain) if isinstance(plain, (bool, int)) else float(plain)
    except (TypeError, ValueError, RuntimeError):
        return None
