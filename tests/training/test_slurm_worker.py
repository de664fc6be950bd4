from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.intents import JobIntent, SubmissionFolder
from cnnjobs.runs import Attempt, RunFolder, RunRecord, RunState, RunStore
from cnnjobs.spec.run import RunConfig
from cnnjobs.training import fence
from cnnjobs.training.heartbeat import Heartbeat

SCONTROL = """\
#!/bin/sh
echo "$@" >> "$SCONTROL_CALLS"
[ ! -e "$SCONTROL_CALLS.down" ] || { echo "no controller" >&2; exit 1; }
"""
SQUEUE = '#!/bin/sh\ncat "$SCONTROL_CALLS.squeue"\n'
PATIENCE_S = 60
FORKS = """
import json, os, sys

sys.path.insert(0, sys.argv[1])
import torch
import torch._dynamo  # torch loads it for the first optimizer
import cnnjobs.training.array_task
import cnnjobs.training.attempt
from cnnjobs.training.slurm_worker import main

torch.set_num_threads(1)
for line in sys.stdin:
    asked = json.loads(line)
    if "wait" in asked:
        print(os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1]), flush=True)
        continue
    pid = os.fork()
    if pid == 0:
        os.environ.update(asked["environment"])
        cnnjobs.training.succession.PATIENCE_S = asked["patience_s"]
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os._exit(main([asked["folder"]]))
    print(pid, flush=True)
"""


class Forks:
    """Batch processes that start in milliseconds, forked from one that has loaded torch."""

    def __init__(self, toys: Path) -> None:
        command = [sys.executable, "-c", FORKS, str(toys)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **asked: Any) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="session")
def forks(toys: Path) -> Iterator[Forks]:
    started = Forks(toys)
    yield started
    started.close()


class Cluster:
    """A submission and the starts of its elements; Slurm's commands only write down what they are told."""

    def __init__(self, path: Path, forks: Forks) -> None:
        self.path, self._forks = path, forks
        self.store = RunStore(path / "results")
        self.submission = SubmissionFolder(self.store.jobs_folder / "one")
        self.calls_file = path / "calls"
        commands = path / "bin"
        commands.mkdir(parents=True)
        for name, text in (("scontrol", SCONTROL), ("squeue", SQUEUE)):
            (commands / name).write_text(text)
            (commands / name).chmod(0o755)
        self.environment = {
            "PATH": f"{commands}:{os.environ['PATH']}",
            "SCONTROL_CALLS": str(self.calls_file),
            "SLURM_ARRAY_JOB_ID": "12",
        }

    def submit(self, *tasks: list[RunConfig], canary: bool = False, **profile: Any) -> list[RunFolder]:
        runs = [run for task in tasks for run in task]
        folders = [self.store.run(run.run_id) for run in runs]
        for folder, run in zip(folders, runs, strict=True):
            folder.create(run)
        intent = JobIntent(
            job_name="cnnjobs-toys-1", tasks=tuple(tuple(run.run_id for run in task) for task in tasks),
            store=self.store.path, canary=canary, profile=profile, created="2026-01-01T00:00:00+00:00", host="login",
            user="ann",
        )  # fmt: skip
        self.submission.write_intent(intent)
        return folders

    def start(self, index: int = 0, restart: int = 0, *, patience_s: float = PATIENCE_S) -> int:
        own = {"SLURM_ARRAY_TASK_ID": str(index), "SLURM_RESTART_COUNT": str(restart)}
        log = str(self.submission.log_file(index))
        folder = str(self.submission.path)
        return self._forks.ask(environment=self.environment | own, folder=folder, log=log, patience_s=patience_s)

    def wait(self, pid: int) -> int:
        return self._forks.ask(wait=pid)

    def run(self, index: int = 0, restart: int = 0) -> int:
        """The exit code of an undisturbed start."""
        return self.wait(self.start(index, restart))

    def interrupt(self, folder: RunFolder, number: int, *, lines: int, restart: int = 0, index: int = 0) -> int:
        """The exit code of a start that gets a signal when it has added so many lines of metrics."""
        number_before = len(folder.read_record().attempts)
        worker = self.start(index, restart)
        until(lambda: sum(line["attempt"] > number_before for line in folder.read_metrics()) >= lines)
        os.kill(worker, number)
        return self.wait(worker)

    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []

    def log(self, index: int = 0) -> str:
        return self.submission.log_file(index).read_text()


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit, "waited too long"
        time.sleep(0.005)


