"""Evaluations of finished runs: those that their records hold, and those that were handed to Slurm and are not done."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cnnjobs.config.kinds import network
from cnnjobs.disk.run_folder import Evaluation, RunFolder, RunState
from cnnjobs.disk.submission_folder import SubmissionFolder
from cnnjobs.errors import InputError
from cnnjobs.slurm.queue import WAITING, Key, QueueView
from cnnjobs.slurm.submissions import Position, Submission
from cnnjobs.status.reasons import waiting
from cnnjobs.status.run_status import RunStatus

_SECONDS = len("2020-01-01T00:00:00")


@dataclass(frozen=True)
class EvaluationStatus:
    """One evaluation of a run, by its name `cifar10/test`: its metrics, or why it has none.

    `state` is that of a run; `at` ISO 8601 in UTC, `job` the array task that is to do it.
    """

    status: RunStatus
    name: str
    state: RunState
    metrics: Mapping[str, float] = field(default_factory=dict)
    num_images: int = 0
    device: str = ""
    at: str = ""
    cause: str | None = None
    job: str | None = None


def evaluations(
    runs: Sequence[RunStatus], found: Sequence[Submission], view: QueueView
) -> tuple[EvaluationStatus, ...]:
    """All evaluations of these runs: run by run those that are done, then those that are not, the latest of each."""
    done = [_done(status, evaluation) for status in runs for evaluation in status.evaluations.values()]
    left: dict[tuple[str, str], EvaluationStatus] = {}
    for submission in found:
        for each in _left(submission, {status.run_id: status for status in runs}, view):
            left[each.status.run_id, each.name] = each
    return (*done, *left.values())


@dataclass(frozen=True)
class OpenEvaluation:
    """An array task that has not evaluated these runs yet; `is_all` when they are all that it has left."""

    folder: SubmissionFolder
    key: Key
    run_ids: tuple[str, ...]
    is_all: bool


def open_evaluations(
    run_ids: Collection[str], found: Sequence[Submission], view: QueueView
) -> tuple[OpenEvaluation, ...]:
    """The array tasks in the queue that are to evaluate some of these runs."""
    opened = []
    for submission in (each for each in found if each.array.evaluation is not None):
        outcomes = submission.folder.read_outcomes()
        for index, own in enumerate(submission.array.tasks):
            left = [run_id for run_id in own if run_id not in outcomes]
            asked = tuple(run_id for run_id in left if run_id in run_ids)
            array_task = submission.queued(view, index)
            if asked and array_task is not None:
                key = (array_task.job_id, index)
                opened.append(OpenEvaluation(submission.folder, key, asked, len(asked) == len(left)))
    return tuple(opened)


def _done(status: RunStatus, evaluation: Evaluation) -> EvaluationStatus:
    return EvaluationStatus(
        status,
        evaluation.name,
        RunState.FINISHED,
        evaluation.metrics,
        evaluation.num_images,
        evaluation.device,
        evaluation.at,
    )


def _left(submission: Submission, runs: Mapping[str, RunStatus], view: QueueView) -> Iterator[EvaluationStatus]:
    """Runs of these that a submission has not done."""
    request = submission.array.evaluation
    if request is None:
        return
    outcomes = submission.folder.read_outcomes()
    for index, run_ids in enumerate(submission.array.tasks):
        for status in (runs[run_id] for run_id in run_ids if run_id in runs):
            name = request.name(status.run.network.dataset.name)
            outcome = outcomes.get(status.run_id)
            is_done = outcome is not None and outcome[0] == "finished"
            if is_done or status.state is not RunState.FINISHED or is_newer(status.evaluations.get(name), submission):
                continue
            position = Position(submission, index)
            state, cause = _state(position, outcome, view)
            yield EvaluationStatus(status, name, state, cause=cause, job=position.name(view))


def _state(position: Position, outcome: tuple[str, str | None] | None, view: QueueView) -> tuple[RunState, str | None]:
    submission = position.submission
    if outcome is not None:
        return RunState.CANCELLED if outcome[0] == "cancelled" else RunState.FAILED, outcome[1]
    array_task = submission.queued(view, position.index)
    if array_task is not None:
        is_waiting = array_task.state in WAITING
        return (RunState.PENDING, waiting(array_task)) if is_waiting else (RunState.RUNNING, f"job {array_task.name}")
    if not view.knows_queue:
        return RunState.PENDING, "the queue could not be asked"
    log = submission.log(position.index)
    told = f"see {log}" if log.exists() else "it left the queue before it started"
    return RunState.LOST, f"job {submission.number(view)} ended without an error message; {told}"


def is_newer(evaluation: Evaluation | None, submission: Submission) -> bool:
    """Check whether an evaluation was made since the submission."""
    return evaluation is not None and evaluation.at[:_SECONDS] >= submission.array.created[:_SECONDS]


def is_settled(submission: Submission, folder: RunFolder) -> bool:
    """Check whether a submitted evaluation of the run is done, was refused, or has lost its sense."""
    request, record = submission.array.evaluation, folder.read_record()
    if request is None or record.state is not RunState.FINISHED:
        return True
    state, _ = submission.folder.read_outcomes().get(folder.run_id, ("", None))
    if state in ("finished", "refused", "cancelled"):
        return True
    try:
        name = request.name(network(folder.read_config()).dataset.name)
    except InputError:
        return False
    return is_newer(record.evaluations.get(name), submission)
