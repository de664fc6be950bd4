"""Slurm's knowledge of array tasks: one squeue and, for what has left the queue, one sacct."""

from __future__ import annotations

import pwd
import re
import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Final

from cnnjobs.slurm.commands import SlurmError, ask

PATIENCE_S: Final = 10
WAITING: Final = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD"})
ACTIVE: Final = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"})
SUSPENDED: Final = frozenset({"SUSPENDED", "STOPPED"})
_QUEUE_FIELDS: Final = (
    "ArrayJobID", "ArrayTaskID", "State", "Reason", "exit_code", "NodeList", "PriorityLong", "Partition", "Name",
)  # fmt: skip
_ACCOUNT_FIELDS: Final = ("JobID", "State", "ExitCode", "NodeList", "End", "JobName")
_BEGIN_TIME: Final = "BeginTime"
_BEGIN_FIELDS: Final = ("ArrayJobID", "ArrayTaskID", "EligibleTime", "RestartCnt")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
# Of one command line of scancel.
_MOST_WORDS: Final = 500
_NOT_IN_LINE: Final = (_BEGIN_TIME, "Dependency", "JobHeld")

Key = tuple[int, int]


@dataclass(frozen=True)
class ArrayTask:
    """One array task; `ahead` counts those that come before it in its partition.

    One that waits for a time `begins` then (local time), after so many `restarts`.
    """

    job_id: int
    index: int
    state: str
    reason: str = ""
    exit_code: int = 0
    signal: int = 0
    node: str = ""
    partition: str = ""
    ahead: int | None = None
    cancelled_by: str = ""
    ended: str = ""
    job_name: str = ""
    begins: str = ""
    restarts: int = 0

    @property
    def name(self) -> str:
        """As Slurm writes it: `12_3`."""
        return f"{self.job_id}_{self.index}"


@dataclass(frozen=True)
class QueueView:
    """The array tasks of some jobs: in the queue, or ended; `notices` tell what could not be asked, and why.

    A number alone names no job: a controller that was killed gives the last ones out again. A task without a name
    is that of any job.
    """

    queued: Mapping[Key, ArrayTask] = field(default_factory=dict)
    ended: Mapping[Key, ArrayTask] = field(default_factory=dict)
    job_ids: Mapping[str, int] = field(default_factory=dict)
    knows_queue: bool = False
    knows_ends: bool = False
    notices: tuple[str, ...] = ()

    def at_work(self, job_name: str, key: Key) -> ArrayTask | None:
        """The array task of a job in the queue: it waits or runs."""
        return _of_job(self.queued.get(key), job_name)

    def end(self, job_name: str, key: Key) -> ArrayTask | None:
        """The array task of a job that has left the queue."""
        return _of_job(self.ended.get(key), job_name)


def _of_job(array_task: ArrayTask | None, job_name: str) -> ArrayTask | None:
    return array_task if array_task is not None and array_task.job_name in ("", job_name) else None


def look_at_queue(names: Collection[str]) -> QueueView:
    """The jobs of these names, and their places in line, by one squeue. Never raises: a notice tells what is missing.

    Slurm keeps what has ended in the queue for some minutes (MinJobAge).
    """
    if not names:
        return QueueView()
    layout = ",".join(f"{name}:|" for name in _QUEUE_FIELDS)
    try:
        # Pending array tasks stand in one line, which is cut without this setting.
        said = ask(
            "squeue", "--noheader", "--states=all", f"--Format={layout}",
            seconds=PATIENCE_S, environment={"SLURM_BITSTR_LEN": "0"},
        )  # fmt: skip
    except SlurmError as error:
        return QueueView(notices=(f"the queue could not be asked: {error}",))
    queued: dict[Key, ArrayTask] = {}
    ended: dict[Key, ArrayTask] = {}
    job_ids: dict[str, int] = {}
    for name, array_task in read_queue(said):
        if name in names:
            job_ids[name] = array_task.job_id
            (queued if array_task.state in WAITING | ACTIVE else ended)[array_task.job_id, array_task.index] = (
                array_task
            )
    if any(array_task.reason.startswith(_BEGIN_TIME) for array_task in queued.values()):
        queued = {**queued, **_with_begins(queued)}
    return QueueView(queued, ended, job_ids, knows_queue=True)


def _with_begins(queued: Mapping[Key, ArrayTask]) -> dict[Key, ArrayTask]:
    """The array tasks that wait for a time, with that time; as they are where Slurm does not tell."""
    found = {}
    with suppress(SlurmError):
        said = ask(
            "squeue", "--noheader", "--states=PENDING", f"--Format={','.join(f'{name}:|' for name in _BEGIN_FIELDS)}",
            seconds=PATIENCE_S, environment={"SLURM_BITSTR_LEN": "0", "SLURM_TIME_FORMAT": "standard"},
        )  # fmt: skip
        for line in said.splitlines():
            cells = [cell.strip() for cell in line.split("|")]
            if len(cells) == len(_BEGIN_FIELDS) + 1 and cells[0].isdigit() and _TIME.fullmatch(cells[2]):
                for index in expand(cells[1]):
                    array_task = queued.get((int(cells[0]), index))
                    if array_task is not None and array_task.reason.startswith(_BEGIN_TIME):
                        restarts = int(cells[3]) if cells[3].isdigit() else 0
                        found[array_task.job_id, index] = replace(array_task, begins=cells[2], restarts=restarts)
    return found


