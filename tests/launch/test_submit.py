from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.config.profile import JobProfile
from cnnjobs.config.resolved_profile import ResolvedProfile
from cnnjobs.disk.run_folder import RunState, RunStore
from cnnjobs.disk.submission_folder import JobArray, SubmissionFolder
from cnnjobs.errors import InputError
from cnnjobs.launch.array import runs_per_job as split_notices
from cnnjobs.launch.array import submit as slurm
from cnnjobs.launch.array.limits import SubmitLimit
from cnnjobs.launch.array.runs_per_job import split_runs
from cnnjobs.launch.array.submit import Order, order_for, share_of
from cnnjobs.launch.plan import resolving
from cnnjobs.launch.plan.plan import Action, Selection, make_plan
from cnnjobs.launch.plan.preparing import PreparedForSlurm
from cnnjobs.launch.plan.resolving import resolve
from cnnjobs.slurm.cluster import NodeGroup, Partition
from cnnjobs.slurm.commands import SlurmError
from cnnjobs.slurm.queue import ArrayTask, QueueView
from cnnjobs.slurm.submissions import submissions
from cnnjobs.status.repair import Queue, prune
from cnnjobs.sweep.file import Sweep

Put = Callable[..., None]
EMPTY = Queue((), QueueView(knows_queue=True))


