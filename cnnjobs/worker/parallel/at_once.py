"""Resources that Slurm has given to a job, and the usage that the first run has shown."""

from __future__ import annotations

import mmap
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cnnjobs.disk.submission_folder import JobArray
from cnnjobs.system.capacity import MOST_ON_GPU

_MB: Final = 1 << 20
_BYTES: Final = 8


@dataclass(frozen=True)
class Allotment:
    """The cores of a job on its node and the bytes of memory that it may take, None where Slurm sets no limit."""

    cores: int
    memory: int | None

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Allotment:
        """Read Slurm's variables in the environment of the job; with cores that this process may not use left out."""
        given = int(environment.get("SLURM_CPUS_ON_NODE") or 0)
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        of_core = int(environment.get("SLURM_MEM_PER_CPU") or 0) * given
        memory = int(environment.get("SLURM_MEM_PER_NODE") or of_core)
        # 0 stands for all that there is.
        return cls(min(given or usable, usable), _MB * memory or None)

    def most_runs(self, array: JobArray, gpus: Sequence[str]) -> int:
        """Number of runs that have cores for all their threads; on a GPU no more than make sense."""
        most = max(1, self.cores // array.threads)
        # Those beyond the cores that were asked for, as on a whole node, are for use too, unless runs are counted.
        counted = array.profile.max_parallel is not None
        return min(most, array.runs_at_once if counted else most, MOST_ON_GPU * len(gpus) if gpus else most)


class ShownProcess:
    """The process of the run that has last passed a validation, as the processes that are forked from this one tell."""

    def __init__(self) -> None:
        self._number = mmap.mmap(-1, _BYTES)

    def show(self) -> None:
        """Called by the process of a run: it takes now what it is going to take."""
        self._number[:] = os.getpid().to_bytes(_BYTES, "big")

    def among(self, training: Collection[int]) -> int | None:
        """Its number, while it is one of these."""
        pid = int.from_bytes(self._number[:], "big")
        return pid if pid in training else None
