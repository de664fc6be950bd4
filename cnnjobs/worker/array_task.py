"""Array task: trains its runs in turn, side by side or in ranks, or evaluates them."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import RunFolder, RunState
from cnnjobs.disk.submission_folder import FULL_DISK_CODE, Stacks, SubmissionFolder
from cnnjobs.errors import InputError, is_full
from cnnjobs.system.capacity import AtOnce
from cnnjobs.system.log import say
from cnnjobs.system.stop_request import Stopped, StopRequest
from cnnjobs.worker.job import Job
from cnnjobs.worker.parallel.at_once import Allotment, ShownProcess
from cnnjobs.worker.parallel.rank_processes import RankStarts, by_srun
from cnnjobs.worker.parallel.side_by_side import SUPERSEDED_CODE, SideBySide, preload
from cnnjobs.worker.run_list import train_runs
from cnnjobs.worker.search.turns import turns
from cnnjobs.worker.slurm_environment import SlurmEnvironment
from cnnjobs.worker.workloads import are_of_program


def train_array_task(path: Path, stop: StopRequest) -> int:
    """Train the runs of this array task of the submission in folder `path`; what the process exits with."""
    folder, full = SubmissionFolder(path), False
    try:
        # The folder may go away at any moment, also between the script and this.
        array = Storage(RunFolder(path), stop, partial(say, "worker")).retry(folder.read_array)
        task = SlurmEnvironment(folder, array, stop)
    except Stopped:
        return 0
    except (OSError, ValueError, InputError) as error:
        say("worker", f"{type(error).__name__}: {error}")
        return 2
    task.keep_up()
    try:
        if task.array.evaluation is not None:
            return task.evaluate(_job(task, task.run_ids), task.array.evaluation)
        went_well = _train(task, stop)
    except Exception as error:
        say("worker", f"{type(error).__name__}: {error}")
        went_well, full = False, is_full(error)
    task.look_at_first()
    if not stop() and task.index == 0:
        task.keep_up()
    handed_back = task.hand_back()
    if full:
        return FULL_DISK_CODE
    return 0 if went_well and handed_back and RunState.FAILED not in task.own_ends() else 1


def _train(task: SlurmEnvironment, stop: StopRequest) -> bool:
    array, run_ids = task.array, task.listed_runs()
    job = _job(task, run_ids, stacks=array.stacks.among(run_ids))
    if array.ranks > 1 and not are_of_program(job, stop):
        return _train_in_ranks(task, stop)
    if len(task.run_ids) > 1 and (array.runs_at_once > 1 or array.measured):
        return _train_side_by_side(task, job, stop)
    train_runs(job, stop, task)
    return True


def _job(
    task: SlurmEnvironment, run_ids: Sequence[str], *, stacks: Stacks | None = None, notes: Sequence[str] = ()
) -> Job:
    array = task.array
    return Job(
        store=array.store,
        run_ids=tuple(run_ids),
        data_folders=array.data_folders,
        threads=array.threads,
        gpu=os.environ.get("CUDA_VISIBLE_DEVICES", "0") if array.gpus else None,
        stacks=stacks or Stacks(),
        notes=tuple(notes),
        code=array.code,
    )


def _train_side_by_side(task: SlurmEnvironment, job: Job, stop: StopRequest) -> bool:
    array, gpus = task.array, tuple(str(job.gpu).split(",")) if job.gpu is not None else ()
    tell, shown = partial(say, "worker"), ShownProcess()
    at_once = AtOnce(array.runs_at_once, tell)
    words = f"up to {array.runs_at_once} runs at a time, each in a process of its own"
    if array.measured:
        given = Allotment.read(os.environ)
        most = min(given.most_runs(array, gpus), len(task.run_ids))
        at_once = AtOnce(most, tell, measured=True, gpus=gpus, memory=given.memory, where="this job")
        words = (
            f"up to {most} runs at a time on {given.cores} cores, found out by the first; each in a process of its own"
        )
    say("worker", words)
    task.look_at_first()
    run_ids = task.open_runs()
    if run_ids:
        preload(job.threads, [task.store.run(run_id) for run_id in run_ids], job.data_folders)

    def train(run_id: str) -> int:
        own = StopRequest()
        own.listen_to_slurm()
        first = [run_id, *(task.listed_runs() if task.is_search else ())]
        return _train_alone(SlurmEnvironment(task.folder, array, own, shown.show), first, at_once.notes, own)

    def now(training: Collection[int]) -> int:
        return 1 if task.waits_for_first() else at_once.number(shown.among(training))

    return SideBySide(run_ids, train, at_once=now, gpus=gpus, stop=stop).train()


def _train_alone(task: SlurmEnvironment, run_ids: Sequence[str], notes: Sequence[str], stop: StopRequest) -> int:
    """Train one run, and those behind it in a search, in a process of its own; what that exits with."""
    try:
        is_newest = train_runs(_job(task, [*dict.fromkeys(run_ids)], notes=notes), stop, task)
    except Exception as error:
        say("worker", f"{type(error).__name__}: {error}")
        return 1
    return 0 if is_newest else SUPERSEDED_CODE


def _train_in_ranks(task: SlurmEnvironment, stop: StopRequest) -> bool:
    nodes, ranks = task.array.nodes, task.array.ranks
    say("worker", f"{ranks} ranks for each run, on {'1 node' if nodes == 1 else f'{nodes} nodes'}")
    task.look_at_first()
    path = str(task.folder.path)
    # What ends the job, as a cancellation does, Slurm tells the ranks itself; srun would kill them.
    starts = RankStarts(
        lambda run_id: by_srun(path, run_id, nodes=nodes, ranks=ranks), stop=stop, passed_on=[signal.SIGUSR2]
    )
    return starts.train(_rank_folders(task, stop), task.early_stopping)


def _rank_folders(task: SlurmEnvironment, stop: StopRequest) -> Iterator[RunFolder]:
    """The runs that go on in ranks, one after the other."""
    if not task.is_search:
        yield from map(task.store.run, task.open_runs())
        return
    for unit, _ in turns(_job(task, task.listed_runs()), stop, task):
        yield task.store.run(unit[0])
