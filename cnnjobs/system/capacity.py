"""Number of runs that a device carries, from the share that one of them takes."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from cnnjobs.system.memory import free_memory, own_memory
from cnnjobs.system.processes import descendants

# More processes on one GPU wait for each other more than they compute.
MOST_ON_GPU: Final = 8
# A run takes more in its evaluations than before them, and others may need some.
_SAFE: Final = 0.8
_PATIENCE_S: Final = 10
_GB: Final = 1e9


@dataclass(frozen=True)
class Usage:
    """Usage of one run: `memory` where `free` is left beside it (bytes), and the share of the time it computes."""

    memory: int
    free: int
    busy: float | None = None

    def carried(self, most: int) -> int:
        """Number of such runs at once, up to `most`: as many as fit in memory and have work to do there."""
        room = 1 + math.floor(_SAFE * self.free / max(1, self.memory))
        turns = math.ceil(1 / self.busy) if self.busy else most
        return max(1, min(most, room, turns))

    def told(self, where: str) -> str:
        """Findings in words."""
        busy = "" if self.busy is None else f" and computes {self.busy:.0%} of the time"
        return f"one takes {self.memory / _GB:.1f} GB{busy}, {self.free / _GB:.1f} GB of {where} are free"


class AtOnce:
    """Number of runs at once: `most`; or, `measured`, one that shows what it takes, then as many as fit beside it.

    They share `gpus` and, where there is a limit, `memory` (bytes) of what is called `where`. `notes` are for the
    records of the runs that start once the number is known; `tell` hears them, too.
    """

    def __init__(
        self,
        most: int,
        tell: Callable[[str], None] = print,
        *,
        measured: bool = False,
        gpus: Sequence[str] = (),
        memory: int | None = None,
        where: str = "this machine",
    ) -> None:
        self._most, self._tell = most, tell
        self._gpus, self._memory, self._where = tuple(gpus), memory, where
        self._number = None if measured and most > 1 else most
        self.notes: tuple[str, ...] = ()

    def number(self, shown: int | None) -> int:
        """So many may go on now; `shown` is the process of a run that has passed a validation, if one has."""
        if self._number is None:
            if shown is None:
                return 1
            self._number, text = carried(shown, self._gpus, self._most, where=self._where, limit=self._memory)
            self.notes = (text,)
            self._tell(text)
        return self._number


def carried(
    pid: int, gpus: Sequence[str], most: int, *, where: str = "this machine", limit: int | None = None
) -> tuple[int, str]:
    """Number of runs like that of a process that fit at once, up to `most`, as many on each GPU; and why, in a line.

    `limit` is how much memory (bytes) this process and the runs that it starts may take together.
    """
    places = len(gpus) or 1
    number, of_each = most, -(-most // places)
    told = []
    usage = measured(pid, None, limit)
    # Where it is not told, only memory is not guarded; on a GPU, a second run may be too much.
    if usage is not None:
        number = usage.carried(number)
        told.append(usage.told(where))
    if gpus:
        usage = measured(pid, gpus[0])
        number = min(number, places * (usage.carried(of_each) if usage is not None else 1))
        each = f", the same on each of {places} GPUs" if places > 1 else ""
        told.append(usage.told(f"GPU {gpus[0]}") + each if usage is not None else "the GPU does not tell what it takes")
    words = "; ".join(told) or "this system does not tell what a run takes"
    return number, f"{number} {'run' if number == 1 else 'runs'} at once, of {most} at most: {words}"


def measured(pid: int, gpu: str | None, limit: int | None = None) -> Usage | None:
    """Usage of this machine's memory or GPU by the run of a process; None where it cannot be read."""
    return _of_process(pid, limit) if gpu is None else _of_gpu(gpu)


def _of_process(pid: int, limit: int | None) -> Usage | None:
    own, free = own_memory(pid), free_memory()
    if own is None or free is None:
        return None
    # A program takes its memory in processes of its own.
    memory = own + sum(own_memory(each) or 0 for each in descendants(pid))
    taken = memory + (own_memory(os.getpid()) or 0)
    return Usage(memory, free if limit is None else min(free, max(0, limit - taken)))


def _of_gpu(gpu: str) -> Usage | None:
    """All that is taken of it counts as the run's: a container does not tell whose it is."""
    tool, query = shutil.which("nvidia-smi"), "--query-gpu=memory.used,memory.total,utilization.gpu"
    if tool is None:
        return None
    with suppress(OSError, subprocess.SubprocessError):
        asked = [tool, query, "--format=csv,noheader,nounits", f"--id={gpu}"]
        said = subprocess.run(asked, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
        return read_usage(said.stdout)
    return None


def read_usage(said: str) -> Usage | None:
    """The answer `used, total, busy` in MiB and percent; a part of a GPU has no share of the time: `[N/A]`."""
    fields = [field.strip() for field in said.partition("\n")[0].split(",")]
    if len(fields) != 3 or not (fields[0].isdecimal() and fields[1].isdecimal()):
        return None
    used, total = (int(field) << 20 for field in fields[:2])
    return Usage(used, total - used, int(fields[2]) / 100 if fields[2].isdecimal() else None)
