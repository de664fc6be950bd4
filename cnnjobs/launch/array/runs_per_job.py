"""How many runs each job of an array gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cnnjobs.config.profile import JobProfile
from cnnjobs.errors import InputError
from cnnjobs.launch.array.limits import submit_limit
from cnnjobs.slurm.cluster import Partition
from cnnjobs.slurm.commands import SlurmError

# A job that asks for the cores of more runs waits longer for its node than it gains.
MOST_ASKED: Final = 8


def cores_for(profile: JobProfile, chosen: Sequence[Partition]) -> int:
    """For how many runs a job asks for cores when it is to find out itself how many it carries.

    On every node of these partitions that takes a run there are so many, or as many for each of its GPUs.
    """
    if max(profile.nodes, profile.gpus_per_run or 0) > 1:
        return 1
    cores = profile.cpus_per_run or 1
    groups = [group for each in chosen for group in each.groups if not profile.gpus_per_run or group.gpus]
    shares = [group.cores // (group.gpus if profile.gpus_per_run else 1) // cores for group in groups]
    most = min((share for share in shares if share), default=1)
    return min(most, MOST_ASKED, profile.max_parallel or most, profile.runs_per_job or most)


def deal(runs: Sequence[str], profile: JobProfile) -> tuple[tuple[str, ...], ...]:
    """Runs for each element of the array, the first run first: as many as it trains at once where there is room."""
    if not runs:
        return ()
    wanted = -(-len(runs) // (profile.runs_per_job or profile.at_once))
    space = submit_limit(profile, wanted)
    if space.tasks < 1:
        raise SlurmError(f"no more jobs may be submitted now ({space.limit}); wait for some to end, or cancel some")
    if profile.runs_per_job and wanted > space.tasks:
        raise InputError(
            f"job.runs_per_job: found {profile.runs_per_job}, which makes {wanted} jobs, but {space.tasks} fit now "
            f"({space.limit}); write {-(-len(runs) // space.tasks)} or more, or leave it out"
        )
    number = min(wanted, space.tasks)
    return tuple(tuple(runs[index::number]) for index in range(number))


def dealing(
    runs: Sequence[str], tasks: Sequence[Sequence[str]], profile: JobProfile, *, measured: bool
) -> tuple[str, ...]:
    """A notice where jobs have more runs than was asked for, or where runs_at_once: auto leaves nothing to find out."""
    if measured and profile.at_once == 1 and len(runs) > 1:
        why = "cpus_per_run, the ranks of a run, max_parallel or runs_per_job leave no room for another one"
        return (f"runs_at_once: auto is 1 run at a time in each job here: {why}",)
    if profile.runs_per_job or len(tasks) * profile.at_once >= len(runs):
        return ()
    limit = submit_limit(profile, -(-len(runs) // profile.at_once)).limit
    return (f"{len(runs)} runs in {len(tasks)} jobs, up to {len(tasks[0])} in each: no more jobs fit ({limit})",)
