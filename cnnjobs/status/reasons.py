"""Reasons why a run waits or has ended, in words, from what Slurm and the job's log tell."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cnnjobs.disk.run_folder import RunState
from cnnjobs.disk.submission_folder import FULL_DISK_CODE
from cnnjobs.slurm.batch_script import NO_RESULTS_CODE, PATIENCE_S
from cnnjobs.slurm.queue import ArrayTask
from cnnjobs.system.opening import open_to_read

_TAIL_BYTES: Final = 1 << 15
_FAULTS: Final = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGSYS)
_NO_LOG_SIGNAL: Final = 53
_STEPD: Final = re.compile(
    r"slurmstepd\S*: error: \*\*\* JOB \d+ ON (\S+) CANCELLED AT (\S+?)(?: DUE TO ([A-Z ]+)[^*]*?)? ?\*\*\*"
)
_OOM: Final = re.compile(r"slurmstepd\S*: error: .*\boom[-_ ]kill", re.IGNORECASE)
_SPELT: Final = {
    None: "CANCELLED", "TIME LIMIT": "TIMEOUT", "PREEMPTION": "PREEMPTED", "NODE FAILURE": "NODE_FAIL",
}  # fmt: skip
_WAITS: Final[Mapping[str, str]] = {
    "Resources": "waits for free resources",
    "Priority": "waits for jobs of higher priority",
    "JobArrayTaskLimit": "waits for its turn: max_parallel of the sweep are at work",
    "BeginTime": "its time to begin has not come: after a requeue Slurm waits a moment",
    "Dependency": "waits for another job",
    "DependencyNeverSatisfied": "the job that it depends on did not succeed, so it will never start: cancel it",
    "JobHeldUser": "held by its user",
    "JobHeldAdmin": "held by an administrator",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition is inactive",
    "PartitionTimeLimit": "its timeout_min is over the limit of its partition: cancel it, and retry with a lower one",
    "PartitionNodeLimit": "it asks for more nodes than its partition gives to one job",
    "BadConstraints": "no node has what it asks for (constraint): cancel it, and retry with another",
    "ReqNodeNotAvail": "nodes that it needs are down or reserved",
    "launch_failed_requeued_held": "Slurm could not start it on its node and holds it: scontrol release it",
}
# Exit codes of a job that stand for what its log, on the same disk, may not say.
_TOLD: Final[Mapping[int, str]] = {
    FULL_DISK_CODE: "the disk is full or the quota used up: free some space",
    NO_RESULTS_CODE: f"never started: the results folder was away or not to be written for {PATIENCE_S // 60} minutes",
}
# What `--cause` understands beside any words of the cause itself.
_KINDS: Final[Mapping[str, str]] = {
    "oom": r"out of memory|memory is full",
    "cuda": r"GPU's memory|CUDA",
    "time": r"time limit",
    "disk": r"disk is full|quota (is )?used up|results folder was away",
    "node": r"node .*(failed|lost)",
    "killed": r"killed by signal|ended without (an error message|a word)",
    "diverged": r"^diverged",
    "exception": r"^\w+(Error|Exception|Interrupt)\b",
}


def matches(cause: str | None, word: str) -> bool:
    """Check whether a cause is what a word asks for: `oom`, `time`, or any of its own words."""
    kind = _KINDS.get(word.lower())
    said = cause or ""
    return bool(kind and re.search(kind, said)) or word.lower() in said.lower()


def next_command(state: RunState, cause: str | None, *, sweep: str, run: str, verb: str | None) -> str | None:
    """Next command for a run that does not continue by itself; None when there is nothing to do.

    `verb` takes up what is unfinished, `local` or `sweep`; None while a launcher does.
    """
    if state is RunState.FAILED:
        for kind, setting in (("oom", "mem_gb"), ("time", "timeout_min")):
            if re.search(_KINDS[kind], cause or "") and "GPU's" not in (cause or ""):
                return f"cnnjobs retry {sweep} --cause {kind} --set job.{setting}=..."
        if re.search(_KINDS["disk"], cause or ""):
            return f"cnnjobs retry {sweep} --cause disk"
        return f"cnnjobs logs {run}"
    if state is RunState.INTERRUPTED:
        return verb and f"cnnjobs {verb} {sweep}"
    if state in (RunState.CANCELLED, RunState.LOST):
        return f"cnnjobs retry {sweep}"
    return None


def waiting(array_task: ArrayTask) -> str:
    """Why an array task of the queue has not started."""
    reason = array_task.reason.strip("()").split(",")[0]
    words = _WAITS.get(reason.replace(" ", "_"))
    if reason == "BeginTime" and array_task.begins:
        words = f"begins at {array_task.begins.replace('T', ' ')}"
        now = f"scontrol update JobId={array_task.name} StartTime=now"
        return (
            f"{words}: after a requeue Slurm waits a moment" if array_task.restarts else f"{words}; at once with: {now}"
        )
    if words is None and reason.startswith(("QOS", "Assoc", "MaxJobs", "MaxMem", "MaxCpu")):
        words = f"a limit of the account or QOS holds it back ({reason})"
    if words is None:
        words = f"waits ({array_task.reason})" if array_task.reason else "waits to be looked at by Slurm"
    return words


def ending(array_task: ArrayTask, *, began: bool, last_line: str) -> tuple[RunState, str]:
    """State and cause of an unfinished run whose job has ended like this; `last_line` of the job's log."""
    job = f"job {array_task.name}"
    where = f" on {array_task.node}" if array_task.node and "None" not in array_task.node else ""
    before = "" if began else ", before the run began"
    known = {
        "OUT_OF_MEMORY": (RunState.FAILED, f"out of memory: {job}{where} used more than its mem_gb and was killed"),
        "TIMEOUT": (RunState.INTERRUPTED, f"time limit: {job} was ended at its timeout_min{before}"),
        "DEADLINE": (RunState.INTERRUPTED, f"time limit: {job} was ended at its deadline{before}"),
        "PREEMPTED": (RunState.INTERRUPTED, f"preempted: {job} gave way to a job of higher priority{before}"),
        "NODE_FAIL": (RunState.INTERRUPTED, f"node failed: {job} lost {array_task.node or 'its node'}{before}"),
        "BOOT_FAIL": (RunState.INTERRUPTED, f"node failed: {array_task.node or 'its node'} did not start for {job}"),
        "CANCELLED": (RunState.CANCELLED, _cancelled(array_task) + before),
    }
    if array_task.state in known:
        return known[array_task.state]
    if array_task.signal == signal.SIGUSR2:
        return RunState.INTERRUPTED, f"time limit: job {array_task.name} was still starting when it came near{before}"
    if array_task.exit_code in _TOLD and not array_task.signal:
        return RunState.FAILED, f"{_TOLD[array_task.exit_code]}, {job}{where}{before}"
    return _ending_by_code(array_task, began=began, last_line=last_line, where=where)


