from __future__ import annotations

from pathlib import Path

import pytest

from cnnjobs.disk.run_folder import RunState
from cnnjobs.slurm.queue import ArrayTask
from cnnjobs.status.reasons import end_in_log, ending, last_line, log_tail, matches, next_command, waiting


def array_task(state: str, **changes: object) -> ArrayTask:
    return ArrayTask(**{"job_id": 12, "index": 3, "state": state, "node": "n2", **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ended", "state", "cause"),
    [
        (array_task("OUT_OF_MEMORY", signal=125), RunState.FAILED,
         "out of memory: job 12_3 on n2 used more than its mem_gb and was killed"),
        (array_task("TIMEOUT"), RunState.INTERRUPTED, "time limit: job 12_3 was ended at its timeout_min"),
        (array_task("PREEMPTED"), RunState.INTERRUPTED, "preempted: job 12_3 gave way to a job of higher priority"),
        (array_task("NODE_FAIL"), RunState.INTERRUPTED, "node failed: job 12_3 lost n2"),
        (array_task("CANCELLED", cancelled_by="ann", ended="2026-11-21T06:39:46"), RunState.CANCELLED,
         "cancelled by ann at 2026-11-21T06:39:46, job 12_3"),
        (array_task("CANCELLED"), RunState.CANCELLED, "cancelled, job 12_3"),
        (array_task("FAILED", signal=9), RunState.INTERRUPTED, "killed by signal 9 (SIGKILL), job 12_3 on n2"),
        (array_task("FAILED", signal=11), RunState.FAILED, "killed by signal 11 (SIGSEGV), job 12_3 on n2"),
        (array_task("FAILED", exit_code=3), RunState.FAILED,
         "ended with exit code 3 and no word in its record, job 12_3 on n2: the last line"),
        (array_task("COMPLETED"), RunState.INTERRUPTED, "job 12_3 ended and left no end in its record"),
    ],
)  # fmt: skip
def test_how_a_run_that_had_begun_has_ended(ended: ArrayTask, state: RunState, cause: str) -> None:
    assert ending(ended, began=True, last_line="the last line") == (state, cause)


@pytest.mark.parametrize(
    ("ended", "state", "cause"),
    [
        (array_task("FAILED", exit_code=127), RunState.FAILED,
         "never started: job 12_3 on n2 ended with exit code 127: /opt/python: No such file or directory"),
        (array_task("FAILED", signal=53), RunState.FAILED,
         "never started: job 12_3 on n2 could not be set up by Slurm (0:53), often because the folder of its log is "
         "missing on the node: /opt/python: No such file or directory"),
        (array_task("FAILED", signal=9), RunState.INTERRUPTED,
         "killed by signal 9 (SIGKILL), job 12_3 on n2, before the run began"),
        (array_task("FAILED", exit_code=74), RunState.FAILED,
         "the disk is full or the quota used up: free some space, job 12_3 on n2, before the run began"),
        (array_task("TIMEOUT"), RunState.INTERRUPTED,
         "time limit: job 12_3 was ended at its timeout_min, before the run began"),
        (array_task("CANCELLED", node="None assigned"), RunState.CANCELLED,
         "cancelled, job 12_3, before the run began"),
        (array_task("COMPLETED"), RunState.INTERRUPTED, "job 12_3 ended before its turn came"),
    ],
)  # fmt: skip
def test_how_a_job_ended_before_the_run_began(ended: ArrayTask, state: RunState, cause: str) -> None:
    assert ending(ended, began=False, last_line="/opt/python: No such file or directory") == (state, cause)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Resources", "waits for free resources"),
        ("JobArrayTaskLimit", "waits for its turn: max_parallel of the sweep are at work"),
        ("ReqNodeNotAvail, UnavailableNodes:n[1-4]", "nodes that it needs are down or reserved"),
        ("launch failed requeued held", "Slurm could not start it on its node and holds it: scontrol release it"),
        ("AssocGrpCpuLimit", "a limit of the account or QOS holds it back (AssocGrpCpuLimit)"),
        ("DependencyNeverSatisfied",
         "the job that it depends on did not succeed, so it will never start: cancel it"),
        ("SomethingNew", "waits (SomethingNew)"),
        ("", "waits to be looked at by Slurm"),
    ],
)  # fmt: skip
def test_why_a_job_waits(reason: str, words: str) -> None:
    assert waiting(array_task("PENDING", reason=reason)) == words


