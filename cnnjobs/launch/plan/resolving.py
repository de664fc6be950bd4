"""A profile for Slurm with what it leaves open: cores, GPUs, runs at once, as the partition has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cnnjobs.config.profile import JobProfile
from cnnjobs.config.resolved_profile import ResolvedProfile
from cnnjobs.errors import InputError
from cnnjobs.launch.plan.ranks import dealt_to_ranks
from cnnjobs.slurm.cluster import Partition, read_partitions
from cnnjobs.slurm.offers import with_offers

# A job that asks for the cores of more runs waits longer for its node than it gains.
MOST_ASKED: Final = 8


def resolve(profile: JobProfile) -> ResolvedProfile:
    """The profile with what it leaves open: one core, and a GPU where its partition has some. Raises InputError.

    `runs_at_once: auto` becomes the number of runs that a job asks for cores for.
    """
    offered = read_partitions()
    wanted = profile.partition.split(",") if profile.partition else []
    chosen = [each for each in offered if each.name in wanted or (not wanted and each.is_default)]
    has_gpus = any(each.num_gpus for each in chosen)
    most = profile.at_once
    if profile.runs_at_once == "auto":
        most = cores_for(dealt_to_ranks(profile, 1, has_gpus=has_gpus), chosen)
    runs_at_once = min(most, profile.max_parallel or most)
    _check_size(profile, runs_at_once, chosen)
    return dealt_to_ranks(profile, runs_at_once, has_gpus=has_gpus)


def _check_size(profile: JobProfile, runs_at_once: int, chosen: Sequence[Partition]) -> None:
    """Slurm takes some jobs that no partition will ever let start."""
    limits = [each.max_minutes for each in chosen if each.max_minutes is not None]
    if profile.timeout_min and limits and len(limits) == len(chosen) and profile.timeout_min > max(limits):
        raise with_offers(f"job.timeout_min: found {profile.timeout_min}, over the limit of partition {chosen[0].name}")
    if profile.runs_per_job and profile.runs_per_job < runs_at_once:
        raise InputError(
            f"job.runs_per_job: found {profile.runs_per_job}, fewer than runs_at_once ({runs_at_once}); write"
            f" {runs_at_once} or more, or leave it out"
        )
    largest = max((each.num_nodes for each in chosen), default=profile.nodes)
    if profile.nodes > largest:
        raise with_offers(f"job.nodes: found {profile.nodes}, more than the {largest} of the partition")
    cores = max((group.cores for each in chosen for group in each.groups), default=0)
    wanted = profile.cpus_per_run or 1
    if cores and wanted * runs_at_once > cores * profile.nodes:
        times = f", {runs_at_once} times (runs_at_once)" if runs_at_once > 1 else ""
        raise with_offers(f"job.cpus_per_run: found {wanted}{times}, more than any node has")


def cores_for(profile: ResolvedProfile, chosen: Sequence[Partition]) -> int:
    """For how many runs a job asks for cores when it is to find out itself how many it carries.

    On every node of these partitions that takes a run there are so many, or as many for each of its GPUs.
    """
    if profile.ranks > 1:
        return 1
    groups = [group for each in chosen for group in each.groups if not profile.gpus_per_run or group.gpus]
    shares = [group.cores // (group.gpus if profile.gpus_per_run else 1) // profile.cpus_per_run for group in groups]
    most = min((share for share in shares if share), default=1)
    return min(most, MOST_ASKED, profile.max_parallel or most, profile.runs_per_job or most)