@pytest.fixture
def cluster(tmp_path: Path, forks: Forks) -> Cluster:
    return Cluster(tmp_path / "cluster", forks)


@pytest.fixture
def other(tmp_path: Path, forks: Forks) -> Cluster:
    return Cluster(tmp_path / "other", forks)


def undisturbed(other: Cluster, run: RunConfig) -> RunFolder:
    (folder,) = other.submit([run])
    assert other.run() == 0
    assert other.calls() == []
    return folder


def assert_same_results(toy: Any, folder: RunFolder, expected: RunFolder) -> None:
    record, others = folder.read_record(), expected.read_record()
    assert (record.state, record.metrics, record.best_epoch) == (RunState.FINISHED, others.metrics, others.best_epoch)
    assert toy.timeless(folder.read_metrics()) == toy.timeless(expected.read_metrics())
    assert folder.model_file.read_bytes() == expected.model_file.read_bytes()
    names = {file.name.partition(".tfevents")[0] for file in folder.path.iterdir()}
    assert names == {"config.yaml", "record.json", "metrics.jsonl", "model.pt", "predictions.npz", "events.out"}


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


def test_only_the_array_element_is_asked_for_and_a_strange_one_is_told(cluster: Cluster, toy: Any) -> None:
    first, second = cluster.submit([toy.config()], [toy.config(seed=1)])
    assert cluster.run(index=1) == 0
    assert second.read_record().state is RunState.FINISHED
    assert first.read_record().state is RunState.PENDING
    assert cluster.run(index=2) == 2
    assert "intent.json has no runs for element 2 of the array" in cluster.log(2)
    assert cluster.run(index=1) == 0


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


def test_a_signal_is_heard_before_anything_is_loaded(cluster: Cluster, toy: Any, toys: Path) -> None:
    (folder,) = cluster.submit([toy.config()])
    environment = {**os.environ, **cluster.environment, "SLURM_ARRAY_TASK_ID": "0", "PYTHONPATH": str(toys)}
    command = [sys.executable, "-m", "cnnjobs.training.slurm_worker", str(cluster.submission.path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as worker:
        until(lambda: bool(caught(worker.pid) >> (signal.SIGUSR2 - 1) & 1))
        worker.send_signal(signal.SIGUSR2)
        worker.communicate()
    assert worker.returncode == 0
    assert cluster.calls() == ["requeue 12_0"]
    assert (folder.read_record().state, folder.read_record().attempts) == (RunState.PENDING, ())
    listening = "import sys, cnnjobs.training.slurm_worker; assert not {'torch', 'pydantic', 'json'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", listening], check=True)


