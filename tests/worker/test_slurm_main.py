"""Array tasks of a job array: signals, time limits, requeues."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pretended_slurm import Cluster, assert_same_results, caught, undisturbed
from waiting import until

from cnnjobs.disk.run_folder import Attempt, RunRecord, RunState


def test_two_time_limits_cost_nothing(cluster: Cluster, other: Cluster, toy: Any) -> None:
    run = toy.config(model__name="toys:Slow", augment=["crop", "flip"], schedule="cosine", epochs=5, validate_every=0.5)
    expected = undisturbed(other, run)
    (folder,) = cluster.submit([run])
    for restart, lines in enumerate((3, 4)):
        assert cluster.interrupt(folder, signal.SIGUSR2, lines=lines, restart=restart) == 0
        record = folder.read_record()
        epoch = int(record.epochs_done)
        assert epoch >= 1
        assert (record.state, record.cause) == (RunState.INTERRUPTED, f"time limit: goes on from epoch {epoch}")
        assert cluster.calls() == ["requeue 12_0"] * (restart + 1)
    assert cluster.run(restart=2) == 0
    assert_same_results(toy, folder, expected)
    attempts = folder.read_record().attempts
    assert [(one.job_id, one.restart, one.number) for one in attempts] == [("12_0", n, n + 1) for n in range(3)]
    assert [one.submitted is None for one in attempts] == [False, True, True]
    assert len(cluster.calls()) == 2
    ends = [json.loads(line)["state"] for line in cluster.submission.outcomes_file.read_text().splitlines()]
    assert ends == ["interrupted", "interrupted", "finished"]


def test_sigterm_stops_without_a_requeue(cluster: Cluster, toy: Any) -> None:
    (folder,) = cluster.submit([toy.config(model__name="toys:Slow", epochs=50)])
    assert cluster.interrupt(folder, signal.SIGTERM, lines=2) == 0
    record = folder.read_record()
    assert (record.state, record.cause) == (RunState.INTERRUPTED, "stopped by Slurm (preempted or cancelled)")
    assert cluster.calls() == []


@pytest.mark.parametrize(
    ("number", "cause", "calls"),
    [
        (signal.SIGTERM, "stopped by Slurm (preempted or cancelled)", []),
        (signal.SIGUSR2, "time limit: goes on from epoch 0", ["requeue 12_0"]),
    ],
)
def test_a_stop_is_heard_while_the_data_set_is_decoded(
    cluster: Cluster, toy: Any, number: int, cause: str, calls: list[str]
) -> None:
    (folder,) = cluster.submit([toy.config(dataset__name="toys:endless")])
    worker = cluster.start()
    until(lambda: folder.read_record().state is RunState.RUNNING)
    os.kill(worker, number)
    assert cluster.wait(worker) == 0
    record = folder.read_record()
    assert (record.state, record.cause, cluster.calls()) == (RunState.INTERRUPTED, cause, calls)
    assert record.attempts[0].ended is not None


def test_two_time_limits_without_a_whole_epoch_fail_the_run_and_the_others_go_on(cluster: Cluster, toy: Any) -> None:
    run = toy.config(model__name="toys:Slow", epochs=50, dataset__train=2000, validate_every=0.05)
    folder, after = cluster.submit([run, toy.config()], timeout_min=7)
    assert cluster.interrupt(folder, signal.SIGUSR2, lines=1) == 0
    assert folder.read_record().cause == "time limit: goes on from epoch 0"
    assert cluster.interrupt(folder, signal.SIGUSR2, lines=1, restart=1) == 1
    record = folder.read_record()
    assert (record.state, record.cause) == (
        RunState.FAILED,
        "no whole epoch fits into the time limit (timeout_min 7): it came twice before the end of epoch 1; retry with a"
        " higher timeout_min",
    )
    assert cluster.calls() == ["requeue 12_0"] * 2
    assert cluster.run(restart=2) == 0
    assert after.read_record().state is RunState.FINISHED


def test_a_run_is_requeued_so_often_and_no_more(cluster: Cluster, toy: Any) -> None:
    (folder,) = cluster.submit([toy.config(model__name="toys:Slow", epochs=50)], max_requeues=1)
    assert cluster.interrupt(folder, signal.SIGUSR2, lines=1) == 0
    assert cluster.interrupt(folder, signal.SIGUSR2, lines=3, restart=1) == 1
    record = folder.read_record()
    assert record.state is RunState.FAILED
    expected = f"not done after {int(record.epochs_done)} epochs and 1 requeues (max_requeues 1, timeout_min of the"
    assert str(record.cause).startswith(expected)
    assert cluster.calls() == ["requeue 12_0"]


def test_a_run_that_slurm_requeues_by_itself_too_often_is_not_started(cluster: Cluster, toy: Any) -> None:
    run = toy.config()
    (folder,) = cluster.submit([run], max_requeues=1)
    past = [
        Attempt(number=n + 1, host="n1", pid=1, job_id="12_0", restart=n, started="2026", ended="2026")
        for n in range(2)
    ]
    folder.write_record(RunRecord(run_id=run.run_id, state=RunState.INTERRUPTED, attempts=tuple(past)))
    assert cluster.run(restart=2) == 1
    record = folder.read_record()
    assert (record.state, len(record.attempts)) == (RunState.FAILED, 3)
    assert str(record.cause).startswith("not done after 0 epochs and 1 requeues (max_requeues 1, ")


def test_only_the_array_task_is_asked_for_and_a_strange_one_is_told(cluster: Cluster, toy: Any) -> None:
    first, second = cluster.submit([toy.config()], [toy.config(seed=1)])
    assert cluster.run(index=1) == 0
    assert second.read_record().state is RunState.FINISHED
    assert first.read_record().state is RunState.PENDING
    assert cluster.run(index=2) == 2
    assert "intent.json has no runs for array task 2 of the array" in cluster.log(2)
    assert cluster.run(index=1) == 0


def test_only_the_first_run_of_a_process_counts_its_start(cluster: Cluster, toy: Any) -> None:
    folders = cluster.submit([toy.config(seed=seed) for seed in range(3)])
    assert cluster.run() == 0
    attempts = [folder.read_record().attempts[0] for folder in folders]
    assert [attempt.process_s is None for attempt in attempts] == [not sys.platform.startswith("linux"), True, True]


def test_a_requeue_that_slurm_refuses_is_told_and_breaks_the_job(cluster: Cluster, toy: Any) -> None:
    (folder,) = cluster.submit([toy.config(model__name="toys:Slow", epochs=50)])
    cluster.calls_file.with_name("calls.down").touch()
    worker = cluster.start()
    until(lambda: len(folder.read_metrics()) >= 1)
    os.kill(worker, signal.SIGUSR2)
    until(lambda: len(cluster.calls()) == 1)
    cluster.calls_file.with_name("calls.down").unlink()
    assert cluster.wait(worker) == 0
    assert cluster.calls() == ["requeue 12_0"] * 2
    assert "worker: scontrol requeue 12_0: no controller" in cluster.log()


def limited_at_once(cluster: Cluster, toys: Path, restart: int) -> int:
    """The exit code of a start whose time limit is ahead as soon as it listens."""
    modules = os.pathsep.join(filter(None, (str(toys), os.environ.get("PYTHONPATH"))))
    own = {"SLURM_ARRAY_TASK_ID": "0", "SLURM_RESTART_COUNT": str(restart), "PYTHONPATH": modules}
    command = [sys.executable, "-m", "cnnjobs.worker.slurm_main", str(cluster.submission.path)]
    with subprocess.Popen(command, env=os.environ | cluster.environment | own, stdout=subprocess.DEVNULL) as worker:
        until(lambda: bool(caught(worker.pid) >> (signal.SIGUSR2 - 1) & 1))
        worker.send_signal(signal.SIGUSR2)
        return worker.wait()


def test_a_signal_is_heard_before_anything_is_loaded(cluster: Cluster, toy: Any, toys: Path) -> None:
    (folder,) = cluster.submit([toy.config()])
    assert limited_at_once(cluster, toys, restart=0) == 0
    assert cluster.calls() == ["requeue 12_0"]
    assert (folder.read_record().state, folder.read_record().attempts) == (RunState.PENDING, ())
    listening = "import sys, cnnjobs.worker.slurm_main; assert not {'torch', 'pydantic', 'json'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", listening], check=True)


def test_runs_that_the_time_limit_never_lets_begin_fail(cluster: Cluster, toy: Any, toys: Path) -> None:
    folders = cluster.submit([toy.config(), toy.config(seed=1), toy.config(seed=2)], timeout_min=7, max_requeues=2)
    kept = RunRecord(run_id=folders[2].run_id, state=RunState.FINISHED)
    folders[2].write_record(kept)
    assert limited_at_once(cluster, toys, restart=1) == 0
    assert cluster.calls() == ["requeue 12_0"]
    assert limited_at_once(cluster, toys, restart=2) == 1
    assert cluster.calls() == ["requeue 12_0"]
    for folder in folders[:2]:
        record = folder.read_record()
        assert (record.state, record.attempts) == (RunState.FAILED, ())
        assert record.cause == (
            "the time limit (timeout_min 7) came 3 times, at last before the run began; retry with a higher timeout_min"
        )
    assert folders[2].read_record() == kept
    assert sorted(cluster.submission.read_outcomes()) == sorted(folder.run_id for folder in folders[:2])
