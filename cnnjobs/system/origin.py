"""Origin of a process: its host, its job, the commit of its code, its age."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

_GIT_TIMEOUT_S: Final = 5


@cache
def git_state(folder: Path) -> tuple[str | None, bool | None]:
    """Commit and whether tracked files differ from it; (None, None) outside a repository or without git."""
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no") if commit else None
    return commit, bool(changes) if changes is not None else None


def _git(folder: Path, *arguments: str) -> str | None:
    # No lock is taken: many jobs may look at one repository at once.
    command = ("git", "--no-optional-locks", "-C", str(folder), *arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def process_age() -> float | None:
    """Seconds since this process was started; None where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return None
    with suppress(OSError):
        # The name of the program stands in brackets and may hold anything; the 20th field after it is the start.
        ticks = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    return None


def host() -> str:
    """This machine's name."""
    return socket.gethostname()


def job_id() -> str | None:
    """The scheduler's number of this job, or submitit's local one, also inside a Slurm allocation."""
    environment = os.environ
    if environment.get("SUBMITIT_EXECUTOR") == "local":
        return environment.get("SUBMITIT_LOCAL_JOB_ID")
    if "SLURM_ARRAY_JOB_ID" in environment:
        return f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"
    return environment.get("SLURM_JOB_ID")


def job_name() -> str | None:
    """The scheduler's name of this job, which no other has; None on this machine."""
    return None if os.environ.get("SUBMITIT_EXECUTOR") == "local" else os.environ.get("SLURM_JOB_NAME")


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