def caught(pid: int) -> int:
    """The signals that a process handles, as bits."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("SigCgt")), 16)


def test_the_first_validation_of_the_first_run_lets_the_others_start(cluster: Cluster, toy: Any) -> None:
    first, second = cluster.submit([toy.config(model__name="toys:Slow", epochs=50)], [toy.config(seed=1)], canary=True)
    assert cluster.run(index=1) == 0
    assert second.read_record().state is RunState.FINISHED
    assert cluster.calls() == []
    assert cluster.interrupt(first, signal.SIGTERM, lines=3) == 0
    assert cluster.calls() == ["release 12"]
    assert cluster.submission.canary_file.exists()


def test_a_first_run_that_is_done_already_lets_the_others_start_though_slurm_is_away(
    cluster: Cluster, toy: Any
) -> None:
    (first,) = cluster.submit([toy.config()])
    assert cluster.run() == 0
    cluster.submit([toy.config()], [toy.config(seed=1)], canary=True)
    cluster.calls_file.with_name("calls.down").touch()
    assert cluster.run() == 0
    assert first.read_record().state is RunState.FINISHED
    assert cluster.calls() == ["release 12"]
    assert cluster.submission.canary_file.exists()


def test_a_first_run_that_fails_lets_nothing_start(cluster: Cluster, toy: Any) -> None:
    cluster.submit([toy.config(model__name="toys:Breaking")], canary=True)
    assert cluster.run() == 1
    assert cluster.calls() == []
    assert not cluster.submission.canary_file.exists()


def test_five_equal_failures_hold_the_rest_once(cluster: Cluster, toy: Any) -> None:
    bad = [toy.config(model__name="toys:Breaking", seed=seed) for seed in range(7)]
    folders = cluster.submit(bad[:4], [toy.config()], bad[4:])
    assert cluster.run(0) == 1
    assert cluster.run(1) == 0
    assert cluster.calls() == []
    for folder in folders[:2]:
        folder.write_record(folder.read_record().model_copy(update={"state": RunState.PENDING}))
    assert cluster.run(0) == 1
    assert cluster.calls() == []
    assert cluster.run(2) == 1
    assert cluster.calls() == ["hold 12"]
    assert cluster.submission.breaker_file.read_text() == f"{folders[0].read_record().cause}\n"


def test_the_heartbeat_touches_the_metrics_while_the_run_trains(toy: Any, cluster: Cluster) -> None:
    (folder,) = cluster.submit([toy.config()])
    with folder.claim() as log:
        assert log is not None
        os.utime(folder.metrics_file, (1, 1))
        with Heartbeat(log, lambda: False, touch_s=0.01, look_s=0.01):
            until(lambda: folder.metrics_file.stat().st_mtime > 1)
        os.utime(folder.metrics_file, (1, 1))
        with Heartbeat(log, lambda: True, touch_s=0.01, look_s=0.01) as heartbeat:
            until(lambda: heartbeat.passed)
        assert folder.metrics_file.stat().st_mtime == 1


def test_the_older_of_two_copies_lets_go_and_the_newer_ends_the_same(
    cluster: Cluster, other: Cluster, toy: Any
) -> None:
    run = toy.config(model__name="toys:Slow", epochs=12, dataset__train=400)
    expected = undisturbed(other, run)
    folder, following = cluster.submit([run, toy.config(seed=8)])
    old = cluster.start(restart=0)
    until(lambda: len(folder.read_metrics()) >= 2)
    new = cluster.start(restart=1)
    assert cluster.wait(old) == 0
    assert cluster.wait(new) == 0
    assert [one.pid for one in following.read_record().attempts] == [new]
    assert f"{folder.run_id}: a newer attempt has it: this copy of the job ends" in cluster.log()
    assert_same_results(toy, folder, expected)
    before, after = folder.read_record().attempts
    assert ((before.pid, before.ended, before.restart), (after.pid, after.restart)) == ((old, None, 0), (new, 1))
    assert after.from_epoch >= 1


def test_a_frozen_copy_that_wakes_up_later_changes_nothing(cluster: Cluster, other: Cluster, toy: Any) -> None:
    run = toy.config(model__name="toys:Slow", epochs=6)
    expected = undisturbed(other, run)
    (folder,) = cluster.submit([run])
    old = cluster.start(restart=0)
    until(lambda: len(folder.read_metrics()) >= 2)
    os.kill(old, signal.SIGSTOP)
    assert cluster.wait(cluster.start(restart=1, patience_s=0.3)) == 0
    record = folder.read_record()
    os.kill(old, signal.SIGCONT)
    assert cluster.wait(old) == 0
    assert folder.read_record() == record
    assert record.notes == ("attempt 2: the one before was given up with its node and kept the run",)
    assert_same_results(toy, folder, expected)


def hold(folder: RunFolder, stack: ExitStack, **attempt: Any) -> None:
    """Hold a run in this process, as an attempt that trains it would."""
    stack.enter_context(folder.claim())
    held = Attempt(number=1, host="n1", pid=1, started="2025-12-31T00:00:00+00:00", **attempt)
    folder.write_record(RunRecord(run_id=folder.run_id, state=RunState.RUNNING, attempts=(held,)))


@pytest.mark.parametrize(
    ("attempt", "queue"),
    [
        ({}, ""),
        ({"job_id": "4711"}, ""),
        ({"job_id": "12_0", "restart": 1}, ""),
        ({"job_id": "12_0", "restart": 2}, ""),
        ({"job_id": "9_0", "restart": 0}, "RUNNING"),
        ({"job_id": "9_0", "restart": 0}, None),
    ],
    ids=["nobody's", "local", "same start", "newer start", "running job", "no answer"],
)
def test_nobody_takes_a_run_from_who_has_it_rightly(
    cluster: Cluster, toy: Any, attempt: dict[str, Any], queue: str | None
) -> None:
    (folder,) = cluster.submit([toy.config()])
    if queue is not None:
        cluster.calls_file.with_name("calls.squeue").write_text(queue)
    with ExitStack() as stack:
        hold(folder, stack, **attempt)
        before = folder.read_record()
        assert cluster.run(restart=1) == 0
        assert folder.read_record() == before
        assert not folder.successor_file.exists()
    assert cluster.log() == f"{folder.run_id}: another worker has it\n"


@pytest.mark.parametrize(
    ("attempt", "queue"),
    [
        ({"job_id": "12_0", "restart": 0}, None),
        ({"job_id": "9_0", "restart": 3}, "PENDING"),
        ({"job_id": "9_0", "restart": 3}, ""),
    ],
    ids=["earlier start", "requeued job", "job that is gone"],
)
def test_a_run_is_taken_from_a_job_that_slurm_has_given_up(
    cluster: Cluster, toy: Any, attempt: dict[str, Any], queue: str | None
) -> None:
    (folder,) = cluster.submit([toy.config()])
    if queue is not None:
        cluster.calls_file.with_name("calls.squeue").write_text(queue)
    with ExitStack() as stack:
        hold(folder, stack, **attempt)
        worker = cluster.start(restart=1)
        until(folder.successor_file.exists)
        announced = json.loads(folder.successor_file.read_bytes())
        assert (announced["pid"], announced["slurm_restart_count"]) == (worker, "1")
    assert cluster.wait(worker) == 0
    record = folder.read_record()
    assert (record.state, len(record.attempts)) == (RunState.FINISHED, 2)
    assert not folder.successor_file.exists()


def test_who_waits_for_a_run_and_is_stopped_takes_its_word_back(cluster: Cluster, toy: Any) -> None:
    (folder,) = cluster.submit([toy.config()])
    with ExitStack() as stack:
        hold(folder, stack, job_id="12_0", restart=0)
        worker = cluster.start(restart=1)
        until(folder.successor_file.exists)
        os.kill(worker, signal.SIGTERM)
        assert cluster.wait(worker) == 0
        assert not folder.successor_file.exists()


def test_an_older_attempt_writes_nothing_once_a_newer_one_is_announced_or_on_record(cluster: Cluster, toy: Any) -> None:
    (folder,) = cluster.submit([toy.config()])
    mine = Attempt(number=1, host="n1", pid=1, started="2026")
    newer = mine.model_copy(update={"number": 2, "pid": 2})
    guard = fence.Fence(folder)
    guard.check()
    record = RunRecord(run_id=folder.run_id, state=RunState.RUNNING, attempts=(mine,))
    folder.write_record(record, guard.check)
    guard.begun(mine)
    folder.successor_file.write_text(json.dumps({"host": "n2", "pid": 2}))
    with pytest.raises(fence.Superseded):
        folder.write_record(record.model_copy(update={"notes": ("late",)}), guard.check)
    folder.successor_file.unlink()
    guard.check()
    folder.write_record(record.model_copy(update={"attempts": (mine, newer)}))
    with pytest.raises(fence.Superseded):
        folder.write_checkpoint(b"late", guard.check)
    assert [file.name for file in sorted(folder.path.iterdir())] == ["config.yaml", "record.json"]


def test_lines_that_an_older_attempt_adds_beside_a_newer_one_do_not_count(cluster: Cluster, toy: Any) -> None:
    (folder,) = cluster.submit([toy.config()])
    written = [(1, 10), (1, 20), (2, 20), (1, 30), (2, 30)]
    with folder.claim() as log:
        assert log is not None
        for attempt, step in written:
            log.append({"attempt": attempt, "step": step})
        counting = [{"attempt": attempt, "step": step} for attempt, step in ((1, 10), (2, 20), (2, 30))]
        assert folder.read_metrics() == counting
        # One cut, which no crash can leave half done: what does not count stays where it is.
        before = folder.metrics_file.read_bytes()
        assert log.keep_up_to(20) == counting[:2]
        assert folder.metrics_file.read_bytes() == b"".join(before.splitlines(keepends=True)[:3])
        assert folder.read_metrics() == counting[:2]
        log.append({"attempt": 3, "step": 30})
        assert folder.read_metrics() == [*counting[:2], {"attempt": 3, "step": 30}]
