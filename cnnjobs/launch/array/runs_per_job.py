"""Runs of each job of an array."""

from __future__ import annotations

from collections.abc import Sequence

from cnnjobs.config.resolved_profile import ResolvedProfile
from cnnjobs.errors import InputError
from cnnjobs.launch.array.limits import submit_limit
from cnnjobs.slurm.commands import SlurmError


def split_runs(runs: Sequence[str], profile: ResolvedProfile) -> tuple[tuple[str, ...], ...]:
    """Runs for each array task, the first run first: as many as it trains at once where there is room."""
    if not runs:
        return ()
    wanted = -(-len(runs) // (profile.runs_per_job or profile.runs_at_once))
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


def split_notices(runs: Sequence[str], tasks: Sequence[Sequence[str]], profile: ResolvedProfile) -> tuple[str, ...]:
    """A notice where jobs have more runs than was asked for, or where runs_at_once: auto leaves nothing to find out."""
    if profile.runs_at_once_auto and profile.runs_at_once == 1 and len(runs) > 1:
        why = "cpus_per_run, the ranks of a run, max_parallel or runs_per_job leave no room for another one"
        return (f"runs_at_once: auto is 1 run at a time in each job here: {why}",)
    if profile.runs_per_job or len(tasks) * profile.runs_at_once >= len(runs):
        return ()
    limit = submit_limit(profile, -(-len(runs) // profile.runs_at_once)).limit
    return (f"{len(runs)} runs in {len(tasks)} jobs, up to {len(tasks[0])} in each: no more jobs fit ({limit})",)
