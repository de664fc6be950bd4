"""Upkeep by a job of a sweep for the sweep's other jobs, as no launcher may be alive.

A release that Slurm's controller has forgotten is repeated. Where preemption cancels jobs instead of requeueing them,
those that were too slow to requeue themselves are requeued, as long as Slurm remembers them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from cnnjobs.disk.run_folder import RunStore
from cnnjobs.disk.submission_folder import JobArray, SubmissionFolder
from cnnjobs.slurm.scontrol import QueuedTask, scontrol, squeue
from cnnjobs.system.log import say

_WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD"})


def keep_up(store: RunStore, *, max_requeues: int) -> None:
    """Look once after every job of the sweep. What cannot be asked or read now is left to the next one."""
    with suppress(OSError, ValueError):
        found = sorted(_submissions(store), key=lambda each: each[1].created)
        latest = {run_id: array.job_name for _, array in found for task in array.tasks for run_id in task}
        array_tasks = squeue([array.job_name for _, array in found]) if found else []
        for folder, array in found:
            own = [each for each in array_tasks if each.job_name == array.job_name]
            _release(store, folder, array, own)
            for each in own:
                if each.state == "PREEMPTED" and each.index < len(array.tasks) and each.restarts < max_requeues:
                    run_ids = [run_id for run_id in array.tasks[each.index] if latest[run_id] == array.job_name]
                    _requeue(store, each, run_ids)


def _submissions(store: RunStore) -> Iterable[tuple[SubmissionFolder, JobArray]]:
    """Those that train runs and were let go."""
    for path in store.jobs_folder.glob("*/intent.json"):
        folder = SubmissionFolder(path.parent)
        with suppress(OSError, ValueError):
            array = folder.read_array()
            if array.evaluation is None and folder.started_file.exists():
                yield folder, array


def _release(store: RunStore, folder: SubmissionFolder, array: JobArray, own: Sequence[QueuedTask]) -> None:
    if not array.canary or len(array.tasks) < 2 or not own or array.first_run is None:
        return
    waiting = {each.index: each.reason for each in own if each.state in _WAITING}
    at_work = [each.index for each in own if each.state == "RUNNING"]
    first_done = store.run(array.first_run).read_record().state.has_passed
    if folder.release_is_due(waiting, at_work, first_done=first_done):
        job = str(own[0].job_id)
        say("worker", f"the first run of job {job} has passed, and the rest is still held: released again")
        scontrol("release", job)


def _requeue(store: RunStore, array_task: QueuedTask, run_ids: Sequence[str]) -> None:
    if not all(store.run(run_id).read_record().state.is_settled for run_id in run_ids):
        say("worker", f"job {array_task.name} was preempted, and cancelled for it: requeued")
        scontrol("requeue", array_task.name)
