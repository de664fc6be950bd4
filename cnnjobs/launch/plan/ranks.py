"""Runs that train on several GPUs or nodes at once: what each rank of a run gets, and what does not fit together."""

from __future__ import annotations

from collections.abc import Iterable

from cnnjobs.config.profile import JobProfile
from cnnjobs.config.resolved_profile import ResolvedProfile, num_ranks
from cnnjobs.config.run import RunConfig
from cnnjobs.errors import InputError


def dealt_to_ranks(profile: JobProfile, runs_at_once: int, *, has_gpus: bool) -> ResolvedProfile:
    """The profile with the GPUs and cores that it leaves open: the least of each that all ranks need.

    Raises InputError for what cannot be dealt out evenly.
    """
    nodes = profile.nodes
    gpus = profile.gpus_per_run
    if gpus is None:
        gpus = nodes if has_gpus else 0
    if gpus % nodes:
        remedy = f"write {nodes} or another multiple of it, a GPU for each rank, or 0 for the CPU"
        raise InputError(f"job.gpus_per_run: found {gpus} for a run on {nodes} nodes; {remedy}")
    ranks = num_ranks(nodes, gpus)
    check_ranks(profile, ranks, runs_at_once)
    return ResolvedProfile.of(
        profile,
        gpus_per_run=gpus,
        cpus_per_run=profile.cpus_per_run or ranks,
        runs_at_once=runs_at_once,
        runs_at_once_auto=profile.runs_at_once == "auto",
        stack="off" if ranks > 1 else profile.stack,
    )


def check_ranks(profile: JobProfile, ranks: int, runs_at_once: int) -> None:
    """Raises InputError for what does not go with so many ranks."""
    cores = profile.cpus_per_run or ranks
    if cores % ranks:
        remedy = f"write {ranks} or another multiple of it, or leave it out"
        raise InputError(f"job.cpus_per_run: found {cores} for the {ranks} ranks of a run; {remedy}")
    for key, wanted in (("runs_at_once", runs_at_once), ("stack", profile.stack)):
        if ranks > 1 and isinstance(wanted, int) and wanted > 1:
            found = f"found {wanted} with {ranks} ranks for each run"
            raise InputError(f"job.{key}: {found} (gpus_per_run, nodes); leave one of them out")


def check_batches(configs: Iterable[RunConfig], ranks: int) -> None:
    """Raises InputError for a run whose batches have fewer images than the run has ranks."""
    smallest = min((config.batch_size for config in configs), default=ranks)
    if smallest < ranks:
        raise InputError(
            f"batch_size: found {smallest}, fewer images than the {ranks} ranks of a run (gpus_per_run, nodes); give"
            f" each rank an image: batch_size {ranks} or more, or fewer ranks"
        )
