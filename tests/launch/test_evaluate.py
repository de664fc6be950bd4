from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.config.resolved_profile import ResolvedProfile
from cnnjobs.disk.run_folder import Evaluation, RunState, RunStore
from cnnjobs.disk.submission_folder import EvaluationRequest, JobArray, SubmissionFolder
from cnnjobs.errors import InputError
from cnnjobs.launch import cancel as control
from cnnjobs.launch import evaluate as evaluating
from cnnjobs.launch.array import runs_per_job as split_notices
from cnnjobs.launch.array import submit as slurm
from cnnjobs.launch.array.limits import SubmitLimit
from cnnjobs.launch.evaluate import evaluated_here, submit_evaluation, to_evaluate
from cnnjobs.launch.local import workers as jobs
from cnnjobs.launch.plan.resources import Resources
from cnnjobs.slurm.queue import ArrayTask, QueueView
from cnnjobs.slurm.submissions import positions, submissions
from cnnjobs.status import sweep_status as truth
from cnnjobs.status.evaluations import evaluations
from cnnjobs.status.logs.job_logs import find_log
from cnnjobs.status.named_runs import Target
from cnnjobs.status.repair import Queue, prune
from cnnjobs.status.run_status import RunFilesWatcher, RunStatuses
from cnnjobs.status.sweeps import OpenSweep
from cnnjobs.sweep.file import Sweep

Put = Callable[..., None]
TEST = EvaluationRequest(split="test")
BEFORE, CREATED, AFTER = "2026-01-01T10:00:00+00:00", "2026-01-01T11:00:00.5+00:00", "2026-01-01T12:00:00+00:00"


def submitted(store: RunStore, *tasks: list[str], request: EvaluationRequest | None = TEST) -> SubmissionFolder:
    """Job 7, which evaluates the runs of these tasks."""
    folder = SubmissionFolder(store.jobs_folder / "20260101T110000-7")
    folder.write_array(
        JobArray(job_name="n7", tasks=tasks, store=store.path, evaluation=request, created=CREATED, host="h", user="u")
    )
    folder.write_id(7)
    folder.mark_started()
    return folder


def evaluated(store: RunStore, run_id: str, at: str) -> None:
    """The record holds an evaluation of that time."""
    made = Evaluation(
        dataset={"name": "fashion_mnist_mini"}, split="test", metrics={"loss": 0.5, "accuracy": 0.75}, num_images=1000,
        at=at, host="h", device="cpu",
    )  # fmt: skip
    folder = store.run(run_id)
    folder.write_record(folder.read_record().model_copy(update={"evaluations": {made.name: made}}))


def view(**states: str) -> QueueView:
    """The queue with job 7's array tasks in these states: `_0="RUNNING"`."""
    array_tasks = {(7, int(name[1:])): ArrayTask(7, int(name[1:]), state) for name, state in states.items()}
    return QueueView(queued=array_tasks, knows_queue=True)


@pytest.fixture
def run_ids(sweep: Sweep, put: Put) -> list[str]:
    """Four runs that have finished."""
    for index in range(len(sweep.runs)):
        put(index, RunState.FINISHED)
    return [run.run_id for run in sweep.runs]


def looked(sweep: Sweep, store: RunStore, queue: QueueView) -> dict[str, Any]:
    """By run id, state and cause or metrics of its evaluations."""
    snapshot: RunStatuses = RunFilesWatcher(store, sweep.runs).look()
    found = evaluations(snapshot.runs, submissions(store), queue)
    assert {each.name for each in found} <= {"fashion_mnist_mini/test"}
    told: dict[str, Any] = {}
    for each in found:
        told.setdefault(each.status.run_id, []).append((str(each.state), each.cause or dict(each.metrics)))
    return told


