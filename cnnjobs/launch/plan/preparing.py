"""A sweep made ready to start in its place: the plan of what is asked for, and what its runs get there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cnnjobs.components.data.datasets import data_folders
from cnnjobs.config.resolved_profile import ResolvedProfile
from cnnjobs.disk.submission_folder import Stacks
from cnnjobs.launch.plan.data_sets import check_data, check_same_data
from cnnjobs.launch.plan.place import profile_for_slurm, profile_here
from cnnjobs.launch.plan.plan import Plan, Selection, check_weights, make_plan
from cnnjobs.launch.plan.resolving import resolve
from cnnjobs.launch.plan.resources import Resources, share_out
from cnnjobs.launch.plan.stacks import stacks_here
from cnnjobs.launch.plan.trials import try_runs
from cnnjobs.status.repair import Queue, look_at
from cnnjobs.status.sweeps import OpenSweep
from cnnjobs.sweep.settings import JobSettings


@dataclass(frozen=True)
class Prepared:
    """The plan of a selection as of now, and the folders of its data."""

    selection: Selection
    plan: Plan
    folders: tuple[Path, ...]
    on_gpu: bool

    def notices(self, *, at_start: bool) -> Iterator[str]:
        """All that can be known before anything starts: data and weights are there, one run of each kind was tried.

        A run is tried in full only `at_start`. Raises InputError.
        """
        if self.plan.sweep.is_of_program:
            return
        yield from check_data(self.plan.to_run, self.folders, self.plan.sweep.path)
        yield from check_same_data(self.plan, self.folders)
        check_weights(self.plan, self.folders)
        yield from try_runs(self.plan, self.folders, at_start=at_start, on_gpu=self.on_gpu)


@dataclass(frozen=True)
class PreparedHere(Prepared):
    """The same for workers of this machine: how it is shared out, and which runs train as one network."""

    resources: Resources
    stacks: Stacks


@dataclass(frozen=True)
class PreparedForSlurm(Prepared):
    """The same for a job array: its profile, and what Slurm has of the sweep already."""

    profile: ResolvedProfile
    queue: Queue

    def again(self, queue: Queue, also: Iterable[str] = ()) -> PreparedForSlurm:
        """Planned anew by what is queued now; the runs `also` are taken up even where only others were asked for."""
        selection = self.selection.along_with(also)
        plan = make_plan(self.plan.sweep, self.plan.store, selection, queued=queue.runs())
        return replace(self, plan=plan, queue=queue)


def prepare_here(opened: OpenSweep, selection: Selection, job: JobSettings, data_dir: Path | None) -> PreparedHere:
    """Share this machine out for the whole sweep and plan what is selected of it; writes nothing. Raises InputError."""
    sweep, profile = opened.sweep, profile_here(job)
    resources = share_out(profile, len(sweep.runs))
    selection = replace(selection, parallel=resources.workers)
    return PreparedHere(
        selection,
        make_plan(sweep, opened.store, selection, queued=look_at(opened.store).runs()),
        data_folders(data_dir, profile.data_dir),
        bool(resources.gpus),
        resources,
        stacks_here(sweep, profile, resources),
    )


def prepare_for_slurm(
    opened: OpenSweep, selection: Selection, job: JobSettings, data_dir: Path | None
) -> PreparedForSlurm:
    """Resolve the profile and plan what is selected of a sweep; writes nothing. Raises InputError."""
    profile, queue = resolve(profile_for_slurm(job)), look_at(opened.store)
    selection = replace(selection, parallel=profile.max_parallel)
    return PreparedForSlurm(
        selection,
        make_plan(opened.sweep, opened.store, selection, queued=queue.runs()),
        data_folders(data_dir, profile.data_dir),
        bool(profile.gpus_per_run),
        profile,
        queue,
    )
