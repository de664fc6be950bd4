"""What was handed to Slurm: the submissions of a sweep as their folders tell."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cnnjobs.runs import RunStore

ALIKE: Final = 5


@dataclass(frozen=True)
class Submission:
    """One job array: element k trains the runs of tasks[k]. Without `job_id` it is not known whether sbatch took it."""

    folder: Path
    job_name: str
    job_id: int | None
    tasks: tuple[tuple[str, ...], ...]
    canary: bool
    created: str

    @property
    def has_passed(self) -> bool:
        """Whether nothing keeps the rest waiting for the first run."""
        return not self.canary or (self.folder / "canary-passed").exists()

    def log(self, index: int) -> Path:
        """What element `index` has said, over all its starts."""
        return self.folder / f"task-{index}.log"

    def breaker(self) -> str | None:
        """The cause that the last five runs to end have failed from, when it is the same."""
        try:
            lines = (self.folder / "outcomes.jsonl").read_text().splitlines()
        except OSError:
            return None
        last = [outcome for line in lines[-ALIKE:] if (outcome := _parsed(line))]
        causes = {str(outcome.get("cause")) for outcome in last if outcome.get("state") == "failed"}
        all_failed = all(outcome.get("state") == "failed" for outcome in last)
        return causes.pop() if len(last) == ALIKE and all_failed and len(causes) == 1 else None


@dataclass(frozen=True)
class Seat:
    """The place of a run in a submission."""

    submission: Submission
    index: int

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Every run of the same element."""
        return self.submission.tasks[self.index]


def submissions(store: RunStore) -> list[Submission]:
    """Every submission that was meant to be, the oldest first."""
    if not store.jobs_folder.is_dir():
        return []
    found = [made for path in store.jobs_folder.glob("*/intent.json") if (made := _read(path))]
    return sorted(found, key=lambda submission: submission.created)


def seats(found: Sequence[Submission]) -> Mapping[str, Seat]:
    """The latest place of each run, by run id."""
    return {
        run_id: Seat(submission, index)
        for submission in found
        for index, run_ids in enumerate(submission.tasks)
        for run_id in run_ids
    }


def _read(path: Path) -> Submission | None:
    # A folder may be pruned between two looks.
    with suppress(OSError):
        intent = _parsed(path.read_text())
        identity: dict[str, Any] = {}
        with suppress(FileNotFoundError):
            identity = _parsed(path.with_name("id.json").read_text())
        if intent:
            return Submission(
                path.parent,
                intent["job_name"],
                identity.get("job_id"),
                tuple(map(tuple, intent["tasks"])),
                bool(intent.get("canary")),
                str(intent.get("created", "")),
            )
    return None


def _parsed(text: str) -> dict[str, Any]:
    with suppress(ValueError):
        found: dict[str, Any] = json.loads(text)
        return found
    return {}
