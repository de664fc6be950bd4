"""How many runs of a job train at once: a number, or as many as what Slurm has given to the job carries."""

from __future__ import annotations

import mmap
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cnnjobs.disk.submission_folder import JobArray
from cnnjobs.system.capacity import MOST_ON_GPU, carried
from cnnjobs.system.log import say

_MB: Final = 1 << 20
_BYTES: Final = 8


@dataclass(frozen=True)
class Allotment:
    """The cores of a job on its node and the bytes of memory that it may take, None where Slurm sets no limit."""

    cores: int
    memory: int | None

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Allotment:
        """What Slurm tells in the environment of the job; with cores that this process may not use left out."""
        given = int(environment.get("SLURM_CPUS_ON_NODE") or 0)
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        of_core = int(environment.get("SLURM_MEM_PER_CPU") or 0) * given
        memory = int(environment.get("SLURM_MEM_PER_NODE") or of_core)
        # 0 stands for all that there is.
        return cls(min(given or usable, usable), _MB * memory or None)

    def most_runs(self, intent: JobArray, gpus: Sequence[str]) -> int:
        """How many runs have cores, each for all its threads; on a GPU no more than make sense."""
        most = max(1, self.cores // intent.threads)
        # Those beyond the cores that were asked for, as on a whole node, are for use too, unless runs are counted.
        counted = intent.profile.max_parallel is not None
        return min(most, intent.runs_at_once if counted else most, MOST_ON_GPU * len(gpus) if gpus else most)


class AtOnce:
    """`most` runs; or one, until it has passed a validation in its process, then as many as fit beside it.

    It is `measured` where `memory` and `gpus` are those of the job. `notes` are for the records of the runs that start
    once the number is known.
    """

    def __init__(
        self, most: int, *, measured: bool = False, gpus: Sequence[str] = (), memory: int | None = None
    ) -> None:
        self._most, self._gpus, self._memory = most, tuple(gpus), memory
        self._number = None if measured and most > 1 else most
        # Shared with the processes that are forked from this one.
        self._shown = mmap.mmap(-1, _BYTES)
        self.notes: tuple[str, ...] = ()

    def show(self) -> None:
        """Called by the process of a run: it takes now what it is going to take."""
        self._shown[:] = os.getpid().to_bytes(_BYTES, "big")

    def __call__(self, training: Collection[int]) -> int:
        """How many may go on now that the processes of these numbers do."""
        if self._number is None:
            pid = int.from_bytes(self._shown[:], "big")
            if pid not in training:
                return 1
            places = len(self._gpus) or 1
            most = -(-self._most // places)
            number, text = carried(pid, self._gpus, most, where="this job", limit=self._memory)
            self._number, self.notes = min(number, self._most), (text,)
            say("worker", text)
        return self._number
