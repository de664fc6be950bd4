"""Every run of a sweep at one moment, wherever it was sent: marks, then at most one squeue and one sacct."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from cnnjobs import locks
from cnnjobs.intents import SubmissionFolder
from cnnjobs.launch.evaluations import EvaluationStatus, evaluations
from cnnjobs.launch.queue_states import QueueView, look_at_ends, look_at_queue
from cnnjobs.launch.state import RunStatus, Snapshot, Watch
from cnnjobs.launch.submitted import Seat, Submission, damages, seats, submissions
from cnnjobs.launch.verdicts import Case, held_by, judge
from cnnjobs.runs import RunStore
from cnnjobs.spec.sweep import SweepRun


@dataclass(frozen=True)
class Truth:
    """The runs, their places in Slurm, what holds them back, and what could not be asked."""

    snapshot: Snapshot
    seats: Mapping[str, Seat]
    view: QueueView
    held: tuple[str, ...]
    evaluations: tuple[EvaluationStatus, ...] = ()
    damaged: tuple[str, ...] = ()

    @property
    def is_queued(self) -> bool:
        """Whether Slurm has anything of the sweep."""
        return bool(self.view.queued)

    def is_live(self, run_id: str) -> bool:
        """Whether the run's element is in the queue."""
        seat = self.seats.get(run_id)
        number = job_number(seat, self.view) if seat else None
        return seat is not None and number is not None and (number, seat.index) in self.view.queued


class Lookout:
    """Looks at a sweep again and again; what is over is read once."""

    def __init__(self, store: RunStore, runs: Iterable[SweepRun]) -> None:
        self._store = store
        self._watch = Watch(store, runs)

    def look(self) -> Truth:
        """Every run now."""
        damaged: list[SubmissionFolder] = []
        found = submissions(self._store, damaged)
        # The queue before the marks: what ends in between has left its mark.
        view = look_at_queue({submission.job_name for submission in found})
        marks = self._watch.look()
        places = seats(found)
        view = look_at_ends(view, _to_account(marks, places, view))
        judged = {status.run_id: status for status in marks.runs}
        at_launch = locks.is_held(self._store.launcher_file)
        # The first runs before those that they hold back.
        first = [submission.tasks[0][0] for submission in found if submission.tasks and submission.tasks[0]]
        for run_id in dict.fromkeys((*first, *judged)):
            if run_id in places and run_id in judged:
                folder = self._store.run(run_id)
                judged[run_id] = judge(Case(judged[run_id], places[run_id], view, judged, folder, at_launch))
        processes = fmean(seat.processes for seat in places.values()) if places else 0.0
        snapshot = Snapshot(tuple(judged.values()), processes, _slots(places.values(), view))
        asked = evaluations(snapshot.runs, found, view)
        return Truth(snapshot, places, view, tuple(_held(found, judged, view)), asked, damages(damaged))


def _slots(places: Iterable[Seat], view: QueueView) -> int:
    """How many runs have a place in a job that runs."""
    at_once = {job_number(seat, view): seat.submission.runs_at_once for seat in places}
    return sum(at_once.get(element.job_id, 0) for element in view.queued.values() if element.state == "RUNNING")


def job_number(seat: Seat, view: QueueView) -> int | None:
    """The number of a seat's array, also where only the queue tells it."""
    submission = seat.submission
    return submission.job_id if submission.job_id is not None else view.job_ids.get(submission.job_name)


def _to_account(marks: Snapshot, places: Mapping[str, Seat], view: QueueView) -> dict[int, str]:
    """Number and name of the jobs that hold an open run and have left the queue."""
    asked: dict[int, str] = {}
    for status in marks.open:
        seat = places.get(status.run_id)
        number = job_number(seat, view) if seat else None
        if seat is not None and number is not None and (number, seat.index) not in view.queued:
            asked[number] = seat.submission.job_name
    return asked


def _held(found: Iterable[Submission], judged: Mapping[str, RunStatus], view: QueueView) -> Iterable[str]:
    """One line for each submission that is held back by us, with its number of elements."""
    for submission in found:
        seat = Seat(submission, 0)
        number = job_number(seat, view)
        waiting = [
            element
            for (job_id, _), element in view.queued.items()
            if job_id == number and element.reason.startswith("JobHeld")
        ]
        why = held_by(seat, judged) if waiting else None
        if why:
            yield f"job {number}: {len(waiting)} {'job' if len(waiting) == 1 else 'jobs'} {why}"
