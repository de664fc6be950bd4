"""Requests of a worker to Slurm's controller."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from cnnjobs.slurm.commands import NoAnswerError, NoCommandError, run
from cnnjobs.system.log import say

_COMMAND_S: Final = 10
_FIELDS: Final = ("ArrayJobID", "ArrayTaskID", "State", "Reason", "RestartCnt", "PreemptTime", "Name")


@dataclass(frozen=True)
class QueuedTask:
    """An array task, also one that has just ended; `is_preempted` while it gives way, and when it has."""

    job_id: int
    index: int
    state: str
    reason: str
    restarts: int
    is_preempted: bool
    job_name: str

    @property
    def name(self) -> str:
        """As Slurm writes it: `12_3`."""
        return f"{self.job_id}_{self.index}"


def scontrol(*words: str) -> bool:
    """Check whether Slurm did what it was told; its own words go to the log when it did not."""
    said = _ask("scontrol", *words)[1]
    # So says Slurm to a requeue that it has made itself.
    if said and "Job is pending execution" not in said:
        say("worker", f"{' '.join(('scontrol', *words))}: {said}")
        return False
    return True


def squeue(job_names: Collection[str]) -> list[QueuedTask]:
    """The array tasks of jobs of these names, ended ones for as long as Slurm remembers; none if it is away."""
    layout = ",".join(f"{name}:|" for name in _FIELDS)
    text, _ = _ask("squeue", "--noheader", "--array", "--states=all", f"--name={','.join(job_names)}",
                   f"--Format={layout}")  # fmt: skip
    rows = ([cell.strip() for cell in line.split("|", len(_FIELDS))] for line in text.splitlines())
    return [
        QueuedTask(
            int(row[0]), int(row[1]), row[2], row[3], int(row[4]) if row[4].isdigit() else 0,
            row[2] == "PREEMPTED" or row[5][:1].isdigit(), row[6],
        )
        for row in rows
        if len(row) > len(_FIELDS) and row[0].isdigit() and row[1].isdigit()
    ]  # fmt: skip


def _ask(*command: str) -> tuple[str, str]:
    """The answer, and why there is none."""
    try:
        done = run(*command, seconds=_COMMAND_S, environment={"SLURM_TIME_FORMAT": "standard"})
    except NoCommandError:
        return "", "it is not on the PATH of this node"
    except NoAnswerError:
        return "", f"it did not answer within {_COMMAND_S} s"
    return done.stdout, " ".join((done.stderr or done.stdout).split()) if done.returncode else ""
