"""States of runs that were handed to Slurm, from pretended answers of squeue and sacct."""

from __future__ import annotations

import os
import pickle
import time
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cnnjobs.disk.run_folder import Attempt, RunRecord, RunState, RunStore
from cnnjobs.disk.submission_folder import JobArray, SubmissionFolder
from cnnjobs.launch.plan.carrying_out import carried_out
from cnnjobs.launch.plan.plan import Action, Selection, make_plan
from cnnjobs.slurm.commands import SlurmError
from cnnjobs.slurm.submissions import submissions
from cnnjobs.status.run_status import RunStatus
from cnnjobs.status.sweep_status import SweepWatcher
from cnnjobs.sweep.file import Sweep

OFF = SlurmError("sacct: Slurm accounting storage is disabled")
HERE = os.uname().nodename


class Place:
    """The four runs of a sweep in job 12, one in each array task, and what Slurm says of it."""

    def __init__(self, sweep: Sweep, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sweep, self.store = sweep, store
        self.folder = SubmissionFolder(store.jobs_folder / "first")
        self.ids = [run.run_id for run in sweep.runs]
        self.said: dict[str, str | SlurmError] = {"squeue": "", "sacct": OFF}
        self.asked: list[str] = []
        self.commands: list[str] = []
        for run in sweep.runs:
            store.run(run.run_id).create(run.config)
        monkeypatch.setattr("cnnjobs.slurm.queue.ask", self._ask)
        monkeypatch.setattr("cnnjobs.status.repair.ask", self._ask)
        self.submit([[run_id] for run_id in self.ids])

    def _ask(self, *command: str, **_: object) -> str:
        self.asked.append(command[0])
        if command[0] == "scontrol":
            self.commands.append(" ".join(command))
        said = self.said["begins" if "begins" in self.said and "EligibleTime" in command[-1] else command[0]]
        if isinstance(said, SlurmError):
            raise said
        return said

    def submit(self, tasks: list[list[str]], *, canary: bool = False, job_id: int | None = 12) -> None:
        array = JobArray(
            job_name="cnnjobs-four", tasks=tasks, store=self.store.path, canary=canary, host=HERE, user="ann",
            created="2026-01-01T00:00:00+00:00",
        )  # fmt: skip
        self.folder.write_array(array)
        self.folder.id_file.unlink(missing_ok=True)
        if job_id is not None:
            self.folder.write_id(job_id)

    def queue(self, *lines: tuple[int | str, str, str]) -> None:
        """Let squeue show (index, state, reason) of job 12."""
        entries = [f"12|{index}|{state}|{reason}|0|n1|100|main|cnnjobs-four|" for index, state, reason in lines]
        self.said["squeue"] = "\n".join(entries)

    def account(self, *lines: tuple[int, str, str]) -> None:
        """Let sacct tell (index, state, exit code) of job 12."""
        entries = [f"12_{index}|{state}|{code}|n1|2026-01-01T01:00:00|cnnjobs-four" for index, state, code in lines]
        self.said["sacct"] = "\n".join(entries)

    def record(self, index: int, state: RunState, *, host: str = HERE, silent_s: float = 0, **changes: object) -> None:
        """The marks that the run of an array task has left, and since when it is silent."""
        folder = self.store.run(self.ids[index])
        started = datetime.now(UTC).isoformat()
        attempt = Attempt(number=1, host=host, pid=1, job_id=f"12_{index}", started=started)
        # The last line of metrics may be newer than the checkpoint.
        record = RunRecord(run_id=folder.run_id, state=state, attempts=(attempt,), epochs_done=3.0)
        folder.write_record(record.model_copy(update=changes))
        with zipfile.ZipFile(folder.checkpoint_file, "w") as archive:
            archive.writestr("checkpoint/data.pkl", pickle.dumps({"epoch": 2}, protocol=2))
        folder.metrics_file.touch()
        os.utime(folder.metrics_file, (time.time() - silent_s,) * 2)

    def log(self, index: int, text: str) -> None:
        self.folder.log_file(index).write_text(text)

    def look(self) -> tuple[RunStatus, ...]:
        return SweepWatcher(self.store, self.sweep.runs).look().snapshot.runs

    def told(self, index: int = 0) -> tuple[str, str | None]:
        """State and cause of one run."""
        status = self.look()[index]
        return str(status.state), status.cause


@pytest.fixture
def place(sweep: Sweep, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(sweep, store, monkeypatch)


def test_what_waits_and_why(place: Place) -> None:
    place.queue((0, "RUNNING", "None"), ("1-3%1", "PENDING", "JobArrayTaskLimit"))
    first, second, _, last = place.look()
    assert (first.state, first.cause, first.job) == (RunState.PENDING, "job 12_0 is starting it on n1", "12_0")
    assert (second.state, second.cause, second.ahead) == (
        RunState.PENDING, "waits for its turn: max_parallel of the sweep are at work", 0,
    )  # fmt: skip
    assert last.ahead == 2
    assert place.asked == ["squeue"]


def test_jobs_that_run_have_places_for_runs_whatever_their_records_say(place: Place) -> None:
    place.queue((0, "RUNNING", "None"), (1, "RUNNING", "None"), (2, "COMPLETING", "None"), (3, "PENDING", "Resources"))
    snapshot = SweepWatcher(place.store, place.sweep.runs).look().snapshot
    assert (snapshot.slots, snapshot.at_work, snapshot.processes) == (2, 2, 1.0)
    assert snapshot.count(RunState.RUNNING) == 0
    place.submit([place.ids[:2], place.ids[2:]])
    assert SweepWatcher(place.store, place.sweep.runs).look().snapshot.processes == 0.5
    place.queue()
    assert SweepWatcher(place.store, place.sweep.runs).look().snapshot.at_work == 0


def test_a_requeued_run_goes_on(place: Place) -> None:
    place.record(0, RunState.INTERRUPTED, cause="time limit; goes on from epoch 2")
    place.record(1, RunState.RUNNING)
    place.queue((0, "PENDING", "BeginTime"), (1, "PENDING", "Resources"), (2, "RUNNING", "None"))
    assert place.told(0) == (
        "pending",
        "goes on from epoch 2: its time to begin has not come: after a requeue Slurm waits a moment",
    )
    assert place.told(1) == ("pending", "goes on from epoch 2: waits for free resources")


def test_a_pending_element_that_was_cancelled_leaves_no_trace(place: Place) -> None:
    place.queue((1, "PENDING", "Resources"))
    assert place.told(0) == ("cancelled", "cancelled: job 12_0 left the queue before it started")
    place.account((2, "COMPLETED", "0:0"))
    assert place.told(0)[0] == "cancelled"
    assert place.told(2) == ("interrupted", "job 12_2 ended before its turn came")


@pytest.mark.parametrize(
    ("ended", "code", "state", "cause"),
    [
        ("OUT_OF_MEMORY", "0:125", "failed", "out of memory: job 12_0 on n1 used more than its mem_gb and was killed"),
        ("TIMEOUT", "0:0", "interrupted",
         "time limit: job 12_0 was ended at its timeout_min; goes on from epoch 2"),
        ("FAILED", "0:9", "interrupted", "killed by signal 9 (SIGKILL), job 12_0 on n1; goes on from epoch 2"),
        ("NODE_FAIL", "0:0", "interrupted", "node failed: job 12_0 lost n1; goes on from epoch 2"),
        ("CANCELLED by 0", "0:0", "cancelled", "cancelled by root at 2026-01-01T01:00:00, job 12_0"),
    ],
)  # fmt: skip
def test_how_a_run_that_left_no_word_has_ended(place: Place, ended: str, code: str, state: str, cause: str) -> None:
    place.record(0, RunState.RUNNING, silent_s=600)
    place.account((0, ended, code))
    assert place.told() == (state, cause)
    assert place.asked == ["squeue", "sacct"]


def test_a_plan_knows_the_same_ends_as_status(place: Place) -> None:
    place.record(0, RunState.RUNNING)
    place.record(1, RunState.INTERRUPTED, cause="time limit: goes on from epoch 2")
    place.record(2, RunState.RUNNING)
    place.account((0, "OUT_OF_MEMORY", "0:125"), (1, "COMPLETED", "0:0"), (2, "FAILED", "0:11"), (3, "FAILED", "1:0"))
    told = [(status.state, status.cause) for status in place.look()]
    assert [state for state, _ in told] == ["failed", "interrupted", "failed", "failed"]
    planned = make_plan(place.sweep, place.store).runs
    assert [each.action for each in planned] == [Action.FAILED, Action.RESUMED, Action.FAILED, Action.FAILED]
    assert [each.reason for each in planned if each.action is Action.FAILED] == [
        cause for _, cause in told if "time" not in str(cause)
    ]
    with carried_out(place.sweep, place.store):
        pass
    kept = [place.store.run(run_id).read_record() for run_id in place.ids]
    assert [record.state for record in kept] == ["failed", "interrupted", "failed", "failed"]
    # What waits in the queue, and what is asked for again, is taken up as ever.
    retried = make_plan(place.sweep, place.store, Selection(retry_failed=True), queued={place.ids[1]: "job 13"}).runs
    assert [each.action for each in retried] == [Action.AGAIN, Action.QUEUED, Action.AGAIN, Action.AGAIN]
    place.asked.clear()
    place.record(0, RunState.FAILED, cause="diverged")
    for index in (1, 2, 3):
        place.record(index, RunState.FINISHED)
    assert make_plan(place.sweep, place.store).runs[0].reason == "diverged"
    # Where every end is known from the run itself, nobody is asked.
    assert place.asked == []


def test_without_accounting_the_log_tells(place: Place) -> None:
    place.record(0, RunState.RUNNING)
    place.log(0, "slurmstepd-n1: error: *** JOB 5 ON n1 CANCELLED AT 2026-01-01T02:00:00 DUE TO TIME LIMIT ***\n")
    assert place.told() == ("interrupted", "time limit: job 12_0 was ended at its timeout_min; goes on from epoch 2")
    place.log(0, "a word\n")
    assert place.told() == (
        "lost", "lost: job 12_0 is in no queue, accounting does not tell, and the run left no last word",
    )  # fmt: skip
    place.account()
    assert "accounting does not know it" in str(place.told()[1])


def test_a_job_that_never_came_to_the_run(place: Place) -> None:
    place.log(0, "setting up\n/opt/python: No such file or directory\n")
    place.account((0, "FAILED", "127:0"))
    words = "/opt/python: No such file or directory"
    assert place.told() == ("failed", f"never started: job 12_0 on n1 ended with exit code 127: {words}")
    place.said["sacct"] = OFF
    assert place.told() == ("failed", f"never started: job 12_0 ended: {words}")


def test_silence_is_no_death_while_nobody_can_be_asked(place: Place) -> None:
    place.said = {"squeue": SlurmError("squeue did not answer"), "sacct": SlurmError("sacct: Connection refused")}
    place.record(0, RunState.RUNNING, host="far", silent_s=720)
    place.record(1, RunState.RUNNING, host="far")
    place.record(2, RunState.FINISHED)
    looked = SweepWatcher(place.store, place.sweep.runs).look()
    assert [(str(status.state), status.cause) for status in looked.snapshot.runs] == [
        ("running", "no sign of life for 12 min, and the queue could not be asked"),
        ("running", None),
        ("finished", None),
        ("pending", "job 12_3; the queue could not be asked"),
    ]
    assert looked.view.notices == (
        "the queue could not be asked: squeue did not answer",
        "accounting could not be asked: sacct: Connection refused",
    )


def test_a_heartbeat_tells_a_slow_epoch_from_a_death_on_another_host(place: Place) -> None:
    place.record(0, RunState.RUNNING, host="far", silent_s=60)
    assert place.told() == ("running", None)
    place.record(0, RunState.RUNNING, host="far", silent_s=600)
    assert place.told()[0] == "lost"
    place.queue((0, "RUNNING", "None"))
    assert place.told() == ("running", "no sign of life for 10 min; job 12_0 goes on")
    place.record(0, RunState.RUNNING, silent_s=600)
    assert place.told() == ("interrupted", "its process ended without an error message while job 12_0 on n1 goes on")


def test_a_lock_that_another_host_left_behind_keeps_no_run_alive(place: Place) -> None:
    place.record(0, RunState.RUNNING, host="far", silent_s=600)
    with place.store.run(place.ids[0]).claim():
        os.utime(place.store.run(place.ids[0]).metrics_file, (time.time() - 600,) * 2)
        assert place.told()[0] == "lost"
        place.queue((0, "RUNNING", "None"))
        assert place.told() == ("running", "no sign of life for 10 min; job 12_0 goes on")


def test_a_process_that_outlives_its_node(place: Place) -> None:
    place.record(0, RunState.RUNNING, host="far", silent_s=20)
    place.account((0, "NODE_FAIL", "0:0"))
    words = "but its process on far lives on"
    assert place.told() == ("running", f"Slurm has given up its node (node_fail), {words}")
    place.queue((0, "PENDING", "BeginTime"))
    assert place.told() == ("running", f"Slurm has given up its node (pending), {words}")


def test_a_run_waits_its_turn_behind_others_of_its_job(place: Place) -> None:
    place.submit([place.ids[:2], place.ids[2:]])
    place.queue((0, "RUNNING", "None"), (1, "PENDING", "Resources"))
    place.record(0, RunState.FINISHED)
    place.record(3, RunState.INTERRUPTED)
    assert place.told(1) == ("pending", "waits its turn in job 12_0")
    assert place.told(3) == ("pending", "goes on from epoch 2: waits for free resources")


def test_an_exit_code_is_not_blamed_on_a_run_that_had_no_part_in_it(place: Place) -> None:
    place.submit([place.ids[:2], place.ids[2:]])
    place.record(0, RunState.FAILED, cause="diverged at step 3")
    attempt = Attempt(number=1, host=HERE, pid=1, job_id="12_1", started=datetime.now(UTC).isoformat())
    place.record(2, RunState.INTERRUPTED, cause="time limit: goes on from epoch 2", attempts=(attempt,))
    place.account((0, "FAILED", "1:0"), (1, "FAILED", "1:0"))
    assert place.told(1) == ("interrupted", "job 12_0 ended before its turn came")
    assert place.told(2) == ("interrupted", "time limit: goes on from epoch 2")
    assert place.told(3) == ("interrupted", "job 12_1 ended before its turn came")


def test_the_first_run_holds_the_others(place: Place) -> None:
    place.submit([[run_id] for run_id in place.ids], canary=True)
    place.queue((0, "RUNNING", "None"), ("1-3", "PENDING", "JobHeldUser"))
    words = "held until the first run has passed its first validation"
    assert place.told(1) == ("pending", words)
    assert SweepWatcher(place.store, place.sweep.runs).look().held == (f"job 12: 3 jobs {words}",)
    place.queue(("1-3", "PENDING", "JobHeldUser"))
    place.record(0, RunState.FAILED, cause="diverged at step 3")
    failed = "held: the first run did not pass its first validation (failed: diverged at step 3)"
    assert place.told(1) == ("pending", failed)
    place.folder.canary_file.touch()
    assert place.told(1) == ("pending", "held by its user: scontrol release 12")
    place.folder.breaker_file.write_text("diverged at step 3\n")
    assert place.told(2) == ("pending", "held: 5 runs in a row failed alike (diverged at step 3)")


def test_an_intent_without_a_number_is_found_by_its_name(place: Place) -> None:
    place.submit([[run_id] for run_id in place.ids], job_id=None)
    assert place.told() == ("pending", "its launcher ended before it was submitted: start the sweep again")
    place.queue(("0-3", "PENDING", "Resources"))
    assert place.told() == ("pending", "waits for free resources")
    assert place.look()[3].job == "12_3"


def test_a_run_that_went_on_in_another_place_is_judged_there(place: Place) -> None:
    attempt = Attempt(number=1, host=HERE, pid=1, job_id="4711", started=datetime.now(UTC).isoformat())
    place.record(0, RunState.INTERRUPTED, attempts=(attempt,), cause="stopped")
    place.account((0, "FAILED", "1:0"))
    assert place.told() == ("interrupted", "stopped")
    with place.store.launching():
        assert place.told(1) == ("pending", None)


def test_looks_leave_nothing_behind(place: Place) -> None:
    before = sorted(place.store.path.rglob("*"))
    for _ in range(3):
        place.look()
    assert sorted(place.store.path.rglob("*")) == before


def test_a_submission_that_is_collected_while_looking(place: Place, tmp_path: Path) -> None:
    place.folder.array_file.rename(tmp_path / "gone")
    assert place.told() == ("pending", None)
    assert place.asked == []


@pytest.mark.parametrize("end", [
    ("FAILED", "0:9", "was killed by signal 9 (SIGKILL)"), ("FAILED", "74:0", "ended"),
    ("OUT_OF_MEMORY", "0:125", "ran out of memory"),
])  # fmt: skip
def test_a_run_whose_turn_had_not_come_has_no_part_in_the_end_of_its_job(
    place: Place, end: tuple[str, str, str]
) -> None:
    place.submit([place.ids[:2], place.ids[2:]])
    place.record(0, RunState.RUNNING, silent_s=600)
    place.log(0, f"{place.ids[0]}: epoch 3/10, loss 0.4\n")
    place.account((0, *end[:2]))
    state, cause = place.told(1)
    assert state == "interrupted"
    assert cause == f"job 12_0 {end[2]} before its turn came"


def test_a_number_that_slurm_gives_out_again_joins_nothing(place: Place) -> None:
    old = SubmissionFolder(place.store.jobs_folder / "0-old")
    array = place.folder.read_array()
    before = "2025-12-31T00:00:00+00:00"
    old.write_array(array.model_copy(update={"job_name": "cnnjobs-four-old", "created": before, "canary": True}))
    old.write_id(12)
    old.canary_file.touch()
    old.mark_started()
    place.submit([[run_id] for run_id in place.ids], canary=True)
    place.folder.mark_started()
    place.queue((0, "RUNNING", "None"), ("1-3", "PENDING", "JobHeldUser"))
    words = "held until the first run has passed its first validation"
    truth = SweepWatcher(place.store, place.sweep.runs).look()
    assert [status.cause for status in truth.snapshot.runs][1:] == [words] * 3
    assert truth.held == (f"job 12: 3 jobs {words}",)
    assert place.asked == ["squeue"]
    (first,) = [each for each in submissions(place.store) if each.array.canary and each.array.job_name.endswith("-old")]
    assert first.array_tasks(truth.view) == []
    # What the older job has begun is no start of the new one.
    attempt = Attempt(number=1, host="far", pid=1, job_id="12_1", job_name="cnnjobs-four-old", started=before)
    place.record(1, RunState.INTERRUPTED, cause="stopped", attempts=(attempt,))
    place.account((1, "FAILED", "3:0"))
    place.said["squeue"] = ""
    assert place.told(1) == ("failed", "never started: job 12_1 on n1 ended with exit code 3")


def test_what_slurm_has_forgotten_is_told_to_it_again(place: Place) -> None:
    place.submit([[run_id] for run_id in place.ids], canary=True)
    place.folder.mark_started()
    place.queue(("1-3", "PENDING", "JobHeldUser"))
    place.record(0, RunState.FINISHED)
    place.said["scontrol"] = ""
    released = "job 12: its first run has passed, the rest was still held and is released"
    assert SweepWatcher(place.store, place.sweep.runs).look().view.notices == (released,)
    assert place.commands == ["scontrol release 12_[1-3]"]
    place.said["scontrol"] = SlurmError("scontrol: Access/permission denied")
    (notice,) = SweepWatcher(place.store, place.sweep.runs).look().view.notices
    assert notice == "job 12 waits, and Slurm did not let it go (scontrol: Access/permission denied)"
    place.folder.breaker_file.write_text("diverged at step 3\n")
    assert SweepWatcher(place.store, place.sweep.runs).look().view.notices == ()


@pytest.mark.parametrize(("minutes", "restarts", "again"), [(5, 0, True), (600, 0, False), (5, 1, False)])
def test_a_time_to_begin_is_told_and_our_own_is_taken_back(
    place: Place, minutes: int, restarts: int, *, again: bool
) -> None:
    place.folder.mark_started()
    made = datetime.fromisoformat("2026-01-01T00:00:00+00:00").astimezone()
    begins = f"{made + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S}"
    place.queue(("0-3", "PENDING", "BeginTime"))
    place.said["begins"] = f"12|0-3|{begins}|{restarts}|\n"
    place.said["scontrol"] = ""
    truth = SweepWatcher(place.store, place.sweep.runs).look()
    told = begins.replace("T", " ")
    onwards = "after a requeue Slurm waits a moment" if restarts else None
    assert truth.snapshot.runs[2].cause == (
        f"begins at {told}: {onwards}" if onwards else
        f"begins at {told}; at once with: scontrol update JobId=12_2 StartTime=now"
    )  # fmt: skip
    assert (place.commands == ["scontrol update JobId=12 StartTime=now"]) is again
    assert (truth.view.notices != ()) is again


def test_all_that_waits_is_held_and_what_lets_it_go(place: Place) -> None:
    def release() -> str | None:
        return SweepWatcher(place.store, place.sweep.runs).look().release

    place.submit([[run_id] for run_id in place.ids], canary=True)
    place.queue(("1-3", "PENDING", "JobHeldUser"))
    place.record(0, RunState.FAILED, cause="diverged at step 3")
    assert release() == "cnnjobs retry {sweep}"
    place.record(0, RunState.RUNNING)
    with place.store.run(place.ids[0]).claim():
        place.queue((0, "RUNNING", "None"), ("1-3", "PENDING", "JobHeldUser"))
        assert release() is None
    place.queue((0, "PENDING", "launch failed requeued held"), ("1-3", "PENDING", "JobHeldUser"))
    place.record(0, RunState.PENDING, attempts=())
    assert release() == "scontrol release 12_0"
    assert place.told(0)[1] == "Slurm could not start it on its node and holds it: scontrol release 12_0"
    place.submit([[run_id] for run_id in place.ids])
    place.queue(("0-3", "PENDING", "JobHeldUser"))
    assert release() == "scontrol release 12_[0-3]"
    place.queue((1, "PENDING", "launch failed requeued held"), (3, "PENDING", "JobHeldUser"))
    assert release() == "scontrol release 12_[1,3]"


def test_a_suspended_run_waits_and_has_no_time_left(place: Place) -> None:
    place.record(0, RunState.RUNNING)
    place.queue((0, "SUSPENDED", "None"))
    with place.store.run(place.ids[0]).claim():
        state, cause = place.told(0)
        assert (state, str(cause)[:24]) == ("pending", "suspended in job 12_0: g")
        assert SweepWatcher(place.store, place.sweep.runs).look().snapshot.at_work == 0
