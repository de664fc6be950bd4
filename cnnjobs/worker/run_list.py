"""Work of a job: claims the runs of its list one after the other, or those of a stack, and trains them.

Runs that are done, failed or another worker's are passed over; a run that fails leaves the others alone. SIGTERM and
Ctrl-C end the worker at the next step, a second Ctrl-C at once. Whoever launched it may be gone.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from cnnjobs.disk.fence import Superseded
from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.disk.submission_folder import SubmissionFolder
from cnnjobs.system.log import say
from cnnjobs.system.opening import read_bytes
from cnnjobs.system.stop_request import Stopped, StopRequest
from cnnjobs.training.data.ranks import RankLost
from cnnjobs.worker.attempt import RunAttempt
from cnnjobs.worker.claim.claimed_run import ClaimedRun, is_open
from cnnjobs.worker.environment import JobEnvironment
from cnnjobs.worker.job import Job
from cnnjobs.worker.search.turns import Turn, turns
from cnnjobs.worker.workload import Workload
from cnnjobs.worker.workloads import Workloads, are_of_program


def run_job(job_file: Path) -> None:
    """Train every run of the job's list that no one else has. Raises what kept a run's end from being written."""
    job = Job.model_validate_json(read_bytes(job_file))
    stop = StopRequest()
    with stop.listening():
        if job.evaluation is None and job.ranks > 1 and not are_of_program(job, stop):
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
    store, environment = RunStore(job.store), JobEnvironment()
    environment.code = job.code
    environment.join_search(store)
    # Looked at one after the other: by its turn another worker may have the run.
    folders = (store.run(unit[0]) for unit, _ in turns(job, stop, environment))
    starts.train((folder for folder in folders if not folder.is_claimed()), environment.early_stopping)


def train_runs(job: Job, stop: StopRequest, environment: JobEnvironment) -> bool:
    """Train the runs of a job's list in turn; False when a newer attempt has taken one of them.

    Raises what kept a run's end from being written.
    """
    workloads = Workloads(job, stop)
    environment.code = job.code
    environment.join_search(RunStore(job.store))
    unwritten: Exception | None = None
    is_newest = True
    waiting = turns(job, stop, environment)
    for unit, note in waiting:
        run_id = unit[0]
        try:
            waiting.put_first(_train(unit, job, workloads, stop, environment, note=note))
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
    run_ids: Sequence[str], job: Job, workloads: Workloads, stop: StopRequest, environment: JobEnvironment, *, note: str
) -> list[Turn]:
    """Train a run, with a `note` for its record, or several as one network; what is to be trained next, and why so."""
    runs = [Storage(RunStore(job.store).run(run_id), stop, partial(say, run_id)) for run_id in run_ids]
    runs = [run for run in runs if is_open(run)]
    if len(runs) > 1:
        from cnnjobs.training.stacks.choice import why_alone

        reason = why_alone(
            [run.folder for run in runs], workloads.data_sets, if_small=job.stacks.if_small, code=job.code
        )
        if reason is not None:
            say(run_ids[0], f"not stacked with the {len(runs) - 1} that share its batches: {reason}")
            return [((each,), f"not stacked: {reason}") for each in run_ids]
    with ExitStack() as held:
        claimed = [held.enter_context(run) for each in runs if (run := ClaimedRun.take(each, environment)) is not None]
        ids = [run.folder.run_id for run in claimed]

        def attempt_at(run: ClaimedRun, workload: Workload) -> RunAttempt:
            beside = [run_id for run_id in ids if run_id != run.folder.run_id]
            return RunAttempt(run, workload, threads=job.threads, environment=environment, beside=beside)

        if len(claimed) == 1:
            attempt = attempt_at(claimed[0], workloads.of(claimed[0], environment))
            # A stack that is tried for what it may gain is nothing that was asked for.
            if note and not job.stacks.if_small:
                attempt.note(note)
            attempt.execute()
            return [(tuple(run_ids), note)] if attempt.starts_again else []
        if claimed:
            _train_stacked(claimed, workloads, environment, attempt_at)
    return []


def _train_stacked(
    claimed: Sequence[ClaimedRun],
    workloads: Workloads,
    environment: JobEnvironment,
    attempt_at: Callable[[ClaimedRun, Workload], RunAttempt],
) -> None:
    from cnnjobs.training.stacks.trainer import StackedTrainer
    from cnnjobs.worker.parallel.stacked_runs import Member, StackedRuns

    trained = [workloads.network(StackedTrainer, ranks=environment.ranks) for _ in claimed]
    StackedRuns([Member(attempt_at(*each), each[1]) for each in zip(claimed, trained, strict=True)]).train()