@pytest.fixture(autouse=True)
def _cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster whose default partition has no GPUs, with room for 3 jobs."""
    offered = (
        Partition("cpu", True, True, 60, None, (NodeGroup(2, True, 8, 4000),)),
        Partition("gpu", False, True, None, None, (NodeGroup(1, True, 4, 4000, 2), NodeGroup(1, True, 16, 4000, 4))),
    )
    monkeypatch.setattr(resolving, "read_partitions", lambda: offered)
    monkeypatch.setattr(split_notices, "submit_limit", lambda profile, wanted: SubmitLimit(3, "MaxArraySize 3"))
    monkeypatch.setattr(resolving, "with_offers", SlurmError)


def submitted(store: RunStore, *tasks: list[str], job_id: int = 7) -> SubmissionFolder:
    folder = SubmissionFolder(store.jobs_folder / f"20260101T000000-{job_id}")
    folder.write_array(
        JobArray(job_name=f"n{job_id}", tasks=tasks, store=store.path, created=f"{job_id}", host="h", user="u")
    )
    folder.write_id(job_id)
    return folder


def queue(store: RunStore, states: Mapping[tuple[int, int], str]) -> Queue:
    array_tasks = {key: ArrayTask(*key, state) for key, state in states.items()}
    return Queue(tuple(submissions(store)), QueueView(queued=array_tasks, knows_queue=True))


def ordered(sweep: Sweep, store: RunStore, profile: ResolvedProfile, *folders: Path) -> Order:
    plan = make_plan(sweep, store)
    return order_for(PreparedForSlurm(Selection(), plan, folders, False, profile, EMPTY))


def test_what_a_profile_leaves_open_is_the_partitions() -> None:
    assert resolve(JobProfile(name="x")).gpus_per_run == 0
    assert resolve(JobProfile(name="x")).cpus_per_run == 1
    assert resolve(JobProfile(name="x", partition="gpu")).gpus_per_run == 1
    assert resolve(JobProfile(name="x", partition="gpu", gpus_per_run=0)).gpus_per_run == 0


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        (JobProfile(name="x", timeout_min=61), "found 61, over the limit of partition cpu"),
        (JobProfile(name="x", cpus_per_run=9), "found 9, more than any node has"),
        (JobProfile(name="x", nodes=9), "job.nodes: found 9, more than the . of the partition"),
        (JobProfile(name="x", gpus_per_run=2, cpus_per_run=1), "found 1 for the 2 ranks of a run; write 2 or"),
        (JobProfile(name="x", runs_at_once=9), r"cpus_per_run: found 1, 9 times \(runs_at_once\), more than any node"),
        (
            JobProfile(name="x", runs_at_once=3, runs_per_job=2),
            r"found 2, fewer than runs_at_once \(3\); write 3 or more",
        ),
    ],
)
def test_what_slurm_would_let_wait_for_ever_is_refused(profile: JobProfile, words: str) -> None:
    with pytest.raises(InputError, match=words):
        resolve(profile)


def test_what_some_partition_of_several_takes_is_not_refused() -> None:
    assert resolve(JobProfile(name="x", partition="cpu,gpu", timeout_min=61, cpus_per_run=16))


def test_runs_are_dealt_in_turn() -> None:
    profile = ResolvedProfile()
    assert split_runs([], profile) == ()
    assert split_runs(["a", "b"], profile) == (("a",), ("b",))
    assert split_runs(["a", "b", "c", "d", "e"], profile) == (("a", "d"), ("b", "e"), ("c",))
    assert split_runs(["a", "b", "c"], ResolvedProfile(runs_per_job=2)) == (("a", "c"), ("b",))
    assert split_runs(["a", "b", "c", "d", "e"], ResolvedProfile(runs_at_once=2)) == (
        ("a", "d"),
        ("b", "e"),
        ("c",),
    )


def test_a_full_queue_and_too_many_jobs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"makes 4 jobs, but 3 fit now \(MaxArraySize 3\); write 2 or more"):
        split_runs(["a", "b", "c", "d"], ResolvedProfile(runs_per_job=1))
    monkeypatch.setattr(split_notices, "submit_limit", lambda profile, wanted: SubmitLimit(0, "MaxSubmitJobs 3"))
    with pytest.raises(SlurmError, match=r"no more jobs may be submitted now \(MaxSubmitJobs 3\)"):
        split_runs(["a"], ResolvedProfile())


def test_the_whole_sweep_shares_max_parallel(store: RunStore) -> None:
    submitted(store, ["a"], ["b"], ["c"])
    busy = queue(store, {(7, 1): "PENDING", (7, 2): "RUNNING", (8, 0): "RUNNING"})
    assert share_of(None, busy) == (None, ())
    assert share_of(5, busy) == (3, ())
    assert share_of(2, busy) == (2, (7,))
    assert share_of(2, EMPTY) == (2, ())


def test_runs_side_by_side_count_one_by_one(sweep: Sweep, store: RunStore, put: Put) -> None:
    folder = submitted(store, ["a", "b"], ["c"])
    folder.write_array(folder.read_array().model_copy(update={"runs_at_once": 2}))
    busy = queue(store, {(7, 0): "RUNNING", (7, 1): "PENDING"})
    assert share_of(9, busy) == (5, ())
    assert share_of(9, busy, 3) == (1, ())
    assert share_of(6, busy, 3) == (2, (7,))
    assert share_of(2, EMPTY, 2) == (1, ())


def test_a_job_has_the_cores_of_its_runs_together(sweep: Sweep, store: RunStore, put: Put) -> None:
    def order(**settings: int) -> Order:
        return ordered(sweep, store, resolve(JobProfile(name="x", cpus_per_run=2, **settings)))

    together = order(runs_at_once=3)
    assert [len(task) for task in together.array.tasks] == [2, 2]
    # Two runs at most meet in one job.
    assert (together.array.runs_at_once, together.array.threads, together.array.cpus) == (2, 2, 4)
    assert together.notices == ()
    assert "--cpus-per-task=4\n" in together.text
    assert "export SRUN_CPUS_PER_TASK=4\n" in together.text
    few = order(runs_at_once=3, max_parallel=2)
    assert (few.array.runs_at_once, few.at_once) == (2, 1)
    assert "--array=0-1%1\n" in few.text
    assert order().array.cpus == 2
    assert order(runs_at_once=4, canary=True).array.canary


def test_a_job_that_finds_out_how_many_it_carries_has_cores_for_as_many_as_any_node() -> None:
    def asked(**settings: Any) -> tuple[int | str, int | None]:
        found = resolve(JobProfile(name="x", runs_at_once="auto", **settings))
        return found.runs_at_once, found.gpus_per_run

    assert asked() == (8, 0)
    assert asked(cpus_per_run=3) == (2, 0)
    assert asked(cpus_per_run=8) == (1, 0)
    assert asked(max_parallel=5) == (5, 0)
    assert asked(runs_per_job=2) == (2, 0)
    # Two cores for a GPU on the one node, four on the other.
    assert asked(partition="gpu") == (2, 1)
    assert asked(partition="gpu", cpus_per_run=3) == (1, 1)
    assert asked(partition="gpu", gpus_per_run=0) == (4, 0)
    assert asked(partition="gpu", gpus_per_run=2) == (1, 2)


def test_how_many_a_job_carries_is_left_to_it(sweep: Sweep, store: RunStore, put: Put) -> None:
    profile = resolve(JobProfile(name="x", runs_at_once="auto", cpus_per_run=3))
    order = ordered(sweep, store, profile)
    assert [len(task) for task in order.array.tasks] == [2, 2]
    assert (order.array.measured, order.array.runs_at_once, order.array.cpus) == (True, 2, 6)
    alone = resolve(JobProfile(name="x", runs_at_once="auto", cpus_per_run=8, runs_per_job=2))
    found = ordered(sweep, store, alone)
    assert not found.array.measured
    assert found.notices[0].startswith("runs_at_once: auto is 1 run at a time in each job here: cpus_per_run, ")


def test_queued_runs_are_not_taken_up_again(sweep: Sweep, store: RunStore, put: Put) -> None:
    ids = [run.run_id for run in sweep.runs]
    put(1, RunState.INTERRUPTED, checkpoint=True)
    put(2, RunState.FAILED, cause="no")
    submitted(store, ids[:1], ids[1:3], ids[3:])
    seen = queue(store, {(7, 0): "PENDING", (7, 1): "RUNNING"})
    plan = make_plan(sweep, store, Selection(retry_failed=True), queued=seen.runs())
    assert [(each.action, each.reason) for each in plan.runs] == [
        (Action.QUEUED, "job 7_0, pending"),
        (Action.QUEUED, "job 7_1, running"),
        (Action.AGAIN, "--retry-failed: no"),
        (Action.NEW, "not run yet"),
    ]
    assert [run.run_id for run in plan.here] == ids[2:]


@pytest.mark.parametrize(
    ("changes", "finished", "canary"),
    [({}, False, False), ({"canary": True}, True, True), ({"canary": False}, False, False)],
)
def test_the_first_run_goes_ahead_when_asked(
    sweep: Sweep, store: RunStore, put: Put, changes: dict[str, bool], finished: bool, canary: bool
) -> None:
    if finished:
        put(3, RunState.FINISHED)
    profile = ResolvedProfile(gpus_per_run=0, **changes)
    assert ordered(sweep, store, profile, Path("data")).array.canary is canary


def test_above_eight_runs_the_first_goes_ahead_until_one_has_finished(
    sweep: Sweep, store: RunStore, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "CANARY_ABOVE", 2)
    profile = ResolvedProfile(gpus_per_run=0)
    assert ordered(sweep, store, profile).array.canary
    put(0, RunState.FINISHED)
    assert not ordered(sweep, store, profile).array.canary


def test_an_order_writes_nothing_and_holds_absolute_paths(
    sweep: Sweep, store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = RunStore(Path("results/four"))
    order = ordered(sweep, here, ResolvedProfile(), Path("data"))
    assert order.array.store == tmp_path / "results/four"
    assert order.array.data_folders == (tmp_path / "data",)
    assert order.folder.path.is_relative_to(tmp_path)
    assert order.array.tasks[0][0] == sweep.runs[0].run_id
    assert order.notices == ("4 runs in 3 jobs, up to 2 in each: no more jobs fit (MaxArraySize 3)",)
    assert not here.path.exists()


def test_submissions_go_when_their_runs_have_finished_and_they_left_the_queue(
    sweep: Sweep, store: RunStore, put: Put
) -> None:
    ids = [run.run_id for run in sweep.runs]
    first, second = submitted(store, ids[:1], job_id=7), submitted(store, ids[1:2], job_id=8)
    put(0, RunState.FINISHED)
    put(1, RunState.FAILED)
    prune(store, queue(store, {}))
    assert first.path.exists()
    first.mark_started()
    second.mark_started()
    prune(store, replace(queue(store, {}), view=QueueView(knows_queue=False)))
    prune(store, queue(store, {(7, 0): "COMPLETING"}))
    assert first.path.exists()
    prune(store, queue(store, {}))
    assert not first.path.exists()
    assert second.path.exists()


@pytest.mark.parametrize(
    ("answer", "number"),
    [("12", 12), ("12;test", 12), ("Welcome to the cluster\n12\n", 12), ("Job 7 to start at 9", None)],
)
def test_what_sbatch_answers(
    sweep: Sweep, store: RunStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str, number: int | None
) -> None:
    (tmp_path / "sbatch").write_text(f"#!/bin/sh\necho '{answer}'\n")
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(slurm, "look_at_queue", lambda _: QueueView(knows_queue=True))
    order = ordered(sweep, store, resolve(JobProfile(name="x")))
    if number is None:
        with pytest.raises(SlurmError, match="nothing was submitted: sbatch answered without a number: Job 7 to start"):
            slurm.submit(order)
        assert not order.folder.path.exists()
    else:
        assert slurm.submit(order) == number == order.folder.read_id()
