"""The submission folder: what is handed to Slurm as one job array, and what its workers leave beside it.

results/<sweep>/jobs/<submission>/
  intent.json      JobArray, written before sbatch
  sbatch.sh        the script as it was submitted
  id.json          {"job_id": 123}, written after sbatch
  started          the job waits for its launcher no longer
  task-<k>.log     what array task k has said, over all its starts
  canary-passed    the first run has passed its first validation: the rest may start
  outcomes.jsonl   one line for each end of a run: run_id, state, cause
  breaker          the cause for which the rest is held: so many runs in a row have failed from it
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from cnnjobs.config.resolved_profile import ResolvedProfile, num_ranks
from cnnjobs.disk.files import NO_FILE, write_whole
from cnnjobs.errors import storage_error
from cnnjobs.registry import NonNegativeInt, PositiveInt
from cnnjobs.system.opening import read_bytes, to_write

BREAKER_FAILURES: Final = 5
# What a controller that is killed forgets is of the last five seconds.
FORGETFUL_S: Final = 60
# A worker's, as sysexits.h has it: its log is likely to lie on that disk.
FULL_DISK_CODE: Final = 74


class EvaluationRequest(BaseModel):
    """On which split the best weights of finished runs are to be measured; `dataset` where it is not their own."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    split: Literal["train", "validation", "test"]
    dataset: dict[str, Any] | None = None

    def name(self, own: str) -> str:
        """Name of the evaluation for a run whose own data set is called `own`: `cifar10/test`."""
        return f"{own if self.dataset is None else self.dataset['name']}/{self.split}"


class Stacks(BaseModel):
    """Groups of run ids whose runs train as one network, with `if_small` only where that was measured to gain."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    groups: tuple[tuple[str, ...], ...] = ()
    if_small: bool = True

    def among(self, run_ids: Sequence[str]) -> Stacks:
        """Of these runs alone."""
        wanted = set(run_ids)
        groups = (tuple(run_id for run_id in group if run_id in wanted) for group in self.groups)
        return self.model_copy(update={"groups": tuple(group for group in groups if len(group) > 1)})

    def units(self, run_ids: Sequence[str]) -> list[tuple[str, ...]]:
        """These runs in their order, each with its whole group."""
        group_of = {run_id: group for group in self.groups for run_id in group}
        return list(dict.fromkeys(group_of.get(run_id, (run_id,)) for run_id in run_ids))


class JobArray(BaseModel):
    """One job array: task k trains the runs of tasks[k]. `created` as ISO 8601, UTC.

    A task trains `runs_at_once` of its runs side by side, each with `threads` threads; where that is `measured`, it
    has cores for so many and finds out how many they carry. On several `nodes` or `gpus` each run has `ranks`, with so
    many threads each. With `canary` only task 0 starts at once; its worker releases the others. `stacks` are runs of
    one task that train as one network; `code` is the copy of the user's own code that runs begin
    with, where there is some. With `evaluation` the runs have finished and are evaluated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    job_name: str
    tasks: tuple[tuple[str, ...], ...]
    store: Path
    data_folders: tuple[Path, ...] = ()
    threads: PositiveInt = 1
    runs_at_once: PositiveInt = 1
    measured: bool = False
    nodes: PositiveInt = 1
    gpus: NonNegativeInt = 0
    canary: bool = False
    stacks: Stacks = Stacks()
    code: str | None = None
    evaluation: EvaluationRequest | None = None
    profile: ResolvedProfile = ResolvedProfile()
    created: str
    host: str
    user: str

    @property
    def first_run(self) -> str | None:
        """The run that goes ahead where there is a canary."""
        return next((run_id for task in self.tasks for run_id in task), None)

    @property
    def cpus(self) -> int:
        """The cores of each array task."""
        return self.threads * self.runs_at_once * self.ranks

    @property
    def ranks(self) -> int:
        """Number of processes that train a run together."""
        return num_ranks(self.nodes, self.gpus)


