"""Hands a sweep to Slurm: one job array, written down before sbatch and numbered after it; nothing goes twice."""

from __future__ import annotations

import getpass
import secrets
import shutil
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cnnjobs.config.kinds import networks
from cnnjobs.config.resolved_profile import ResolvedProfile
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.disk.submission_folder import JobArray, SubmissionFolder
from cnnjobs.errors import InputError, RunError, StorageError
from cnnjobs.launch.array.limits import is_accounted
from cnnjobs.launch.array.runs_per_job import split_notices, split_runs
from cnnjobs.launch.array.script import executor_for
from cnnjobs.launch.plan.carrying_out import held, take_up_again, write_down
from cnnjobs.launch.plan.plan import Plan
from cnnjobs.launch.plan.preparing import PreparedForSlurm
from cnnjobs.launch.plan.ranks import check_batches
from cnnjobs.launch.plan.stacks import gather, stack_setting
from cnnjobs.slurm.commands import SlurmError, ask
from cnnjobs.slurm.queue import ArrayTask, look_at_queue, scancel
from cnnjobs.slurm.submissions import Submission
from cnnjobs.status.repair import Queue, put_in_order, start

if TYPE_CHECKING:
    from cnnjobs.launch.array.executor import ArrayExecutor

CANARY_ABOVE: Final = 8


