"""What Slurm's own commands say, each asked once with a deadline and read without guessing."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cnnjobs.errors import InputError

COMMAND_SECONDS: Final = 30
PENDING_STATES: Final = frozenset(
    {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD"}
)
ACTIVE_STATES: Final = frozenset(
    {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}
)


class SlurmError(InputError):
    """A Slurm command refused or did not answer; the message holds its own words."""


@dataclass(frozen=True)
class Task:
    """One element of a job array, as squeue or sacct knows it."""

    job_id: int
    index: int
    state: str
    reason: str = ""
    exit_code: str = ""
    node: str = ""
    name: str = ""


@dataclass(frozen=True)
class Limits:
    """What bounds a submission. MaxArraySize caps the index, so an array has at most that many elements."""

    version: str
    cluster: str
    max_array_size: int
    max_job_count: int
    accounting: bool


def ask(*command: str, seconds: float = COMMAND_SECONDS, environment: Mapping[str, str] | None = None) -> str:
    """Standard output of one Slurm command. Raises SlurmError with Slurm's own words, or that it did not answer."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            env={**os.environ, **(environment or {})},
        )
    except FileNotFoundError:
        raise SlurmError(f"{command[0]} is not on the PATH: this machine is no login node of a Slurm cluster") from None
    except subprocess.TimeoutExpired:
        raise SlurmError(
            f"{command[0]} did not answer within {seconds:g} s; is slurmctld up? try: scontrol ping"
        ) from None
    if done.returncode:
        raise SlurmError(f"{command[0]}: {' '.join((done.stderr or done.stdout).split())}")
    return done.stdout


def controller_answers() -> bool:
    """Whether a slurmctld answers; takes milliseconds either way."""
    try:
        ask("scontrol", "ping", seconds=10)
    except SlurmError:
        return False
    return True


def limits() -> Limits:
    """The cluster's limits, from `scontrol show config`. Raises SlurmError."""
    settings = dict(re.findall(r"^(\S+)\s*=\s*(.*?)\s*$", ask("scontrol", "show", "config"), flags=re.MULTILINE))
    return Limits(
        version=settings.get("SLURM_VERSION", "unknown"),
        cluster=settings.get("ClusterName", "unknown"),
        max_array_size=int(settings.get("MaxArraySize", 1001)),
        max_job_count=int(settings.get("MaxJobCount", 10000)),
        accounting="slurmdbd" in settings.get("AccountingStorageType", ""),
    )


def queue(*, jobs: Sequence[int] | None = None, name: str | None = None) -> list[Task]:
    """Every pending or running array element of these jobs, or of this job name, in one call. Raises SlurmError."""
    command = ["squeue", "--noheader", "--array", "--format=%F|%K|%T|%r|%N|%j"]
    if name is not None:
        command.append(f"--name={name}")
    # squeue refuses a list in which no job is known to it any more, so jobs are picked out of the user's own.
    command.append("--me")
    wanted = None if jobs is None else set(jobs)
    tasks = [_queued(line) for line in ask(*command).splitlines() if line.strip()]
    return [task for task in tasks if wanted is None or task.job_id in wanted]


def _queued(line: str) -> Task:
    job_id, index, state, reason, node, name = line.split("|", 5)
    return Task(int(job_id), int(index) if index.isdigit() else 0, state, reason, node=node, name=name.strip())


def accounting(jobs: Iterable[int]) -> list[Task]:
    """What slurmdbd remembers of these jobs, the latest start of each element, in one call. Raises SlurmError."""
    listed = ",".join(str(job) for job in jobs)
    columns = "JobID,State,ExitCode,NodeList,Reason"
    text = ask("sacct", "--noheader", "--parsable2", "--allocations", f"--format={columns}", f"--jobs={listed}")
    return [task for line in text.splitlines() if line.strip() for task in _accounted(line)]


def _accounted(line: str) -> list[Task]:
    """`12_3|CANCELLED by 0|0:15|n1|None`; a pending array stands in one line, `12_[4-9,11%2]`, and is squeue's affair."""
    identity, state, exit_code, node, reason = line.split("|", 4)
    job, _, index = identity.partition("_")
    if not job.isdigit() or (index and not index.isdigit()):
        return []
    return [Task(int(job), int(index or 0), state.split()[0], reason, exit_code, node)]
