"""The submissions of a sweep put in order: those that lost their number, those half started, those that are over."""

from __future__ import annotations

import getpass
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from cnnjobs.disk import locks
from cnnjobs.disk.files import set_aside_damaged
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.disk.submission_folder import SubmissionFolder
from cnnjobs.errors import InputError
from cnnjobs.slurm.batch_script import OWN_BEGIN_S
from cnnjobs.slurm.commands import SlurmError, ask
from cnnjobs.slurm.queue import PATIENCE_S, WAITING, ArrayTask, QueueView, look_at_queue, named
from cnnjobs.slurm.submissions import Submission, submissions
from cnnjobs.status.evaluations import is_settled
from cnnjobs.status.logs.kept_logs import collect

_HELD: Final = "JobHeld"
# sbatch itself tries for two minutes to get into a queue that is full.
SBATCH_S: Final = 180


@dataclass(frozen=True)
class Queue:
    """The submissions of a sweep, the oldest first, and what Slurm has of them; `notices` tell what was mended."""

    submissions: tuple[Submission, ...]
    view: QueueView
    notices: tuple[str, ...] = ()

    def array_tasks(self, submission: Submission) -> list[ArrayTask]:
        """Its array tasks that wait or run."""
        return submission.array_tasks(self.view)

    def held(self, submission: Submission) -> list[ArrayTask]:
        """Its array tasks that are held, by us or by hand."""
        return [
            each for each in self.array_tasks(submission) if each.state in WAITING and each.reason.startswith(_HELD)
        ]

    def without(self, array_tasks: Iterable[ArrayTask]) -> Queue:
        """The queue when these have been cancelled."""
        gone = {(array_task.job_id, array_task.index) for array_task in array_tasks}
        left = {key: array_task for key, array_task in self.view.queued.items() if key not in gone}
        return replace(self, view=replace(self.view, queued=left))

    def with_notice(self, text: str) -> Queue:
        """One more line for the user."""
        return replace(self, notices=(*self.notices, text))

    def runs(self) -> Mapping[str, str]:
        """By run id, the job that is to train it or trains it."""
        found = {}
        for submission in (each for each in self.submissions if each.array.evaluation is None):
            for index, run_ids in enumerate(submission.array.tasks):
                array_task = submission.queued(self.view, index)
                if array_task is not None:
                    found.update(dict.fromkeys(run_ids, f"job {array_task.name}, {array_task.state.lower()}"))
        return found


def look_at(store: RunStore) -> Queue:
    """One squeue, if anything was ever submitted; writes nothing."""
    found = submissions(store)
    return Queue(tuple(found), look_at_queue({submission.array.job_name for submission in found}))


def queued_runs(store: RunStore) -> Mapping[str, str]:
    """By run id, the job that is to train it; none where there is no queue to ask."""
    return look_at(store).runs()


def put_in_order(store: RunStore) -> Queue:
    """Find numbers that were never written down, finish what was begun, drop what is over; for who holds the sweep.

    Raises SlurmError when the queue cannot be asked, InputError while an sbatch of a killed launcher is still at work.
    """
    damaged: list[SubmissionFolder] = []
    found = submissions(store, damaged)
    # What an sbatch is about to submit must not be taken for lost.
    for submission in found:
        if submission.job_id is None and locks.is_held(submission.folder.array_file):
            raise InputError(
                f"an sbatch of an earlier start is still at work on {submission.array.job_name}; try again in a minute"
            )
    view = look_at_queue({submission.array.job_name for submission in found})
    if found and not view.knows_queue:
        raise SlurmError("; ".join(view.notices))
    notices = [f"{each.array_file} was damaged: set aside as {set_aside_damaged(each.array_file)}" for each in damaged]
    notices += [line for submission in found if (line := _adopt(submission, view))]
    queue = Queue(tuple(submissions(store)), view)
    notices += [line for submission in queue.submissions if (line := _go_on(store, submission, view))]
    prune(store, queue)
    return Queue(tuple(submissions(store)), view, tuple(notices))


def _adopt(submission: Submission, view: QueueView) -> str | None:
    """Write the number of a submission whose launcher was killed before it could, or drop it."""
    if submission.job_id is not None:
        return None
    number = view.job_ids.get(submission.array.job_name) or _accounted(submission)
    if number is not None:
        submission.folder.write_id(number)
        return f"an earlier start was ended before it wrote down its job: found again as job {number}"
    if any(submission.folder.path.glob("task-*.log")):
        return None
    shutil.rmtree(submission.folder.path, ignore_errors=True)
    return "an earlier start was ended before it reached Slurm: its runs are submitted now"


