"""Evaluation job: evaluates the runs of its list one after the other and reports how each has ended.

A run that cannot be evaluated leaves the others alone; one that this submission has evaluated before is passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnjobs.disk.run_folder import RunFolder, RunStore
from cnnjobs.disk.submission_folder import EvaluationRequest, SubmissionFolder
from cnnjobs.system.log import say
from cnnjobs.system.stop_request import Stopped, StopRequest
from cnnjobs.worker.job import Job
from cnnjobs.worker.workloads import prepare_process

if TYPE_CHECKING:
    from cnnjobs.training.data.pipeline import DataSets


def evaluate_runs(job: Job, request: EvaluationRequest, folder: SubmissionFolder, stop: StopRequest) -> bool:
    """Evaluate what is left of a job's list; whether all of it is done. Raises StorageError when an end is not kept."""
    device, notes = prepare_process(job.threads, job.gpu)
    from cnnjobs.training.data.pipeline import DataSets

    data_sets = DataSets(job.data_folders, device, notes, interruptible=stop.interrupting)
    for run_id in job.run_ids:
        if run_id in folder.read_outcomes():
            continue
        try:
            state, cause = _evaluate(RunStore(job.store).run(run_id), request, data_sets, stop)
        except Stopped:
            say(run_id, "stopped")
            return False
        folder.add_outcome(run_id, state, cause)
    return True


def _evaluate(
    folder: RunFolder, request: EvaluationRequest, data_sets: DataSets, stop: StopRequest
) -> tuple[str, str | None]:
    """Evaluate a run and keep what came of it; how that ended, and why. Raises Stopped."""
    from cnnjobs.errors import InputError
    from cnnjobs.system.failure import cause_of
    from cnnjobs.training.trained.evaluation import evaluate_run, keep_evaluation

    try:
        record = folder.read_record()
        evaluation = evaluate_run(folder, request, data_sets, stop)
        keep_evaluation(folder, evaluation, record)
    except Stopped:
        raise
    except Exception as error:
        state, cause = "refused" if isinstance(error, InputError) else "failed", cause_of(error)
        say(folder.run_id, f"evaluation {state}: {cause}")
        return state, cause
    results = [f"{name} {value:.4f}" for name, value in evaluation.metrics.items()]
    say(folder.run_id, " ".join((f"{evaluation.name}:", *results)))
    return "finished", None