LOG = "run-1: attempt {}, cpu, threads: 1\nrun-1: epoch 1/3\n"
STEPD = "slurmstepd-n2: error: *** JOB 5 ON n2 CANCELLED AT 2026-11-21T06:39:46 {}***\n"
OOM = "slurmstepd: error: Detected 1 oom_kill event in StepId=12.batch. Some of the step tasks have been OOM Killed.\n"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (LOG.format(1) + STEPD.format(""), "CANCELLED"),
        (LOG.format(1) + STEPD.format("DUE TO TIME LIMIT ") + "run-1: interrupted: stopped\n", "TIMEOUT"),
        (LOG.format(1) + STEPD.format("DUE TO PREEMPTION "), "PREEMPTED"),
        (LOG.format(1) + STEPD.format("DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS "), "NODE_FAIL"),
        (LOG.format(1) + OOM, "OUT_OF_MEMORY"),
        (LOG.format(1) + STEPD.format("DUE TO JOB REQUEUE "), None),
        (LOG.format(1) + STEPD.format("DUE TO PREEMPTION ") + LOG.format(2), None),
        (LOG.format(1), None),
        ("", None),
    ],
)
def test_slurms_own_words_in_the_log_tell_where_accounting_is_off(text: str, state: str | None) -> None:
    found = end_in_log(text, 12, 3)
    assert (found.state if found else None) == state
    if state == "CANCELLED":
        assert found == ArrayTask(12, 3, "CANCELLED", node="n2", ended="2026-11-21T06:39:46")


def test_the_end_of_a_long_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 100_000 + b"\nlast\xff words\n\n")
    assert last_line(log_tail(path)) == "last� words"
    assert log_tail(tmp_path / "none") == last_line("") == ""


@pytest.mark.parametrize(
    ("cause", "word"),
    [
        ("out of memory: job 12_3 used more than its mem_gb and was killed", "oom"),
        ("the GPU's memory is full: make batch_size smaller", "oom"),
        ("the GPU's memory is full: make batch_size smaller", "cuda"),
        ("time limit: job 12_3 was ended at its timeout_min", "time"),
        ("killed by signal 9 (SIGKILL), job 12_3", "killed"),
        ("ValueError: no (x.py:3 in f)", "exception"),
        ("diverged at step 7: the loss", "Diverged"),
        ("node failed: job 12_3 lost n2", "N2"),
    ],
)
def test_causes_are_found_by_word(cause: str, word: str) -> None:
    assert matches(cause, word)
    assert not matches(cause, "preempted")
    assert not matches(None, word)


def test_what_to_type() -> None:
    def told(state: RunState, cause: str, verb: str | None = "local") -> str | None:
        return next_command(state, cause, sweep="four", run="r", verb=verb)

    memory = "out of memory: job 12_3 used more than its mem_gb and was killed"
    assert told(RunState.FAILED, memory) == "cnnjobs retry four --cause oom --set job.mem_gb=..."
    assert told(RunState.FAILED, "the GPU's memory is full") == "cnnjobs logs r"
    assert told(RunState.LOST, "lost") == "cnnjobs retry four"
    assert told(RunState.INTERRUPTED, "stopped") == "cnnjobs local four"
    assert told(RunState.INTERRUPTED, "stopped", "sweep") == "cnnjobs sweep four"
    assert told(RunState.INTERRUPTED, "stopped", None) is None
    assert told(RunState.PENDING, "waits") is None