def _accounted(submission: Submission) -> int | None:
    """The number of a job that has left the queue; None as well where there is no accounting."""
    with suppress(SlurmError, ValueError):
        name, since = submission.array.job_name, submission.array.created[:19]
        said = ask(
            "sacct", "--noheader", "--parsable2", "--allocations", "--format=JobID", f"--name={name}",
            f"--starttime={since}", f"--user={getpass.getuser()}", seconds=PATIENCE_S,
        )  # fmt: skip
        return int(said.split("\n")[0].partition("_")[0])
    return None


def _go_on(store: RunStore, submission: Submission, view: QueueView) -> str | None:
    """Finish steps that a launcher or worker could not: the start of a submission, the release after its first run."""
    if submission.job_id is None:
        return None
    if not submission.folder.started_file.exists():
        waiting = {array_task.index for array_task in submission.array_tasks(view) if array_task.state in WAITING}
        if waiting:
            start(submission, first_waits=0 in waiting)
            return f"job {submission.job_id} of an earlier start was not let go: done now"
        submission.folder.mark_started()
        return None
    return _repeat(store, submission, view)


def repeat(store: RunStore, found: Iterable[Submission], view: QueueView) -> tuple[str, ...]:
    """Tell Slurm again what it has forgotten, as when its controller was killed; a line for each. Never raises."""
    said = []
    for submission in found:
        # One that is not marked is being started now.
        if submission.job_id is not None and submission.folder.started_file.exists():
            try:
                said.append(_repeat(store, submission, view))
            except (InputError, OSError) as error:
                said.append(f"job {submission.job_id} waits, and Slurm did not let it go ({error})")
    return tuple(filter(None, said))


def _repeat(store: RunStore, submission: Submission, view: QueueView) -> str | None:
    """Slurm forgets the last seconds when its controller is killed: a release, or the start of the whole array."""
    array_tasks, job = submission.array_tasks(view), str(submission.job_id)
    reasons = {each.index: each.reason for each in array_tasks if each.state in WAITING}
    at_work = {each.index for each in array_tasks} - reasons.keys()
    first = submission.array.first_run if submission.array.canary else None
    first_done = first is not None and store.run(first).read_record().state.has_passed
    if submission.folder.release_is_due(reasons, at_work, first_done=first_done):
        # Of the whole array Slurm refuses what has ended.
        ask("scontrol", "release", named(submission.job_id or 0, reasons))
        return f"job {job}: its first run has passed, the rest was still held and is released"
    if reasons and any(_start_is_due(submission, each) for each in array_tasks):
        start(submission, first_waits=0 in reasons)
        return f"job {job} was let go, which Slurm has forgotten: done again"
    return None


def _start_is_due(submission: Submission, array_task: ArrayTask) -> bool:
    """Check whether an array task still waits for the time in its script, which is for the launcher's own end."""
    if not array_task.begins or array_task.restarts or submission.log(array_task.index).exists():
        return False
    with suppress(ValueError):
        made = datetime.fromisoformat(submission.array.created).timestamp()
        after_s = datetime.fromisoformat(array_task.begins).timestamp() - made
        # sbatch may take minutes. A time that is over holds back only what has forgotten its release.
        return OWN_BEGIN_S - 5 <= after_s <= OWN_BEGIN_S + SBATCH_S
    return False


def start(submission: Submission, *, first_waits: bool = True) -> None:
    """Let a submission go that waits for this: with a canary its task 0 alone. Raises SlurmError."""
    job = str(submission.job_id)
    first_alone = submission.array.canary and not submission.has_passed and first_waits
    if first_alone:
        # A hold of the user's own, whoever the user is: root's `hold` is an administrator's.
        ask("scontrol", "uhold", job)
    ask("scontrol", "update", f"JobId={job}", "StartTime=now")
    if first_alone:
        ask("scontrol", "release", f"{job}_0")
    submission.folder.mark_started()


def prune(store: RunStore, queue: Queue) -> None:
    """Remove the folders of submissions whose runs have all finished and that have left the queue; logs are kept."""
    if not queue.view.knows_queue:
        return
    for submission in queue.submissions:
        # Before it was started its runs may be finished ones that are about to run again.
        is_over = submission.folder.started_file.exists() and not queue.array_tasks(submission)
        if is_over and _is_collected(store, submission):
            collect(store, submission.folder.path)
    with suppress(OSError):
        store.jobs_folder.rmdir()


def _is_collected(store: RunStore, submission: Submission) -> bool:
    """Check whether nobody needs to see its logs any more: its runs are trained, or evaluated or past it."""
    folders = [store.run(run_id) for task in submission.array.tasks for run_id in task]
    if submission.array.evaluation is None:
        return all(folder.read_record().state.has_passed for folder in folders)
    return all(is_settled(submission, folder) for folder in folders)