class SubmissionFolder:
    """One submission on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.array_file = path / "intent.json"
        self.script_file = path / "sbatch.sh"
        self.id_file = path / "id.json"
        self.started_file = path / "started"
        self.canary_file = path / "canary-passed"
        self.outcomes_file = path / "outcomes.jsonl"
        self.breaker_file = path / "breaker"

    def log_file(self, index: int | str) -> Path:
        """Log of array task `index`; Slurm's own `%a` stands for every one."""
        return self.path / f"task-{index}.log"

    def write_array(self, array: JobArray) -> None:
        """Say what is about to be submitted. Raises StorageError."""
        write_whole(self.array_file, array.model_dump_json(indent=1).encode() + b"\n")

    def read_array(self) -> JobArray:
        """Read the submission. Raises OSError, and ValueError when another version wrote it."""
        return JobArray.model_validate_json(read_bytes(self.array_file))

    def write_id(self, job_id: int) -> None:
        """Keep the number that Slurm gave. Raises StorageError."""
        write_whole(self.id_file, json.dumps({"job_id": job_id}).encode() + b"\n")

    def read_id(self) -> int | None:
        """The number that Slurm gave, if it is known: one that is damaged is found again by the job's name."""
        try:
            found = json.loads(read_bytes(self.id_file))
        except (FileNotFoundError, *NO_FILE, ValueError, RecursionError):
            return None
        number = found.get("job_id") if isinstance(found, dict) else None
        return number if isinstance(number, int) and number > 0 else None

    def release_is_due(self, waiting: Mapping[int, str], at_work: Collection[int], *, first_done: bool = False) -> bool:
        """Check whether array tasks are held for a first run that has passed; `waiting` tasks, with Slurm's reasons.

        Once others are at work the hold is the user's own, unless Slurm may just have forgotten the release.
        """
        held = any(index and reason.startswith("JobHeldUser") for index, reason in waiting.items())
        if not held or self.breaker_file.exists():
            return False
        try:
            passed_s = time.time() - self.canary_file.stat().st_mtime
        except FileNotFoundError:
            return first_done
        return passed_s < FORGETFUL_S or not any(index for index in at_work)

    def mark_started(self) -> None:
        """Keep that the job waits for its launcher no longer. Raises StorageError."""
        write_whole(self.started_file, b"")

    def add_outcome(self, run_id: str, state: str, cause: str | None) -> None:
        """Add the end of a run. Raises StorageError."""
        line = json.dumps({"run_id": run_id, "state": state, "cause": cause}).encode() + b"\n"
        try:
            # One write, so that workers that end at the same moment do not mix their lines.
            descriptor = to_write(str(self.outcomes_file), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise storage_error(self.outcomes_file, error) from error

    def read_outcomes(self) -> dict[str, tuple[str, str | None]]:
        """State and cause of the last end of each run, by run id."""
        outcomes = [outcome for line in self._outcome_lines() if (outcome := _parsed(line))]
        return {outcome["run_id"]: (outcome["state"], outcome["cause"]) for outcome in outcomes}

    def _outcome_lines(self) -> list[bytes]:
        try:
            return read_bytes(self.outcomes_file).splitlines()
        except (FileNotFoundError, *NO_FILE):
            return []

    def common_failure(self) -> str | None:
        """The cause of the last BREAKER_FAILURES ends when all of them are failures from the same one."""
        last = [outcome for line in self._outcome_lines()[-BREAKER_FAILURES:] if (outcome := _parsed(line))]
        ends = {(str(outcome.get("state")), str(outcome.get("cause"))) for outcome in last}
        state, cause = ends.pop() if len(ends) == 1 else ("", "")
        return cause if len(last) == BREAKER_FAILURES and state == "failed" else None


def _parsed(line: bytes) -> dict[str, Any]:
    """A line of outcomes; nothing when it is torn or damaged."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    is_outcome = isinstance(found, dict) and all(isinstance(found.get(key), str) for key in ("run_id", "state"))
    return {"cause": None, **found} if is_outcome else {}