def test_every_evaluation_has_its_state(sweep: Sweep, store: RunStore, run_ids: list[str]) -> None:
    first, second, third, fourth = run_ids
    folder = submitted(store, [first], [second], [third, fourth])
    folder.add_outcome(third, "refused", "it does not fit")
    evaluated(store, fourth, AFTER)
    metrics = ("finished", {"loss": 0.5, "accuracy": 0.75})
    assert looked(sweep, store, view(_0="PENDING", _1="RUNNING")) == {
        fourth: [metrics],
        first: [("pending", "waits to be looked at by Slurm")],
        second: [("running", "job 7_1")],
        third: [("failed", "it does not fit")],
    }
    assert looked(sweep, store, view())[first] == [
        ("lost", "job 7 ended without an error message; it left the queue before it started")
    ]
    folder.log_file(0).write_text("out of memory\n")
    assert looked(sweep, store, view())[first] == [
        ("lost", f"job 7 ended without an error message; see {folder.log_file(0)}")
    ]
    assert looked(sweep, store, QueueView())[first] == [("pending", "the queue could not be asked")]


def test_a_number_that_only_the_queue_tells_names_the_job(sweep: Sweep, store: RunStore, run_ids: list[str]) -> None:
    submitted(store, run_ids[:1]).id_file.unlink()
    snapshot: RunStatuses = RunFilesWatcher(store, sweep.runs).look()
    queue = replace(view(_0="RUNNING"), job_ids={"n7": 7})
    (found,) = evaluations(snapshot.runs, submissions(store), queue)
    assert (found.job, found.cause) == ("7_0", "job 7_0")


def test_an_older_evaluation_stays_while_a_new_one_is_made(sweep: Sweep, store: RunStore, run_ids: list[str]) -> None:
    submitted(store, run_ids[:1])
    evaluated(store, run_ids[0], BEFORE)
    states = [state for state, _ in looked(sweep, store, view(_0="RUNNING"))[run_ids[0]]]
    assert states == ["finished", "running"]


def test_a_run_that_is_trained_again_has_no_evaluation_to_wait_for(
    sweep: Sweep, store: RunStore, run_ids: list[str], put: Put
) -> None:
    submitted(store, run_ids[:1])
    put(0, RunState.PENDING)
    assert looked(sweep, store, view(_0="RUNNING")) == {}


def test_a_submission_goes_when_all_it_was_for_is_done(store: RunStore, run_ids: list[str]) -> None:
    folder = submitted(store, run_ids[:2], run_ids[2:3])

    def is_kept(queue: QueueView) -> bool:
        prune(store, Queue(tuple(submissions(store)), queue))
        return folder.path.exists()

    for run_id in run_ids[:2]:
        folder.add_outcome(run_id, "finished", None)
    folder.add_outcome(run_ids[2], "failed", "ValueError")
    assert is_kept(view())
    evaluated(store, run_ids[2], BEFORE)
    assert is_kept(view())
    evaluated(store, run_ids[2], AFTER)
    assert is_kept(view(_1="RUNNING"))
    assert not is_kept(view())


def test_it_does_not_count_as_training(sweep: Sweep, store: RunStore, run_ids: list[str]) -> None:
    folder = submitted(store, run_ids)
    found = submissions(store)
    assert positions(found) == {}
    assert Queue(tuple(found), view(_0="RUNNING")).runs() == {}
    folder.log_file(0).write_text(f"{run_ids[0]}: fashion_mnist_mini/test: loss 0.5\n{run_ids[1]}: other\nwords\n")
    (status, *_) = RunFilesWatcher(store, sweep.runs).look().runs
    log = find_log(store, status, None)
    assert log.files == (folder.log_file(0),)
    assert [*log.lines(folder.log_file(0).read_text())] == [f"{run_ids[0]}: fashion_mnist_mini/test: loss 0.5", "words"]


def test_a_whole_sweep_means_its_finished_runs(sweep: Sweep, store: RunStore, run_ids: list[str], put: Put) -> None:
    opened = OpenSweep(sweep, store, "four")
    put(0, RunState.RUNNING)
    assert to_evaluate(Target(opened, sweep.runs, is_whole=True)) == sweep.runs[1:]
    with pytest.raises(InputError, match="has no weights yet"):
        to_evaluate(Target(opened, sweep.runs[:1], is_whole=False))
    store.run(run_ids[1]).model_file.touch()
    assert to_evaluate(Target(opened, sweep.runs[1:2], is_whole=False)) == sweep.runs[1:2]
    for index in range(len(sweep.runs)):
        put(index, RunState.FAILED)
    with pytest.raises(InputError, match="no run of four has finished yet"):
        to_evaluate(Target(opened, sweep.runs, is_whole=True))


