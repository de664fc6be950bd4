"""Slurm's submit limits for this user now."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from cnnjobs.config.resolved_profile import ResolvedProfile
from cnnjobs.slurm.cluster import parse_limits
from cnnjobs.slurm.commands import SlurmError, ask
from cnnjobs.slurm.offers import accounting

_PATIENCE_S: Final = 10


@dataclass(frozen=True)
class SubmitLimit:
    """Number of array tasks that may be submitted now, and the limit behind it."""

    tasks: int
    limit: str


def submit_limit(profile: ResolvedProfile, wanted: int) -> SubmitLimit:
    """The least room that any limit leaves for `wanted` array tasks. Raises SlurmError."""
    bounds = parse_limits(ask("scontrol", "show", "config", seconds=_PATIENCE_S))
    rooms = [SubmitLimit(bounds.max_array_size, f"MaxArraySize {bounds.max_array_size}")]
    # A few more never matter where many fit, and counting all jobs of a cluster costs its controller something.
    if wanted > bounds.max_job_count // 20:
        left = bounds.max_job_count - 1 - _num_jobs("--states=all")
        rooms.append(SubmitLimit(max(0, left), f"MaxJobCount {bounds.max_job_count}, less the jobs there are"))
    limit = _submit_limit(profile) if bounds.accounting else None
    if limit is not None:
        mine = _num_jobs(f"--user={getpass.getuser()}")
        text = f"{limit.limit}, {mine} of them in use" if mine else limit.limit
        rooms.append(SubmitLimit(max(0, limit.tasks - mine), text))
    return min(rooms, key=lambda each: each.tasks)


def is_accounted() -> bool:
    """Check whether accounting will tell how jobs have ended; taken for granted where Slurm does not say."""
    with suppress(SlurmError):
        return parse_limits(ask("scontrol", "show", "config", seconds=_PATIENCE_S)).accounting
    return True


def _num_jobs(which: str) -> int:
    return len(ask("squeue", "--noheader", "--array", "--format=%t", which, seconds=_PATIENCE_S).split())


def _submit_limit(profile: ResolvedProfile) -> SubmitLimit | None:
    """The least MaxSubmitJobs of the user or of the QOS; None where accounting tells of none, or does not answer."""
    # Where it does not answer, sbatch itself still refuses what is too much.
    with suppress(SlurmError):
        associations = accounting(
            "assoc", "where", f"user={getpass.getuser()}", columns="Account,Partition,MaxSubmit,GrpSubmit,DefaultQOS"
        )
        qualities = accounting("qos", columns="Name,MaxSubmitPU,MaxSubmitPA,GrpSubmit")
        return min(read_submit_limits(associations, qualities, profile), key=lambda each: each.tasks, default=None)
    return None


def read_submit_limits(associations: str, qualities: str, profile: ResolvedProfile) -> Iterable[SubmitLimit]:
    """Every limit that holds for a job of this profile, from sacctmgr's answers.

    Lines are `account|partition|MaxSubmit|GrpSubmit|default QOS` and `QOS|MaxSubmitPU|MaxSubmitPA|GrpSubmit`.
    """
    names = {profile.qos or "normal"}
    for line in associations.splitlines():
        account, partition, most, group, default = line.split("|", 4)
        if profile.account in (None, account) and partition in ("", profile.partition):
            names |= {default} if default and profile.qos is None else set()
            limit = f"of your account {account}"
            yield from (
                SubmitLimit(int(each), f"MaxSubmitJobs {each} {limit}") for each in (most, group) if each.isdigit()
            )
    for line in qualities.splitlines():
        name, *bounds = line.split("|", 3)
        if name in names:
            yield from (
                SubmitLimit(int(each), f"MaxSubmitJobs {each} of QOS {name}") for each in bounds if each.isdigit()
            )