@dataclass(frozen=True)
class Order:
    """An array that is ready to be submitted; `at_once` bounds its tasks, which start `after` other jobs."""

    folder: SubmissionFolder
    array: JobArray
    executor: ArrayExecutor
    at_once: int
    after: tuple[int, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The batch script."""
        return self.executor.text


@dataclass(frozen=True)
class Submitted:
    """Result of a launch: the plan that was carried out, and its job, if there was anything to run."""

    plan: Plan
    order: Order | None = None
    job_id: int | None = None
    notices: tuple[str, ...] = ()


def order_for(prepared: PreparedForSlurm) -> Order:
    """The array for what the plan takes up. Writes nothing. Raises InputError."""
    plan, profile = prepared.plan, prepared.profile
    configs = networks(run.config for run in plan.to_run)
    check_batches(configs, profile.ranks)
    runs = [run.run_id for run in plan.to_run]
    stacked = profile.model_copy(update={"stack": stack_setting(plan.sweep, profile.stack)})
    tasks, stacks = gather(configs, split_runs(runs, profile), stacked)
    if plan.search.lag:
        # Whatever is proposed, so many jobs train at a time: each goes on with what comes.
        tasks += ((),) * max(0, min(plan.search.lag, len(runs) + plan.search.to_come) - len(tasks))
        most = min(filter(None, (plan.search.lag, profile.max_parallel)))
        profile = profile.model_copy(update={"max_parallel": most})
    order = make_order(
        plan.store, plan.sweep.name, tasks, profile, prepared.folders, queue=prepared.queue,
        canary=_has_canary(plan, profile, len(tasks)), stacks=stacks, code=plan.code.hash,
    )  # fmt: skip
    return replace(order, notices=split_notices(runs, tasks, profile))


def make_order(
    store: RunStore,
    name: str,
    tasks: tuple[tuple[str, ...], ...],
    profile: ResolvedProfile,
    data_folders: Sequence[Path],
    *,
    queue: Queue,
    **own: Any,
) -> Order:
    """The array with these tasks, each of some runs of a sweep; `own` are more fields of its JobArray.

    Writes nothing. Raises InputError.
    """
    created, token, place = datetime.now(UTC), secrets.token_hex(4), store.path.absolute()
    runs_at_once = min(profile.runs_at_once, max(map(len, tasks), default=1))
    array = JobArray(
        job_name=f"cnnjobs-{name}-{token}",
        tasks=tasks,
        store=place,
        data_folders=tuple(folder.absolute() for folder in data_folders),
        threads=profile.threads,
        runs_at_once=runs_at_once,
        measured=profile.runs_at_once_auto and runs_at_once > 1,
        nodes=profile.nodes,
        gpus=profile.gpus_per_run,
        profile=profile,
        created=created.isoformat(),
        host=socket.gethostname(),
        user=getpass.getuser(),
        **own,
    )
    folder = SubmissionFolder(place / "jobs" / f"{created:%Y%m%dT%H%M%S}-{token}")
    share, after = share_of(profile.max_parallel, queue, runs_at_once)
    executor = executor_for(folder, array, profile, max_parallel=share, after=after, accounted=is_accounted())
    return Order(folder, array, executor, min(share or len(tasks), len(tasks)), after)


def _has_canary(plan: Plan, profile: ResolvedProfile, num_tasks: int) -> bool:
    if num_tasks * profile.runs_at_once < 2:
        return False
    if profile.canary is not None:
        return profile.canary
    # A run that has finished before has shown what a first one is to show.
    return len(plan.to_run) > CANARY_ABOVE and not any(planned.action == "finished" for planned in plan.runs)


def share_of(max_parallel: int | None, queue: Queue, runs_at_once: int = 1) -> tuple[int | None, tuple[int, ...]]:
    """Number of tasks of a new array that may run at once, `runs_at_once` runs in each, and the jobs it waits for.

    The limit is the whole sweep's: what earlier arrays have in the queue counts, and where they may use all of it the
    new array starts when they have ended.
    """
    if max_parallel is None:
        return None, ()
    alive = {array_task.job_id for each in queue.submissions for array_task in queue.array_tasks(each)}
    busy = sum(each.array.runs_at_once * len(queue.array_tasks(each)) for each in queue.submissions)
    free = (max_parallel - busy) // runs_at_once
    if free < 1:
        return max(1, max_parallel // runs_at_once), tuple(sorted(alive))
    return free, ()


def launch(prepared: PreparedForSlurm, tell: Callable[[Plan, Order], None]) -> Submitted:
    """Put earlier submissions in order, plan again, and submit what is missing; returns at once.

    `tell` hears what is about to be submitted.

    Raises InputError: nothing new is left behind then. RunError when it is not known whether sbatch has taken the job.
    """
    store = prepared.plan.store
    with held(prepared.plan.sweep, store) as undone:
        with undone:
            queue = put_in_order(store)
            prepared = prepared.again(queue)
            halted = _halted(prepared.plan, queue)
            if halted:
                before = queue.runs()
                scancel((array_task.job_id, array_task.index) for array_task in halted)
                queue = queue.without(halted).with_notice(
                    f"{len(halted)} jobs that were held back are submitted again with what they waited for"
                )
                prepared = prepared.again(queue, also=before.keys() - queue.runs().keys())
            plan = prepared.plan
            if not plan.has_work:
                return Submitted(plan, notices=queue.notices)
            order = order_for(prepared)
            tell(plan, order)
            write_down(plan)
            job_id = submit(order)
        take_up_again(plan)
        return Submitted(plan, order, job_id, (*queue.notices, *order.notices, *let_go(order, job_id)))


def _halted(plan: Plan, queue: Queue) -> list[ArrayTask]:
    """Runs held because of those that are now retried: they are retried too, with the same resources."""
    again = {run.run_id for run in plan.to_run}
    found = []
    for submission in queue.submissions:
        first = set(submission.array.tasks[0]) if submission.array.canary and not submission.has_passed else set()
        halted = submission.array.tasks if submission.breaker() is not None else ()
        if again & (first | {run_id for task in halted for run_id in task}):
            found += queue.held(submission)
    return found


def let_go(order: Order, job_id: int) -> tuple[str, ...]:
    """Let a submitted job start, now that its number is written down; a notice when Slurm does not hear it."""
    try:
        start(Submission(order.folder, order.array, job_id))
    except SlurmError as error:
        return (f"job {job_id} is submitted; Slurm did not let it go at once ({error}), but will within 5 minutes",)
    return ()


def submit(order: Order) -> int:
    """Write `intent.json`, call sbatch, write the number. Raises InputError with nothing left behind, or RunError."""
    folder = order.folder
    try:
        folder.write_array(order.array)
        number = _number(order)
    except InputError:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    try:
        folder.write_id(number)
    except StorageError:
        # A job whose folders go away is not to start.
        ask("scancel", str(number))
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    return number


def _number(order: Order) -> int:
    from cnnjobs.launch.array.executor import UnsureError

    try:
        return order.executor.submit_array_of_workers()
    except UnsureError as error:
        return _look_up(order, str(error))


def _look_up(order: Order, words: str) -> int:
    """The job may have been taken although sbatch says otherwise: the queue tells."""
    view = look_at_queue({order.array.job_name})
    number = view.job_ids.get(order.array.job_name)
    if number is not None:
        return number
    if view.knows_queue or "connect failure" in words:
        raise SlurmError(f"nothing was submitted: {words}; is the controller up? try: scontrol ping")
    raise RunError(f"it is not known whether Slurm has taken the job: {words}; start the sweep again to find out")
