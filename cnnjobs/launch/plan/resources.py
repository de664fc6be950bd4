"""Shares of this machine: runs at once, threads and GPU of each. Without loading torch."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cnnjobs.config.profile import JobProfile
from cnnjobs.errors import InputError
from cnnjobs.launch.plan.ranks import check_ranks
from cnnjobs.system.capacity import MOST_ON_GPU

_PATIENCE_S: Final = 20
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_DEVICES = Path("/dev")


@dataclass(frozen=True)
class Resources:
    """At most `workers` runs at once, each in `ranks` processes with `threads` threads.

    Worker k trains on gpus[k % len(gpus)], with several ranks on as many GPUs. Where it is `measured`, one goes ahead
    and shows how many more there is memory for.
    """

    workers: int
    threads: int
    gpus: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    ranks: int = 1
    measured: bool = False

    def gpu(self, worker: int) -> str | None:
        """The GPU of a worker, or those of its ranks, as CUDA_VISIBLE_DEVICES names them; None for the CPU."""
        if not self.gpus:
            return None
        first = worker % (len(self.gpus) // self.ranks) * self.ranks
        return ",".join(self.gpus[first : first + self.ranks])


def share_out(profile: JobProfile, num_runs: int) -> Resources:
    """Share of this machine for each run of a sweep of `num_runs`. Raises InputError.

    It depends on the whole sweep, never on what is left of it: a run that starts tomorrow has as many threads as one of
    today, so that its numbers stay the same.
    """
    cores = allowed_cores()
    gpus = find_gpus() if profile.gpus_per_run != 0 else ()
    ranks = profile.gpus_per_run or 1
    check_ranks(profile, ranks, profile.at_once)
    if profile.gpus_per_run and len(gpus) < ranks:
        visible = f"{len(gpus) or 'no'} {'GPU is' if len(gpus) < 2 else 'GPUs are'} visible"
        remedy = f"write {len(gpus)}, or look at `nvidia-smi -L`"
        raise InputError(f"job.gpus_per_run: found {ranks}, but {visible} here; {remedy}")
    if (profile.cpus_per_run or 1) > cores:
        raise InputError(f"job.cpus_per_run: found {profile.cpus_per_run}, but only {cores} cores are allowed here")
    room = cores // (profile.cpus_per_run or 1)
    shares, measured = len(gpus) // ranks, profile.runs_at_once == "auto" and ranks == 1
    wanted = profile.max_parallel or (shares if gpus else room)
    if gpus and (ranks > 1 or "runs_at_once" in profile.model_fields_set):
        shares *= MOST_ON_GPU if measured else profile.at_once
        wanted = min(profile.max_parallel or shares, shares)
    workers = min(wanted, room)
    threads = profile.cpus_per_run or max(1, cores // min(workers, max(1, num_runs)))
    notices = tuple(_notices(wanted, workers, cores, gpus, profile))
    return Resources(workers, max(1, threads // ranks), gpus, notices, ranks, measured and workers > 1)


def _notices(wanted: int, workers: int, cores: int, gpus: tuple[str, ...], profile: JobProfile) -> Iterator[str]:
    if wanted != workers and profile.runs_at_once != "auto":
        each = f" with {profile.cpus_per_run} threads each" if profile.cpus_per_run else ""
        yield f"{workers} runs at once instead of {wanted}{each}: {cores} cores are allowed here"
    if profile.at_once > 1 and not gpus:
        yield "runs_at_once is not used without a GPU here: max_parallel says how many runs share the cores"
    if profile.set_for_slurm():
        yield f"not used on this machine, they are for Slurm: {', '.join(profile.set_for_slurm())}"


def allowed_cores() -> int:
    """The cores that this process may use: its affinity and its container's quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = _CPU_QUOTA.read_text().split()
        return max(1, min(affinity, math.ceil(int(quota) / int(period))))
    return affinity


def find_gpus() -> tuple[str, ...]:
    """The GPUs that a process here may use, each as CUDA_VISIBLE_DEVICES names it."""
    present = _present_gpus()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or not present:
        return present
    # CUDA stops at the first entry that it does not know: an empty one or -1 hides all that follow.
    named: list[str] = []
    for entry in (part.strip() for part in visible.split(",")):
        if entry in ("", "-1"):
            break
        named.append(entry)
    return tuple(named)


def _present_gpus() -> tuple[str, ...]:
    """By number, from the driver's own list or else from the device files."""
    if shutil.which("nvidia-smi"):
        with suppress(OSError, subprocess.TimeoutExpired):
            listed = subprocess.run(
                ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=_PATIENCE_S, check=False
            )
            return tuple(re.findall(r"^GPU (\d+):", listed.stdout, flags=re.MULTILINE))
    files = (re.fullmatch(r"nvidia(\d+)", path.name) for path in _DEVICES.glob("nvidia[0-9]*"))
    return tuple(sorted((found[1] for found in files if found), key=int))
