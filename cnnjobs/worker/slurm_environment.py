"""One array task of a Slurm job array: its runs, and what Slurm does to them.

The time limit is told ahead: the run stops at the next step and this task alone is requeued. Preemption and scancel
stop it too; Slurm requeues what it preempted. A run whose task has started too often, or that no time limit leaves
a whole epoch, fails. The first run of a sweep lets the rest go; failures that are all alike hold what has not started.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from cnnjobs.config.resolved_profile import told_ahead_s
from cnnjobs.disk.files import write_whole
from cnnjobs.disk.metrics_log import MetricsLog
from cnnjobs.disk.run_folder import Attempt, RunFolder, RunRecord, RunState, RunStore
from cnnjobs.disk.start import Standing
from cnnjobs.disk.submission_folder import BREAKER_FAILURES, EvaluationRequest, JobArray, SubmissionFolder
from cnnjobs.errors import InputError, StorageError
from cnnjobs.slurm.scontrol import scontrol, squeue
from cnnjobs.slurm.upkeep import keep_up
from cnnjobs.system.log import say
from cnnjobs.system.stop_request import StopRequest
from cnnjobs.worker.claim.takeover import Takeover
from cnnjobs.worker.environment import JobEnvironment
from cnnjobs.worker.job import Job

# Longer than the controller takes to save its state.
FORGETS_S: Final = 15
# What is left of the time limit to write the end of a run and to requeue.
_LAST_S: Final = 20
_REQUEUE_PAUSES_S: Final = (1, 10, 0)


class SlurmEnvironment(JobEnvironment):
    """Slurm, as one array task meets it; `when_validated` is called after each validation of a run.

    In a search it trains runs of other array tasks, too, when its own ones wait for a verdict or are done.
    """

    patience_s, look_s = 600.0, 2.0

    def __init__(
        self,
        folder: SubmissionFolder,
        array: JobArray,
        stop: StopRequest,
        when_validated: Callable[[], None] = lambda: None,
    ) -> None:
        environment = os.environ
        try:
            self.array_job = environment["SLURM_ARRAY_JOB_ID"]
            self.index = int(environment["SLURM_ARRAY_TASK_ID"])
            self.run_ids = array.tasks[self.index]
        except KeyError as error:
            raise InputError(f"{error.args[0]} is not set: this is not an array task of a Slurm job array") from None
        except IndexError:
            raise InputError(f"{folder.array_file} has no runs for array task {self.index} of the array") from None
        self._restarts = self.restart = int(environment.get("SLURM_RESTART_COUNT") or 0)
        # When it was requeued is told by nobody.
        self.submitted = None if self._restarts else array.created
        self.array, self.store = array, RunStore(array.store)
        self.folder, self._stop = folder, stop
        self._when_validated = when_validated
        self._looks_at: float | None = None
        self.code = array.code
        self.join_search(self.store)
        self.max_requeues = array.profile.max_requeues

    @property
    def job_id(self) -> str:
        """This array task: `12_3`."""
        return f"{self.array_job}_{self.index}"

    @property
    def grace_s(self) -> float:
        """Almost all of the time that is left before the time limit; else what Slurm itself gives."""
        ahead = told_ahead_s(self.array.profile) - _LAST_S if self._stop.time_limit_ahead else 0
        return max(super().grace_s, ahead)

    @contextmanager
    def claim(self, folder: RunFolder) -> Iterator[MetricsLog | None]:
        """The run's log, if need be taken from the copy that Slurm has given up."""
        takeover = Takeover(
            folder, self.job_id, self._restarts, self.array.created, self._stop, job_name=self.array.job_name
        )
        with takeover.claim() as log:
            yield log

    def stopped(self, before: RunRecord, standing: Standing) -> tuple[RunState, str]:
        """Interrupted, unless the time limit always comes too early or too often."""
        if not self._stop.time_limit_ahead:
            return RunState.INTERRUPTED, f"stopped by Slurm (preempted or cancelled){standing.remark}"
        cause = f"time limit: {standing.goes_on}"
        if (before.state, before.cause) == (RunState.INTERRUPTED, cause):
            return RunState.FAILED, (
                f"{standing.too_short} the time limit ({self._time_limit()}): it came twice before {standing.next};"
                " retry with a higher timeout_min"
            )
        if self._requeues(before) >= self.max_requeues:
            return RunState.FAILED, self._too_often(standing)
        return RunState.INTERRUPTED, cause

    def refuse(self, before: RunRecord, standing: Standing) -> str | None:
        """A run that has been requeued too often, whoever did it."""
        if self._requeues(before) > self.max_requeues:
            return self._too_often(standing)
        return None

    def validated(self, folder: RunFolder) -> None:
        """The first validation of a sweep's first run lets the rest start."""
        if self.index == 0 and self.array.canary and folder.run_id == self.run_ids[0]:
            self.release_the_rest()
            self._see_to_release()
        self._when_validated()

    def ended(self, record: RunRecord) -> None:
        """Keep the end beside the others' and hold the rest when they have all failed alike."""
        self.folder.add_outcome(record.run_id, record.state, record.cause)
        cause = self.folder.common_failure()
        if cause is not None and not self.folder.breaker_file.exists():
            write_whole(self.folder.breaker_file, f"{cause}\n".encode(), make_folder=False)
            say("worker", f"{BREAKER_FAILURES} runs in a row failed alike: the rest of job {self.array_job} is held")
            scontrol("hold", self.array_job)

    def release_the_rest(self) -> None:
        """Leave the mark that the first run has passed, and release the array."""
        if self.folder.canary_file.exists():
            return
        write_whole(self.folder.canary_file, b"", make_folder=False)
        say("worker", f"the first run has passed its first validation: the rest of job {self.array_job} may start")
        if len(self.array.tasks) > 1:
            scontrol("release", self.array_job)

    def _see_to_release(self) -> None:
        """Look once more, when Slurm has had the time to forget the release."""
        if self._looks_at is None:
            self._looks_at = time.monotonic() + FORGETS_S
        elif time.monotonic() > self._looks_at:
            self._looks_at = math.inf
            self.keep_up()

    def waits_for_first(self) -> bool:
        """Check whether the sweep's first run, which is of this array task, has still to pass its first validation."""
        with suppress(OSError):
            return self.index == 0 and self.array.canary and not self.folder.canary_file.exists()
        # The results folder is away.
        return True

    def look_at_first(self) -> None:
        """Let the rest go where the first run has finished elsewhere, or in a start that was killed too soon."""
        if self.waits_for_first() and self._record(self.run_ids[0]).state.has_passed:
            try:
                self.release_the_rest()
            except StorageError as error:
                say("worker", str(error))

    def own_ends(self) -> set[RunState]:
        """The ends that runs have found in this start of the array task."""
        records = [self._record(run_id) for run_id in self.listed_runs()]
        lasts = [(record.state, record.attempts[-1]) for record in records if record.attempts]
        return {state for state, last in lasts if last.ended and self._is_own(last) and last.restart == self.restart}

    def _is_own(self, attempt: Attempt) -> bool:
        """Check whether this array task has made an attempt: Slurm may give a number out again."""
        return attempt.job_id == self.job_id and attempt.job_name in (None, self.array.job_name)

    def _record(self, run_id: str) -> RunRecord:
        """Record of a run; None while the results folder is away."""
        with suppress(OSError):
            return self.store.run(run_id).read_record()
        return RunRecord(run_id=run_id)

    def hand_back(self) -> bool:
        """Requeue this array task when the time limit has left runs of it undone; False when that cannot be.

        The same where preemption cancels it: Slurm itself requeues no such job.
        """
        if not self._stop() or not (self.open_runs() or self._has_to_propose()):
            return True
        if not self._stop.time_limit_ahead:
            if self._is_preempted() and self._restarts < self.max_requeues:
                return self.requeue()
            return True
        if not self.own_ends() and self._restarts >= self.max_requeues:
            self._give_up()
            return False
        return self.requeue()

    def _is_preempted(self) -> bool:
        own = (each for each in squeue([self.array.job_name]) if each.name == self.job_id)
        return any(each.is_preempted for each in own)

    def keep_up(self) -> None:
        """Look after the other jobs of the sweep."""
        keep_up(self.store, max_requeues=self.max_requeues)

    def _give_up(self) -> None:
        """Keep on record that the time limit left its runs no time to begin."""
        cause = (
            f"the time limit ({self._time_limit()}) came {self._restarts + 1} times, at last before the run began;"
            " retry with a higher timeout_min"
        )
        say("worker", f"{cause}: not requeued")
        own = (run_id for run_id in self.open_runs() if run_id in self.run_ids)
        for folder in map(self.store.run, own):
            with folder.claim() as log:
                if log is not None and not folder.read_record().state.is_settled:
                    changes = {"state": RunState.FAILED, "cause": cause}
                    folder.write_record(folder.read_record().model_copy(update=changes))
                    self.ended(folder.read_record())

    def requeue(self) -> bool:
        """Have Slurm start this array task again; False when it does not."""
        for pause in _REQUEUE_PAUSES_S:
            if scontrol("requeue", self.job_id):
                return True
            time.sleep(pause)
        return False

    def evaluate(self, job: Job, request: EvaluationRequest) -> int:
        """Evaluate the runs instead, going on after a time limit as long as each start gets further; the exit code."""
        from cnnjobs.worker.evaluations import evaluate_runs

        before = self.folder.read_outcomes()
        done = evaluate_runs(job, request, self.folder, self._stop)
        outcomes = self.folder.read_outcomes()
        left = [run_id for run_id in self.run_ids if run_id not in outcomes]
        handed_back = done
        if left and self._stop.time_limit_ahead:
            handed_back = any(run_id not in before for run_id in outcomes if run_id in self.run_ids) and self.requeue()
            for run_id in () if handed_back else left:
                cause = f"the time limit ({self._time_limit()}) came first; evaluate it with a higher timeout_min"
                self.folder.add_outcome(run_id, "failed", cause)
        all_good = all(outcomes[run_id][0] == "finished" for run_id in self.run_ids if run_id in outcomes)
        return 0 if handed_back and all_good else 1

    def listed_runs(self) -> list[str]:
        """The runs of this array task, and in a search those of all others behind them."""
        if not self.is_search:
            return list(self.run_ids)
        others = [run_id for task in self.array.tasks for run_id in task]
        if self.proposals is not None:
            with suppress(OSError, InputError):
                others += [run_id for each in self.proposals.known() for run_id in each.runs]
        return list(dict.fromkeys([*self.run_ids, *others]))

    def open_runs(self) -> list[str]:
        """The runs of this array task that are not settled; in a search those of others that nobody trains, too."""
        found = [run_id for run_id in self.run_ids if not self._record(run_id).state.is_settled]
        others = (run_id for run_id in self.listed_runs() if run_id not in self.run_ids)
        return found + [run_id for run_id in others if self._is_left(run_id)]

    def _has_to_propose(self) -> bool:
        """Check whether a search goes on with configurations that are not known yet."""
        with suppress(OSError, InputError):
            return self.proposals is not None and self.proposals.left() > 0
        return False

    def _is_left(self, run_id: str) -> bool:
        """Check whether a run was begun, is not done, and has nobody now."""
        record = self._record(run_id)
        return bool(record.attempts) and not record.state.is_settled and record.state is not RunState.RUNNING

    def _requeues(self, before: RunRecord) -> int:
        """In how many earlier starts of this array task the run has begun."""
        return len({past.restart for past in before.attempts if self._is_own(past)} - {self.restart})

    def _too_often(self, standing: Standing) -> str:
        return (
            f"not done after {standing.done} and {self.max_requeues} requeues (max_requeues {self.max_requeues},"
            f" {self._time_limit()}); retry with a higher timeout_min"
        )

    def _time_limit(self) -> str:
        return f"timeout_min {self.array.profile.timeout_min or 'of the partition'}"
