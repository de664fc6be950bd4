"""Slurm's own commands, each asked with a deadline."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from typing import Final

from cnnjobs.errors import InputError

COMMAND_SECONDS: Final = 30


class SlurmError(InputError):
    """A Slurm command refused or did not answer; the message holds its own words."""


class NoCommandError(SlurmError):
    """It is not installed here."""


class NoAnswerError(SlurmError):
    """It said nothing within its time."""


def run(
    *command: str, seconds: float = COMMAND_SECONDS, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """One Slurm command, whatever it says. Raises NoCommandError, NoAnswerError."""
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            env={**os.environ, **(environment or {})},
        )
    except (FileNotFoundError, PermissionError):
        what = f"{command[0]} is not on the PATH: this machine is no login node of a Slurm cluster"
        raise NoCommandError(what) from None
    except subprocess.TimeoutExpired:
        what = f"{command[0]} did not answer within {seconds:g} s; is slurmctld up? try: scontrol ping"
        raise NoAnswerError(what) from None


def ask(*command: str, seconds: float = COMMAND_SECONDS, environment: Mapping[str, str] | None = None) -> str:
    """Standard output of one Slurm command. Raises SlurmError with Slurm's own words, or that it did not answer."""
    done = run(*command, seconds=seconds, environment=environment)
    if done.returncode:
        raise SlurmError(f"{command[0]}: {' '.join((done.stderr or done.stdout).split())}")
    return done.stdout
