"""What a job executes: it claims the runs of its list one after the other, or those of a stack, and trains them.

Runs that are done, failed or another worker's are passed over; a run that fails leaves the others alone. SIGTERM and
Ctrl-C end the worker at the next step, a second Ctrl-C at once. Whoever launched it may be gone.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cnnjobs.disk.fence import Superseded
from cnnjobs.disk.files import MetricsLog
from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import RunFolder, RunState, RunStore
from cnnjobs.disk.submission_folder import SubmissionFolder
from cnnjobs.system.opening import read_bytes
from cnnjobs.system.stop_request import Stopped, StopRequest
from cnnjobs.training.data.ranks import RankLost
from cnnjobs.worker.attempt import RunAttempt
from cnnjobs.worker.environment import JobEnvironment

if TYPE_CHECKING:
    from cnnjobs.training.data.pipeline import DataSets

from cnnjobs.system.log import TAKEN, say
from cnnjobs.worker.job import Job
from cnnjobs.worker.process import prepare_process
from cnnjobs.worker.settled import SETTLED
from cnnjobs.worker.workload import Workload


def run_job(job_file: Path) -> None:
    """Train every run of the job's list that no one else has. Raises what kept a run's end from being written."""
    job = Job.model_validate_json(read_bytes(job_file))
    stop = StopRequest()
    with stop.listening():
        if job.evaluation is None and job.ranks > 1:
            _train_in_ranks(job_file, job, stop)
        elif job.evaluation is None:
            train_runs(job, stop, JobEnvironment())
        else:
            from cnnjobs.worker.evaluations import evaluate_runs

            evaluate_runs(job, job.evaluation, SubmissionFolder(job_file.parent), stop)


def _train_in_ranks(job_file: Path, job: Job, stop: StopRequest) -> None:
    from cnnjobs.worker.parallel.rank_processes import RankStarts, as_processes

    starts = RankStarts(
        lambda run_id: as_processes(str(job_file), run_id, ranks=job.ranks), stop=stop, passed_on=[signal.SIGTERM]
    )
    # Looked at one after the other: by its turn another worker may have the run.
    starts.train(folder for folder in map(RunStore(job.store).run, job.run_ids) if not folder.is_claimed())


def train_runs(job: Job, stop: StopRequest, scheduler: JobEnvironment) -> bool:
    """Train the runs of a job's list in turn; False when a newer attempt has taken one of them.

    Raises what kept a run's end from being written.
    """
    device, notes = prepare_process(job.threads, job.gpu)
    from cnnjobs.training.data.pipeline import DataSets

    data_sets = DataSets(job.data_folders, device, (*notes, *job.notes), interruptible=stop.interrupting)
    scheduler.code = job.code
    unwritten: Exception | None = None
    is_newest = True
    waiting = deque((unit, "") for unit in job.stacks.units(job.run_ids))
    while waiting:
        unit, note = waiting.popleft()
        run_id = unit[0]
        if stop():
            say("worker", "stopped")
            break
        try:
            alone = _train(unit, job, data_sets, stop, scheduler, note=note)
            waiting.extendleft(((each,), alone) for each in (reversed(unit) if alone else ()))
        except Superseded:
            say(run_id, "a newer attempt has it: this copy of the job ends")
            is_newest = False
            break
        except Stopped:
            say(run_id, "stopped")
            break
        except RankLost:
            raise
        except Exception as error:
            say(run_id, f"its end could not be written: {type(error).__name__}: {error}")
            unwritten = error
            if not job.store.exists():
                break
    if unwritten is not None:
        raise unwritten
    return is_newest


def _train(
    run_ids: Sequence[str], job: Job, data_sets: DataSets, stop: StopRequest, scheduler: JobEnvironment, *, note: str
) -> str:
    """Train a run, with a `note` for its record, or several as one network; else why each is to be trained alone."""
    from cnnjobs.training.loop.workload import NetworkWorkload
    from cnnjobs.training.stacks.choice import why_alone
    from cnnjobs.training.stacks.trainer import StackedTrainer
    from cnnjobs.worker.parallel.stacked_runs import Member, StackedRuns

    open_runs = [folder for folder in map(RunStore(job.store).run, run_ids) if _is_open(folder, stop)]
    if len(open_runs) > 1:
        reason = why_alone(open_runs, data_sets, if_small=job.stacks.if_small, code=job.code)
        if reason is not None:
            say(run_ids[0], f"not stacked with the {len(open_runs) - 1} that share its batches: {reason}")
            return f"not stacked: {reason}"
    with ExitStack() as claims:
        claimed = []
        for folder in open_runs:
            held = claims.enter_context(ExitStack())
            log = _claim(folder, held, stop, scheduler)
            if log is not None:
                claimed.append((folder, log, held))
        ids = [folder.run_id for folder, _, _ in claimed]

        def attempt_at(folder: RunFolder, log: MetricsLog, workload: Workload) -> RunAttempt:
            return RunAttempt(
                folder, log, workload, threads=job.threads, stopped=stop, say=partial(say, folder.run_id),
                scheduler=scheduler, beside=[run_id for run_id in ids if run_id != folder.run_id],
            )  # fmt: skip

        if len(claimed) == 1:
            folder, log, _ = claimed[0]
            attempt = attempt_at(folder, log, NetworkWorkload(data_sets, ranks=scheduler.ranks))
            # A stack that is tried for what it may gain is nothing that was asked for.
            if note and not job.stacks.if_small:
                attempt.note(note)
            attempt.execute()
        elif claimed:
            members = []
            for folder, log, held in claimed:
                workload = NetworkWorkload(data_sets, StackedTrainer, ranks=scheduler.ranks)
                members.append(Member(attempt_at(folder, log, workload), workload, held))
            StackedRuns(members).train()
    return ""


def _is_open(folder: RunFolder, stop: StopRequest) -> bool:
    """Whether a run is still to be trained."""
    return not Storage(folder, stop, partial(say, folder.run_id)).look(lambda: is_settled(folder))


def _claim(folder: RunFolder, held: ExitStack, stop: StopRequest, scheduler: JobEnvironment) -> MetricsLog | None:
    """The metrics log of a run, as long as it is `held`; None when nothing is to be done for it here."""
    storage = Storage(folder, stop, partial(say, folder.run_id))
    log = storage.insist(lambda: held.enter_context(scheduler.claim(folder)))
    if log is None:
        say(folder.run_id, TAKEN)
    # It may have been finished since the first look.
    elif not _is_open(folder, stop):
        held.close()
        return None
    return log


def is_settled(folder: RunFolder) -> bool:
    """Whether nothing more is to be done for a run: finished, failed or cancelled."""
    state = folder.read_record().state
    if state is RunState.FINISHED:
        # A crash right after the last record leaves them.
        folder.drop_leftovers()
    return state in SETTLED
