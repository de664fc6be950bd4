"""Where a sweep runs: Slurm when it is installed and answers, else this machine."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cnnjobs.errors import InputError

_PATIENCE_S: Final = 10
_LOCAL: Final = Path("jobs/local.yaml")


@dataclass(frozen=True)
class Place:
    """Where runs go, and why there, in words."""

    name: Literal["local", "slurm"]
    reason: str


def find_place() -> Place:
    """Slurm needs `sbatch` and a controller that answers; everything else is this machine."""
    if shutil.which("sbatch") is None:
        return Place("local", "`sbatch` is not installed here")
    try:
        ping = subprocess.run(["scontrol", "ping"], capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except FileNotFoundError:
        return Place("local", "`sbatch` is installed here, but `scontrol` is not")
    except subprocess.TimeoutExpired:
        return Place("local", f"`scontrol ping` gave no answer within {_PATIENCE_S} s")
    said = [line.strip() for line in (ping.stdout + ping.stderr).splitlines() if line.strip()]
    answer = said[-1] if said else f"exit code {ping.returncode}"
    if ping.returncode:
        return Place("local", f"no Slurm controller answers (`scontrol ping`: {answer})")
    return Place("slurm", answer)


def profile_file(name: str | None) -> Path | None:
    """The profile of that name or path; without one `jobs/local.yaml`, where there is one."""
    if name is None:
        return _LOCAL if _LOCAL.is_file() else None
    return Path(name) if Path(name).suffix in (".yaml", ".yml") else Path("jobs") / f"{name}.yaml"


def place_for(local_command: str, *, dry_run: bool) -> Place:
    """Where a sweep goes from here; a plan is made anywhere. Raises InputError where this version does not launch."""
    place = find_place()
    if place.name == "local":
        return place
    found = f"Slurm answers here ({place.reason}), and this version does not launch on it"
    if dry_run:
        return Place("local", found)
    raise InputError(f"{found}; run on this machine with: {local_command}")