def _ending_by_code(array_task: ArrayTask, *, began: bool, last_line: str, where: str) -> tuple[RunState, str]:
    """The same of a job that ended by a signal or an exit code of its own."""
    job = f"job {array_task.name}"
    said = f": {last_line}" if last_line else ""
    faults = array_task.signal in (*_FAULTS, _NO_LOG_SIGNAL)
    if not began and (faults or (array_task.exit_code and not array_task.signal)):
        return RunState.FAILED, f"never started: {job}{where} {_exit(array_task)}{said}"
    if array_task.signal:
        before = "" if began else ", before the run began"
        return (RunState.FAILED if faults else RunState.INTERRUPTED), f"{_exit(array_task)}, {job}{where}{before}"
    if array_task.exit_code:
        return RunState.FAILED, f"{_exit(array_task)} and no word in its record, {job}{where}{said}"
    return RunState.INTERRUPTED, f"{job} ended {'and left no end in its record' if began else 'before its turn came'}"


def how_it_died(array_task: ArrayTask) -> str:
    """End of a job, for runs that had no part in it: `ended`, or its signal."""
    if array_task.state == "OUT_OF_MEMORY":
        return "ran out of memory"
    return f"was {_exit(array_task)}" if array_task.signal and array_task.signal != _NO_LOG_SIGNAL else "ended"


def _exit(array_task: ArrayTask) -> str:
    if not array_task.signal:
        return f"ended with exit code {array_task.exit_code}"
    if array_task.signal == _NO_LOG_SIGNAL:
        return "could not be set up by Slurm (0:53), often because the folder of its log is missing on the node"
    try:
        return f"killed by signal {array_task.signal} ({signal.Signals(array_task.signal).name})"
    except ValueError:
        return f"killed by signal {array_task.signal}"


def _cancelled(array_task: ArrayTask) -> str:
    by = f" by {array_task.cancelled_by}" if array_task.cancelled_by else ""
    at = f" at {array_task.ended}" if array_task.ended else ""
    return f"cancelled{by}{at}, job {array_task.name}"


def log_tail(path: Path) -> str:
    """The last lines of a job's log; empty where there is none."""
    try:
        with open_to_read(path) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def last_line(text: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def end_in_log(text: str, job_id: int, index: int) -> ArrayTask | None:
    """End of a job by Slurm's own words in its log, where accounting is off; None when there are none."""
    ends = [(match.start(), match) for match in _STEPD.finditer(text) if _due(match) in _SPELT]
    ooms = [match.start() for match in _OOM.finditer(text)]
    # What stands before the last start was another end.
    start = max((match.start() for match in re.finditer(r": attempt \d+, ", text)), default=-1)
    if ooms and ooms[-1] > start:
        return ArrayTask(job_id, index, "OUT_OF_MEMORY")
    if ends and ends[-1][0] > start:
        match = ends[-1][1]
        return ArrayTask(job_id, index, _SPELT[_due(match)], node=match[1], ended=match[2])
    return None


def _due(match: re.Match[str]) -> str | None:
    return match[3].strip() if match[3] else None
