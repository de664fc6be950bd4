"""Starts evaluations of finished runs: by worker processes of this machine, or as one job array of Slurm."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cnnjobs.config.resolved_profile import ResolvedProfile
from cnnjobs.disk.run_folder import RunState, RunStore
from cnnjobs.disk.submission_folder import EvaluationRequest, SubmissionFolder
from cnnjobs.errors import InputError
from cnnjobs.launch.array.runs_per_job import split_runs
from cnnjobs.launch.array.submit import Order, let_go, make_order, submit
from cnnjobs.launch.local.workers import JobFolder, Worker, ends_in_time
from cnnjobs.launch.plan.carrying_out import held
from cnnjobs.launch.plan.resources import Resources
from cnnjobs.status.named_runs import Target
from cnnjobs.status.repair import put_in_order
from cnnjobs.status.sweeps import OpenSweep
from cnnjobs.sweep.file import SweepRun

# A run takes seconds once its job has loaded torch and the data.
_RUNS_PER_JOB: Final = 20
_NAME: Final = "evaluation"
_LOOK_EVERY_S: Final = 0.2


@dataclass(frozen=True)
class Ending:
    """End of the evaluation of a run: finished, refused (the message is the cause) or failed."""

    run_id: str
    state: str
    cause: str | None


def to_evaluate(target: Target) -> tuple[SweepRun, ...]:
    """The runs of a target that have weights: of a whole sweep those that have finished. Raises InputError."""
    store = target.opened.store
    if target.is_whole:
        found = [run for run in target.runs if store.run(run.run_id).read_record().state is RunState.FINISHED]
        if not found:
            raise InputError(
                f"no run of {target.opened.sweep.name} has finished yet: cnnjobs status {target.opened.word}"
            )
        return tuple(found)
    for run in target.runs:
        store.run(run.run_id).check_weights()
    return target.runs


@contextmanager
def evaluated_here(
    store: RunStore, runs: Sequence[SweepRun], request: EvaluationRequest, resources: Resources, folders: Sequence[Path]
) -> Iterator[Iterator[Ending]]:
    """Start workers and give the ends as they come; what leaves the block by an exception ends the workers too."""
    _remove_old(store)
    jobs = JobFolder(store, f"{_NAME}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}")
    run_ids = [run.run_id for run in runs]
    number = min(resources.workers, len(run_ids))
    workers: list[Worker] = []
    try:
        for slot in range(number):
            job = {
                "store": str(store.path.absolute()),
                "run_ids": run_ids[slot::number],
                "data_folders": [str(folder) for folder in folders],
                "threads": resources.threads,
                "gpu": resources.gpu(slot),
                "evaluation": request.model_dump(mode="json"),
            }
            workers.append(jobs.submit(slot, job))
        yield _endings(jobs, workers, run_ids)
    except BaseException:
        _stop(jobs, workers)
        _discard(jobs)
        raise


def _endings(jobs: JobFolder, workers: Sequence[Worker], run_ids: Sequence[str]) -> Iterator[Ending]:
    folder = SubmissionFolder(jobs.path)
    told: dict[str, Ending] = {}
    while True:
        over = all(jobs.has_ended(worker) for worker in workers)
        for run_id, (state, cause) in folder.read_outcomes().items():
            if run_id not in told:
                told[run_id] = Ending(run_id, state, cause)
                yield told[run_id]
        if over:
            break
        time.sleep(_LOOK_EVERY_S)
    for place, run_id in enumerate(run_ids):
        if run_id not in told:
            worker = workers[place % len(workers)]
            cause = f"its worker ended before it: {worker.last_words()}; all it said: {worker.log}"
            told[run_id] = Ending(run_id, "failed", cause)
            yield told[run_id]
    if all(ending.state != "failed" for ending in told.values()):
        _discard(jobs)


def _discard(jobs: JobFolder) -> None:
    shutil.rmtree(jobs.path, ignore_errors=True)
    with suppress(OSError):
        jobs.path.parent.rmdir()


def _stop(jobs: JobFolder, workers: Sequence[Worker]) -> None:
    for worker in workers:
        worker.ask_to_stop()
    if not ends_in_time(lambda: all(map(jobs.has_ended, workers))):
        for worker in workers:
            if not jobs.has_ended(worker):
                worker.kill()


def _remove_old(store: RunStore) -> None:
    """Remove what evaluations that failed have left; those that are at work keep theirs."""
    for path in store.jobs_folder.glob(f"{_NAME}-*"):
        pids = {file.name.partition("_")[0] for file in path.glob("*_submitted.pkl")}
        if not any(Worker(pid, 0, path).is_alive() for pid in pids if pid.isdecimal()):
            shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class SubmittedEvaluation:
    """A job array that evaluates runs, its number, and what was mended on the way."""

    order: Order
    job_id: int
    notices: tuple[str, ...]


def submit_evaluation(
    opened: OpenSweep,
    runs: Sequence[SweepRun],
    request: EvaluationRequest,
    profile: ResolvedProfile,
    folders: Sequence[Path],
) -> SubmittedEvaluation:
    """Hand the evaluations to Slurm as one job array; it returns at once.

    Raises InputError: nothing was submitted then. RunError when it is not known whether sbatch has taken the job.
    """
    run_ids = [run.run_id for run in runs]
    profile = profile.of_one_rank(runs_per_job=profile.runs_per_job or min(len(runs), _RUNS_PER_JOB))
    with held(opened.sweep, opened.store) as undone:
        with undone:
            queue = put_in_order(opened.store)
            order = make_order(
                opened.store,
                opened.sweep.name,
                split_runs(run_ids, profile),
                profile,
                folders,
                queue=queue,
                evaluation=request,
            )
            job_id = submit(order)
        return SubmittedEvaluation(order, job_id, (*queue.notices, *let_go(order, job_id)))
