"""The state of a run that was handed to Slurm: its own marks first, then the queue, accounting and the job's log.

What could not be asked never makes a failure: the run's last own word stands then.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from cnnjobs.disk.run_folder import KILLED_CAUSE, Attempt, RunFolder, RunState
from cnnjobs.slurm.queue import SUSPENDED, WAITING, ArrayTask, QueueView
from cnnjobs.slurm.submissions import Position
from cnnjobs.status.kept_epoch import goes_on
from cnnjobs.status.reasons import end_in_log, ending, how_it_died, last_line, log_tail, waiting
from cnnjobs.status.run_status import RunStatus

SILENCE_S: Final = 180
_DIES: Final = ("COMPLETED", "FAILED", "OUT_OF_MEMORY")


@dataclass(frozen=True)
class SlurmFacts:
    """A run, its place in a submission, and what is known of that; `at_launch` tells that a launcher is at work now."""

    status: RunStatus
    position: Position
    view: QueueView
    others: Mapping[str, RunStatus]
    folder: RunFolder
    at_launch: bool = False

    @property
    def job_id(self) -> int | None:
        """The number of its array, also where only the queue tells it."""
        return self.position.submission.number(self.view)

    @property
    def job(self) -> str:
        """Its array task: `12_3`."""
        return self.position.name(self.view) or ""

    @property
    def began(self) -> bool:
        """True if this array task has begun this run, or an earlier one has and left no end."""
        attempts = self.status.attempts
        return bool(attempts) and (attempts[-1].job_id is None or self.made(attempts[-1]) or self.is_dead)

    def made(self, attempt: Attempt) -> bool:
        """Check whether an attempt is one of this array task: not of another job that had its number before."""
        return attempt.job_id == self.job and attempt.job_name in (None, self.position.submission.array.job_name)

    @property
    def is_elsewhere(self) -> bool:
        """True if it was taken up in another place since, or is about to be."""
        last = self.status.attempts[-1] if self.status.attempts else None
        if last and not self.made(last) and last.started > self.position.submission.array.created:
            return True
        return self.at_launch and self.status.state is RunState.PENDING

    @property
    def is_dead(self) -> bool:
        """True if its record says running and nobody is seen to hold it."""
        return self.status.state is RunState.INTERRUPTED and self.status.cause == KILLED_CAUSE

    @property
    def is_here(self) -> bool:
        """True if its process is on this host, where a lock tells the truth."""
        attempts = self.status.attempts
        return bool(attempts) and attempts[-1].host == socket.gethostname()

    @property
    def is_silent(self) -> bool:
        """True if its heartbeat has stopped."""
        return self.status.silent_s is None or self.status.silent_s > SILENCE_S

    @property
    def lives(self) -> bool:
        """True if a process works on it, as far as lock and heartbeat tell. Locks may not reach across hosts."""
        if self.status.state is RunState.RUNNING:
            return self.is_here or not self.status.attempts or not self.is_silent
        return self.is_dead and not self.is_here and not self.is_silent

    @property
    def waits_for_verdict(self) -> bool:
        """True if its search has it wait at a band."""
        return self.status.state is RunState.PENDING and bool(self.status.attempts) and self.status.cause is not None

    def with_state(self, state: RunState, cause: str | None) -> RunStatus:
        """The verdict."""
        return replace(self.status, state=state, cause=cause, job=self.position.name(self.view))


def run_state(facts: SlurmFacts) -> RunStatus:
    """State of a run that was submitted to Slurm."""
    if facts.status.is_over:
        return facts.with_state(facts.status.state, facts.status.cause)
    if facts.job_id is None:
        return _without_number(facts)
    array_task = facts.position.submission.queued(facts.view, facts.position.index)
    if array_task is not None:
        return _waiting(facts, array_task) if array_task.state in WAITING else _active(facts, array_task)
    if facts.is_elsewhere:
        return facts.status
    return _left_waiting(facts) if facts.waits_for_verdict else _not_queued(facts, facts.job_id)


def _left_waiting(facts: SlurmFacts) -> RunStatus:
    """A run whose job has ended before its search knew what becomes of it: another job of the array goes on with it."""
    if any(facts.position.submission.array_tasks(facts.view)) or not facts.view.knows_queue:
        return facts.with_state(RunState.PENDING, facts.status.cause)
    return facts.with_state(RunState.INTERRUPTED, f"{facts.status.cause}; no job is left: start the sweep again")


def _not_queued(facts: SlurmFacts, job_id: int) -> RunStatus:
    end = facts.view.end(facts.position.submission.array.job_name, (job_id, facts.position.index))
    if facts.lives:
        return facts.with_state(RunState.RUNNING, _alone(facts, end))
    if end is not None:
        return _ended(facts, end)
    return _gone(facts) if facts.view.knows_queue else _unasked(facts)


def _without_number(facts: SlurmFacts) -> RunStatus:
    if facts.lives or facts.status.state is RunState.INTERRUPTED:
        return facts.with_state(facts.status.state, facts.status.cause)
    if not facts.view.knows_queue:
        return facts.with_state(
            RunState.PENDING, "not known whether it was submitted, and the queue could not be asked"
        )
    return facts.with_state(RunState.PENDING, "its launcher ended before it was submitted: start the sweep again")


def _waiting(facts: SlurmFacts, array_task: ArrayTask) -> RunStatus:
    if facts.lives:
        return facts.with_state(RunState.RUNNING, _alone(facts, array_task) if not facts.is_here else None)
    words = waiting(array_task).replace("scontrol release it", f"scontrol release {facts.job}")
    if array_task.reason.startswith("JobHeld"):
        words = held_by(facts.position, facts.others) or f"{words}: scontrol release {facts.job_id}"
    return replace(facts.with_state(RunState.PENDING, _onwards(facts, words)), ahead=array_task.ahead)


def held_by(position: Position, others: Mapping[str, RunStatus]) -> str | None:
    """Reason of ours that holds array tasks of a submission back: the first run, or five equal failures."""
    submission = position.submission
    # The first run waits for no other: it is held by hand.
    if not submission.has_passed and submission.array.first_run and position.index:
        first = others.get(submission.array.first_run)
        if first is None or first.state in (RunState.PENDING, RunState.RUNNING, RunState.FINISHED):
            return "held until the first run has passed its first validation"
        return f"held: the first run did not pass its first validation ({first.state}: {first.cause})"
    cause = submission.breaker()
    return f"held: 5 runs in a row failed alike ({cause})" if cause else None


def needs_user(why: str) -> bool:
    """Check whether what holds an array task back stays until the user has looked at it."""
    return "held: " in why


def _active(facts: SlurmFacts, array_task: ArrayTask) -> RunStatus:
    if array_task.state in SUSPENDED:
        words = f"suspended in job {facts.job}: goes on when Slurm resumes it"
        return facts.with_state(RunState.PENDING, f"{words}, or you: scontrol resume {facts.job}")
    where = f" on {array_task.node}" if array_task.node else ""
    # A lock may not reach here from another host: there a job that goes on counts for its run.
    if facts.status.state is RunState.RUNNING or (facts.is_dead and not facts.is_here):
        quiet = facts.is_silent and facts.status.silent_s is not None
        return facts.with_state(
            RunState.RUNNING, f"no sign of life for {_span(facts)}; job {facts.job} goes on" if quiet else None
        )
    if facts.is_dead and facts.is_silent:
        return facts.with_state(
            facts.status.state, f"its process ended without an error message while job {facts.job}{where} goes on"
        )
    if array_task.state == "COMPLETING":
        return facts.with_state(facts.status.state, facts.status.cause or f"job {facts.job} is ending")
    at_work = [
        each
        for run_id in facts.position.run_ids
        if run_id != facts.status.run_id
        and (each := facts.others.get(run_id)) is not None
        and (each.state is RunState.RUNNING or each.is_over)
    ]
    words = f"waits its turn in job {facts.job}" if at_work else f"job {facts.job} is starting it{where}"
    return facts.with_state(RunState.PENDING, _onwards(facts, words))


def _alone(facts: SlurmFacts, array_task: ArrayTask | None) -> str | None:
    """Status of a run whose process Slurm no longer counts as running; it may just be ending."""
    if array_task is None or array_task.state not in ("NODE_FAIL", *WAITING):
        return None
    host = facts.status.attempts[-1].host if facts.status.attempts else "its host"
    return f"Slurm has given up its node ({array_task.state.lower()}), but its process on {host} lives on"


def _ended(facts: SlurmFacts, array_task: ArrayTask) -> RunStatus:
    said_itself = facts.began and facts.status.state is RunState.INTERRUPTED and not facts.is_dead
    by_itself = array_task.state in ("COMPLETED", "FAILED") and not array_task.signal
    if said_itself and by_itself:
        return facts.with_state(RunState.INTERRUPTED, facts.status.cause)
    if array_task.state in _DIES and not facts.began and _others_began(facts):
        # How it ended is about them.
        return facts.with_state(RunState.INTERRUPTED, f"job {facts.job} {how_it_died(array_task)} before its turn came")
    line = (
        last_line(log_tail(facts.position.submission.log(facts.position.index))) if array_task.state == "FAILED" else ""
    )
    state, cause = ending(array_task, began=facts.began, last_line=line)
    onwards = goes_on(facts.folder) if state is RunState.INTERRUPTED else ""
    return facts.with_state(state, f"{cause}; {onwards}" if onwards else cause)


def _gone(facts: SlurmFacts) -> RunStatus:
    """No queue has it and accounting does not tell: a pending array task that is cancelled leaves no trace at all."""
    text = log_tail(facts.position.submission.log(facts.position.index))
    array_task = end_in_log(text, facts.job_id or 0, facts.position.index)
    if array_task is not None:
        return _ended(facts, array_task)
    if facts.is_dead or facts.status.state is RunState.RUNNING:
        asked = "accounting does not know it" if facts.view.knows_ends else "accounting does not tell"
        return facts.with_state(
            RunState.LOST, f"lost: job {facts.job} is in no queue, {asked}, and the run left no last word"
        )
    if facts.status.state is RunState.INTERRUPTED:
        return facts.with_state(RunState.INTERRUPTED, facts.status.cause)
    if text.strip() and not _others_began(facts):
        return facts.with_state(RunState.FAILED, f"never started: job {facts.job} ended: {last_line(text)}")
    if text.strip():
        return facts.with_state(RunState.INTERRUPTED, f"job {facts.job} ended before its turn came")
    return facts.with_state(RunState.CANCELLED, f"cancelled: job {facts.job} left the queue before it started")


def _others_began(facts: SlurmFacts) -> bool:
    others = (facts.others[run_id] for run_id in facts.position.run_ids if run_id in facts.others)
    return any(facts.made(past) for other in others for past in other.attempts)


def _unasked(facts: SlurmFacts) -> RunStatus:
    if facts.status.state is RunState.PENDING:
        return facts.with_state(RunState.PENDING, f"job {facts.job}; the queue could not be asked")
    if facts.status.state is RunState.RUNNING or (facts.is_dead and not facts.is_here):
        return facts.with_state(
            RunState.RUNNING, f"no sign of life for {_span(facts)}, and the queue could not be asked"
        )
    return facts.with_state(facts.status.state, facts.status.cause)


def _onwards(facts: SlurmFacts, words: str) -> str:
    if facts.waits_for_verdict:
        return str(facts.status.cause)
    onwards = goes_on(facts.folder) if facts.status.attempts else ""
    return f"{onwards}: {words}" if onwards else words


def _span(facts: SlurmFacts) -> str:
    return f"{round((facts.status.silent_s or 0) / 60)} min"
