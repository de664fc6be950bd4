"""The jobs of a sweep on this machine: worker processes that submitit's local executor starts, one folder per launch.

A job is a controller process (its number is the job id) with one child, the worker. Workers outlive a launcher that is
killed; the next one finds them by `jobs/<launch>/workers.json`.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cnnjobs.disk.files import write_whole
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.errors import storage_error
from cnnjobs.status.logs.kept_logs import collect
from cnnjobs.system.opening import read_bytes, read_words
from cnnjobs.system.stop_request import blocking
from cnnjobs.worker.run_list import run_job

if TYPE_CHECKING:
    import submitit

_FOREVER_MIN: Final = 60 * 24 * 3650
GRACE_S: Final = 8.0
_PROC: Final = Path("/proc")


@dataclass(frozen=True)
class Worker:
    """A job: its id, which is the number of its process, and its place among the workers."""

    job_id: str
    slot: int
    folder: Path

    @property
    def log(self) -> Path:
        """Where it writes what went wrong."""
        return self.folder / f"{self.job_id}_0_log.err"

    def last_words(self) -> str:
        """The last line of its log."""
        lines: list[str] = []
        with suppress(OSError):
            lines = read_words(self.log).split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "without a word")

    def is_alive(self) -> bool:
        """Check whether a process has its number and, where the system tells, is its controller."""
        try:
            os.kill(int(self.job_id), 0)
        except (ProcessLookupError, PermissionError):
            return False
        if not (_PROC / "self").exists():
            return True
        command = _command(int(self.job_id))
        with suppress(OSError):
            return "submitit.local._local" in command and Path(command[-1]).samefile(self.folder)
        return False

    def ask_to_stop(self) -> None:
        """SIGTERM; the controller passes it on to the worker."""
        with suppress(ProcessLookupError):
            os.kill(int(self.job_id), signal.SIGTERM)

    def kill(self) -> set[int]:
        """SIGKILL to the worker and its controller; the number of the worker's process, which takes a moment to end."""
        children: set[int] = set()
        with suppress(OSError):
            listed = (_PROC / self.job_id / "task" / self.job_id / "children").read_text()
            children = {int(number) for number in listed.split()}
        for process in (*children, int(self.job_id)):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return children


def is_worker(pid: int) -> bool:
    """Check whether the process of this number works for a job; never true where the system does not tell."""
    return "submitit.core._submit" in _command(pid)


def ends_in_time(have_ended: Callable[[], bool], *, is_hurried: Callable[[], bool] = lambda: False) -> bool:
    """Check whether processes that were asked to end have, before patience does or someone is in a hurry."""
    until = time.monotonic() + GRACE_S
    while time.monotonic() < until and not is_hurried():
        if have_ended():
            return True
        time.sleep(0.05)
    return False


def _command(pid: int) -> list[str]:
    """The words of a process's command; none for a dead one."""
    with suppress(OSError):
        return os.fsdecode((_PROC / str(pid) / "cmdline").read_bytes()).split("\0")[:-1]
    return []


class JobFolder:
    """jobs/<launch>/, made at the first submission: job files, submitit's files and the logs of one launch.

    One with a `name` of its own is no launch of the sweep: nobody takes its workers over.
    """

    def __init__(self, store: RunStore, name: str | None = None) -> None:
        numbers = [int(path.name) for path in _folders(store)]
        self.path = store.jobs_folder / (name or f"{max(numbers, default=0) + 1:04d}")
        self._slots: dict[str, int] = {}
        self._jobs: dict[str, submitit.Job[None]] = {}

    def submit(self, slot: int, job: dict[str, Any]) -> Worker:
        """Start one worker on a job file with this content. Raises StorageError."""
        import submitit

        job_file = self.path / f"job-{len(self._jobs) + 1}.json"
        write_whole(job_file, json.dumps(job, indent=1).encode())
        executor = submitit.LocalExecutor(folder=self.path)
        # submitit's own limit is two minutes. It hides every GPU; the job file says which one a worker may see.
        executor.update_parameters(timeout_min=_FOREVER_MIN)
        try:
            # Workers hear neither Ctrl-C nor a closing terminal: the launcher does, and asks them to stop.
            with blocking(signal.SIGINT, signal.SIGHUP):
                submitted = executor.submit(run_job, job_file)
        except OSError as error:
            raise storage_error(self.path, error) from error
        self._jobs[submitted.job_id] = submitted
        self._slots[submitted.job_id] = slot
        write_whole(self.path / "workers.json", json.dumps(self._slots).encode())
        return Worker(submitted.job_id, slot, self.path)

    def has_ended(self, worker: Worker) -> bool:
        """Check whether a worker of this launch has ended."""
        ended: bool = self._jobs[worker.job_id].done()
        return ended


def living_workers(store: RunStore) -> list[Worker]:
    """Workers of earlier launches that go on without their launcher."""
    found: list[Worker] = []
    for folder in _folders(store):
        slots = _mapping(folder / "workers.json")
        found.extend(Worker(job_id, slot, folder) for job_id, slot in slots.items() if job_id.isdecimal())
    return [worker for worker in found if worker.is_alive()]


def prune(store: RunStore) -> None:
    """Remove the job folders whose runs have all finished, their logs kept; what failed stays as it is."""
    for folder in _folders(store):
        asked = {run_id for file in folder.glob("job-*.json") for run_id in _mapping(file).get("run_ids", ())}
        runs = (folder for folder in map(store.run, asked) if folder.config_file.exists())
        if all(run.read_record().state.has_passed for run in runs):
            collect(store, folder)
    with suppress(OSError):
        store.jobs_folder.rmdir()


def _mapping(file: Path) -> dict[str, Any]:
    """Content of a JSON file of a launch; nothing where it is damaged or gone: it tells of processes, not of runs."""
    try:
        found = json.loads(read_bytes(file))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _folders(store: RunStore) -> Sequence[Path]:
    if not store.jobs_folder.is_dir():
        return ()
    return sorted(path for path in store.jobs_folder.iterdir() if path.name.isdecimal())
