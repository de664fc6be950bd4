from __future__ import annotations

from collections.abc import Callable

import pytest

from cnnjobs.console.runs.control import show_cancelled
from cnnjobs.disk.run_folder import RunState, RunStore
from cnnjobs.disk.submission_folder import JobArray, SubmissionFolder
from cnnjobs.launch.cancel import Retrying, carry_out, plan_cancelling, to_retry
from cnnjobs.slurm.queue import scancel
from cnnjobs.status.named_runs import Target
from cnnjobs.status.sweeps import OpenSweep
from cnnjobs.sweep.file import Sweep

Put = Callable[..., None]


@pytest.fixture
def opened(sweep: Sweep, store: RunStore) -> OpenSweep:
    store.keep_sweep_file(sweep.text)
    return OpenSweep(sweep, store, "four")


def states(opened: OpenSweep) -> list[str]:
    return [str(opened.store.run(run.run_id).read_record().state) for run in opened.sweep.runs]


def test_what_is_over_stays_and_what_never_began_is_cancelled_on_record(opened: OpenSweep, put: Put) -> None:
    put(0, RunState.FINISHED)
    put(1, RunState.FAILED, cause="why")
    put(2, RunState.INTERRUPTED, cause="stopped")
    plan = plan_cancelling(Target(opened, opened.sweep.runs, is_whole=True))
    assert [status.state for status in plan.over] == ["finished", "failed"]
    assert carry_out(plan) == ()
    assert states(opened) == ["finished", "failed", "cancelled", "cancelled"]
    cause = opened.store.run(opened.sweep.runs[3].run_id).read_record().cause
    assert str(cause).startswith("cancelled by ")
    assert not list(opened.store.path.glob("*/cancelled.txt"))


def test_a_run_on_another_host_is_overruled_by_its_record(
    opened: OpenSweep, put: Put, capsys: pytest.CaptureFixture[str]
) -> None:
    put(0, RunState.RUNNING)
    folder = opened.store.run(opened.sweep.runs[0].run_id)
    with folder.claim():
        plan = plan_cancelling(Target(opened, opened.sweep.runs[:1], is_whole=False))
        assert [status.run_id for status in plan.elsewhere] == [folder.run_id]
        show_cancelled(plan, carry_out(plan))
        assert folder.read_record().state is RunState.CANCELLED
    said = capsys.readouterr()
    assert said.out == "four: cancelled lr=0.1 seed=0\n"
    assert said.err == "note: lr=0.1 seed=0 was trained by process 1 on elsewhere, which lets go within seconds\n"


def test_a_run_that_does_not_let_go_keeps_the_request(
    opened: OpenSweep, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnnjobs.launch.cancel._PATIENCE_S", 0.0)
    folder = opened.store.run(opened.sweep.runs[0].run_id)
    put(0, RunState.PENDING)
    with folder.claim():
        plan = plan_cancelling(Target(opened, opened.sweep.runs[:1], is_whole=False))
        assert [status.run_id for status in carry_out(plan)] == [folder.run_id]
    assert folder.cancel_file.exists()
    assert folder.read_record().state is RunState.CANCELLED


def test_elements_are_named_in_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr("cnnjobs.slurm.queue.ask", lambda *words: asked.append(words))
    scancel([(12, 1), (12, 0), (12, 2), (12, 7), (13, 4)])
    scancel([])
    assert asked == [("scancel", "12_[0-2]", "12_[7]", "13_[4]")]


def test_what_is_retried(opened: OpenSweep, put: Put) -> None:
    ids = [run.run_id for run in opened.sweep.runs]
    put(0, RunState.FINISHED)
    put(1, RunState.FAILED, cause="the machine's memory is full: make batch_size smaller")
    put(2, RunState.CANCELLED, cause="cancelled by ann at noon")
    assert to_retry(opened, None) == Retrying(frozenset(ids[1:3]))
    assert to_retry(opened, "oom") == Retrying(frozenset(ids[1:2]))
    assert to_retry(opened, "ann").again == frozenset(ids[2:3])
    assert to_retry(opened, "preempted").again == frozenset()


def test_a_cancelled_run_is_retried_as_soon_as_nobody_holds_it(opened: OpenSweep, put: Put) -> None:
    ids = [run.run_id for run in opened.sweep.runs]
    put(0, RunState.RUNNING)
    put(1, RunState.CANCELLED, cause="cancelled by ann at noon")
    put(2, RunState.RUNNING)
    first, second, third = (opened.store.run(run_id) for run_id in ids[:3])
    first.cancel("cancelled by ann at noon")
    with first.claim(), second.claim(), third.claim():
        for cause in (None, "ann"):
            found = to_retry(opened, cause)
            assert found.again == frozenset()
            assert {status.run_id for status in found.ending} == {ids[0], ids[1]}
        assert to_retry(opened, "oom") == Retrying(frozenset())
    first.settle_cancellation()
    third.write_record(third.read_record().model_copy(update={"state": RunState.FINISHED}))
    assert to_retry(opened, None) == Retrying(frozenset(ids[:2]))


@pytest.mark.parametrize("state", ["COMPLETING", "RUNNING"])
def test_what_was_cancelled_is_retried_though_slurm_still_ends_its_job(
    opened: OpenSweep, put: Put, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    ids = [run.run_id for run in opened.sweep.runs]
    put(0, RunState.CANCELLED, cause="cancelled by ann at noon")
    put(1, RunState.INTERRUPTED, cause="stopped by Slurm (preempted or cancelled)")
    folder = SubmissionFolder(opened.store.jobs_folder / "first")
    tasks = [[run_id] for run_id in ids]
    folder.write_array(JobArray(job_name="j", tasks=tasks, store=opened.store.path, created="2026", host="h", user="u"))
    folder.write_id(12)
    queue = "".join(f"12|{index}|{state}|None|0|n1|1|main|j|\n" for index in range(4))
    monkeypatch.setattr("cnnjobs.slurm.queue.ask", lambda *_, **__: queue)
    found = to_retry(opened, None)
    assert (found.again, found.on_slurm) == (frozenset(ids[:1]), True)
    expected = ids[1:2] if state == "COMPLETING" else []
    assert [status.run_id for status in found.ending] == expected
