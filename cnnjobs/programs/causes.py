"""Causes of a program's failure: its exit code or signal, and what its last lines tell."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Final

from cnnjobs.system.failure import full_memory, machine_is_full

# EX_TEMPFAIL of sysexits.h: the program is to be started again, and goes on.
GO_ON_LATER: Final = 75
_SHELL_SIGNALS: Final = 128
_MOST: Final = 400
_TRACEBACK: Final = "Traceback (most recent call last)"
_PLACE: Final = re.compile(r'^\s+File "(?P<file>[^"]+)", line (?P<line>\d+)(, in (?P<name>.+))?')
_EXCEPTION: Final = re.compile(r"^[A-Za-z_][\w.]*(: .*)?$")
# Those of whoever has started the process that has failed.
_STARTERS: Final = ("ChildFailedError", "CalledProcessError", "ProcessExitedException", "ProcessRaisedException")
# argparse, click, jsonargparse, and what else says so of itself.
_COMPLAINT: Final = re.compile(r"^(\S.*: )?(error|fatal|usage error)\b.*:? ", re.IGNORECASE)
_HYDRA_END: Final = "HYDRA_FULL_ERROR"
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
# A process of several, an exception of a group.
_FRAME: Final = re.compile(r"^(\[[^\]]*rank ?\d+\]:? ?|  [|+] )", re.IGNORECASE)


def cause_of_exit(code: int, tail: Sequence[str], *, own_folders: Sequence[Path], memory_was_full: bool) -> str:
    """The cause in one line; `code` is negative for a signal, and `tail` are the last lines of the output.

    A place in the program is told by the file as it is called from one of its `own_folders`. `memory_was_full` says
    that the system has killed a process of this job for its memory.
    """
    lines = [_FRAME.sub("", line) for line in tail]
    said = _last_words(lines, own_folders)
    number = -code if code < 0 else code - _SHELL_SIGNALS if code > _SHELL_SIGNALS else 0
    name = _signal_name(number)
    ended = f"killed by {name}" if name else f"exit code {code}"
    if number == signal.SIGKILL:
        if memory_was_full:
            return machine_is_full(f"{ended} by the system")
        return f"{ended}: out of memory, or ended from outside{f'; its last words: {said}' if said else ''}"
    if full := full_memory(said):
        return full
    if name:
        crash = " (a crash inside a library)" if number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL) else ""
        return f"{ended}{crash}{f'; its last words: {said}' if said else ''}"
    remedy = _REMEDIES.get(code, "") if code in (_NOT_FOUND, _NOT_EXECUTABLE) else _missing_module(said)
    return f"{said or 'it said nothing'} ({ended}){remedy}"


_REMEDIES: Final = {
    _NOT_FOUND: "; install it here, or name another in `command:`",
    _NOT_EXECUTABLE: "; make it executable (chmod +x), or name its interpreter in `command:`",
}


def _missing_module(said: str) -> str:
    if not said.startswith("ModuleNotFoundError"):
        return ""
    return "; `python` is the first on PATH: activate the environment that has it, or name its python in `command:`"


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}" if 0 < number < signal.NSIG else ""


def _last_words(lines: Sequence[str], own_folders: Sequence[Path]) -> str:
    """Most telling of the last lines: an exception, a complaint of the command line, else the last one."""
    told = _exception(lines, own_folders) or _hydras(lines) or _complaint(lines)
    words = " ".join((told or next((line for line in reversed(lines) if line.strip()), "")).split())
    return words if len(words) <= _MOST else f"{words[:_MOST]} ..."


def _exception(lines: Sequence[str], own_folders: Sequence[Path]) -> str:
    """The exception of the last traceback that is not of a mere starter, and where in the program it was raised."""
    starts = [number for number, line in enumerate(lines) if _TRACEBACK in line]
    for start, end in reversed(list(pairwise([*starts, len(lines)]))):
        place = ""
        for line in lines[start + 1 : end]:
            if match := _PLACE.match(line):
                place = _place(match, own_folders) or place
            elif line and not line.startswith((" ", "\t")):
                name = line.partition(":")[0]
                if _EXCEPTION.match(line) and not name.endswith(_STARTERS):
                    return f"{name.rpartition('.')[2]}{line[len(name) :]}{f' ({place})' if place else ''}"
                break
    return ""


def _place(match: re.Match[str], own_folders: Sequence[Path]) -> str:
    file = Path(match["file"])
    for folder in own_folders:
        if file.is_relative_to(folder) and "site-packages" not in file.parts:
            name = f" in {match['name']}" if match["name"] else ""
            return f"{file.relative_to(folder)}:{match['line']}{name}"
    return ""


def _hydras(lines: Sequence[str]) -> str:
    """Message of Hydra, without its hint on how to see more."""
    ends = [number for number, line in enumerate(lines) if _HYDRA_END in line]
    if not ends:
        return ""
    said = [line for line in lines[: ends[-1]] if line.strip()]
    starts = [number for number, line in enumerate(said) if line.startswith(("Could not", "Error", "In '", "Cannot"))]
    return " ".join(said[starts[-1] :][:3]) if starts else said[-1] if said else ""


def _complaint(lines: Sequence[str]) -> str:
    return next((line for line in reversed(lines) if _COMPLAINT.match(line)), "")