def ranges(indices: list[int]) -> list[str]:
    """`[0, 1, 2, 5]` -> `0-2`, `5`."""
    runs = groupby(enumerate(indices), key=lambda pair: pair[1] - pair[0])
    found = []
    for _, group in runs:
        members = [index for _, index in group]
        found.append(f"{members[0]}-{members[-1]}" if len(members) > 1 else str(members[0]))
    return found


def named(job_id: int, indices: Collection[int]) -> str:
    """Array tasks of an array as Slurm's commands take them: `12_3`, `12_[0-2,5]`."""
    found = sorted(indices)
    return f"{job_id}_{found[0]}" if len(found) == 1 else f"{job_id}_[{','.join(ranges(found))}]"


def scancel(array_tasks: Iterable[Key]) -> None:
    """Take these array tasks out of the queue. Raises SlurmError."""
    by_job = groupby(sorted(array_tasks), key=lambda key: key[0])
    words = [f"{job}_[{part}]" for job, keys in by_job for part in ranges([index for _, index in keys])]
    for start in range(0, len(words), _MOST_WORDS):
        ask("scancel", *words[start : start + _MOST_WORDS])


def jobs_of(folder: Path) -> list[int]:
    """The jobs of the queue whose batch script was handed over from below a folder, and is not there; none unasked."""
    if shutil.which("squeue") is None:
        return []
    with suppress(SlurmError):
        said = ask("squeue", "--noheader", "--Format=ArrayJobID:|,Command:|", seconds=PATIENCE_S)
        rows = [line.split("|") for line in said.splitlines() if line.count("|") == 2]
        scripts = {int(number): Path(script) for number, script, _ in rows if number.strip().isdigit()}
        here = folder.absolute()
        return sorted(number for number, script in scripts.items() if here in script.parents and not script.exists())
    return []


def read_queue(said: str) -> list[tuple[str, ArrayTask]]:
    """Job name and array task, for every array task in squeue's answer."""
    entries = sorted(_queue_entries(said), key=lambda entry: (-entry[1], entry[2].job_id))
    before: dict[str, int] = defaultdict(int)
    found = []
    for name, priority, first, indices in entries:
        for index in indices:
            waits = first.state == "PENDING" and priority > 0 and not first.reason.startswith(_NOT_IN_LINE)
            place = before[first.partition] if waits else None
            found.append((name, replace(first, index=index, ahead=place, job_name=name)))
            before[first.partition] += waits
    return found


def _queue_entries(said: str) -> Iterator[tuple[str, int, ArrayTask, Sequence[int]]]:
    for line in said.splitlines():
        cells = line.split("|", len(_QUEUE_FIELDS) - 1)
        if len(cells) < len(_QUEUE_FIELDS) or not cells[0].strip().isdigit():
            continue
        job_id, indices, state, reason, status, node, priority, partition, name = (cell.strip() for cell in cells)
        code = int(status) if status.isdigit() else 0
        array_task = ArrayTask(
            int(job_id), 0, state, "" if reason == "None" else reason, code >> 8, code & 127, node, partition
        )
        # The last field ends with a bar, too.
        yield name.removesuffix("|"), int(priority) if priority.isdigit() else 0, array_task, expand(indices)


def expand(indices: str) -> Sequence[int]:
    """`0-3,8,10-20:5%4` -> 0 1 2 3 8 10 15 20; what is no array has the index 0."""
    found: list[int] = []
    for part in indices.partition("%")[0].strip("[]").split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part)
        if match:
            first, last, step = match[1], match[2] or match[1], match[3] or "1"
            found.extend(range(int(first), int(last) + 1, int(step)))
    return found or [0]


def look_at_ends(view: QueueView, jobs: Mapping[int, str]) -> QueueView:
    """The view with what accounting remembers of these jobs (id -> name), by one sacct. Never raises."""
    if not jobs:
        return view
    try:
        said = ask(
            "sacct", "--noheader", "--parsable2", "--allocations", f"--format={','.join(_ACCOUNT_FIELDS)}",
            f"--jobs={','.join(map(str, jobs))}", seconds=PATIENCE_S,
        )  # fmt: skip
    except SlurmError as error:
        off = "accounting storage is disabled" in str(error)
        notices = () if off else (f"accounting could not be asked: {error}",)
        return replace(view, notices=(*view.notices, *notices))
    # A number that Slurm has given away again belongs to another name.
    told = {(each.job_id, each.index): each for name, each in read_accounts(said) if jobs.get(each.job_id) == name}
    ends = {key: each for key, each in told.items() if each.state not in WAITING | ACTIVE and key not in view.queued}
    return replace(view, ended={**view.ended, **ends}, knows_ends=True)


def read_accounts(said: str) -> list[tuple[str, ArrayTask]]:
    """Job name and array task, for every array task that has begun; an array that waits is squeue's affair."""
    found = []
    for line in said.splitlines():
        cells = line.split("|", len(_ACCOUNT_FIELDS) - 1)
        match = re.fullmatch(r"(\d+)(?:_(\d+))?", cells[0])
        if len(cells) < len(_ACCOUNT_FIELDS) or match is None:
            continue
        _, state, exit_code, node, ended, name = cells
        word, _, by = state.partition(" by ")
        code, _, signal = exit_code.partition(":")
        array_task = ArrayTask(
            int(match[1]), int(match[2] or 0), word, "", int(code or 0), int(signal or 0), node,
            cancelled_by=_user(by), ended="" if ended == "Unknown" else ended, job_name=name,
        )  # fmt: skip
        found.append((name, array_task))
    return found


def _user(number: str) -> str:
    if number.isdigit():
        with suppress(KeyError):
            return pwd.getpwuid(int(number)).pw_name
        return f"user {number}"
    return number