def test_slurm_gets_one_array_with_many_runs_in_a_job(
    sweep: Sweep, store: RunStore, run_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[slurm.Order] = []
    monkeypatch.setattr(split_notices, "submit_limit", lambda profile, wanted: SubmitLimit(3, "MaxArraySize 3"))
    monkeypatch.setattr(evaluating, "put_in_order", lambda store: Queue((), view()))
    monkeypatch.setattr(evaluating, "submit", lambda order: orders.append(order) or 12)
    monkeypatch.setattr(evaluating, "let_go", lambda order, job_id: (f"let {job_id} go",))
    profile = ResolvedProfile(name="x", cpus_per_run=2, runs_at_once=4)
    request = EvaluationRequest(split="train", dataset={"name": "fashion_mnist"})
    done = submit_evaluation(OpenSweep(sweep, store, "four"), sweep.runs, request, profile, (Path("data"),))
    assert (done.job_id, done.notices) == (12, ("let 12 go",))
    (order,) = orders
    assert order.array.tasks == (tuple(run_ids),)
    assert (order.array.evaluation, order.array.canary, order.array.runs_at_once) == (request, False, 1)
    assert "cnnjobs.worker.slurm_main" in order.text
    one_each = profile.model_copy(update={"runs_per_job": 2})
    submit_evaluation(OpenSweep(sweep, store, "four"), sweep.runs, request, one_each, ())
    assert [len(task) for task in orders[1].array.tasks] == [2, 2]


def test_workers_that_die_fail_what_they_had_and_keep_their_logs(
    sweep: Sweep, store: RunStore, behave: Callable[[str], None]
) -> None:
    behave("refuse")
    for _ in range(2):
        with evaluated_here(store, sweep.runs, TEST, Resources(2, 1), ()) as endings:
            ends = {ending.run_id: ending for ending in endings}
        assert set(ends) == {run.run_id for run in sweep.runs}
        assert all(ending.state == "failed" for ending in ends.values())
        assert "its worker ended before it: " in str(ends[sweep.runs[0].run_id].cause)
        assert "no module named torch" in str(ends[sweep.runs[0].run_id].cause)
        # The next evaluation has removed what the one before left.
        (kept,) = store.jobs_folder.iterdir()
        assert len([*kept.glob("job-*.json")]) == 2


def test_ctrl_c_ends_the_workers_and_no_launcher_takes_them_for_its_own(
    sweep: Sweep, store: RunStore, behave: Callable[[str], None]
) -> None:
    behave("hang")
    for run in sweep.runs:
        store.run(run.run_id).create(run.config)

    def interrupted() -> None:
        with evaluated_here(store, sweep.runs[:1], TEST, Resources(2, 1), ()):
            jobs.prune(store)
            (folder,) = store.jobs_folder.iterdir()
            (pid,) = json.loads((folder / "workers.json").read_bytes())
            assert jobs.living_workers(store) == []
            worker.append(jobs.Worker(pid, 0, folder))
            assert worker[0].is_alive()
            raise KeyboardInterrupt

    worker: list[jobs.Worker] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not worker[0].is_alive()
    assert not store.jobs_folder.exists()


def test_cancelling_takes_what_a_job_has_left_and_spares_others(
    sweep: Sweep, store: RunStore, run_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = submitted(store, run_ids[:2], run_ids[2:])
    folder.add_outcome(run_ids[0], "finished", None)
    gone: list[Any] = []
    monkeypatch.setattr(control, "scancel", gone.extend)
    monkeypatch.setattr(truth, "look_at_queue", lambda names: view(_0="PENDING", _1="RUNNING"))
    opened = OpenSweep(sweep, store, "four")
    plan = control.plan_cancelling(Target(opened, sweep.runs[1:3], is_whole=False))
    control.carry_out(plan)
    # ArrayTask 0 has nothing else left, array task 1 goes on with the last run.
    assert gone == [(7, 0)]
    outcomes = folder.read_outcomes()
    assert [outcomes.get(run_id, ("",))[0] for run_id in run_ids] == ["finished", "cancelled", "cancelled", ""]
    told = looked(sweep, store, view(_1="RUNNING"))
    assert [told[run_id][0][0] for run_id in run_ids[1:]] == ["cancelled", "cancelled", "running"]
    assert all(store.run(run_id).read_record().state is RunState.FINISHED for run_id in run_ids)
