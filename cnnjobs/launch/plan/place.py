"""Place of a sweep: Slurm when it is installed and answers, else this machine."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cnnjobs.components.data.datasets import data_folders
from cnnjobs.config.profile import JobProfile, read_profile
from cnnjobs.errors import InputError
from cnnjobs.slurm.cluster import read_partitions
from cnnjobs.slurm.commands import NoAnswerError, NoCommandError, run
from cnnjobs.sweep.settings import JobSettings

_PATIENCE_S: Final = 10
_LOCAL: Final = Path("jobs/local.yaml")


@dataclass(frozen=True)
class Place:
    """Where runs go, and why there, in words; `slurm_is_down` where a controller is configured and gives no answer."""

    name: Literal["local", "slurm"]
    reason: str
    slurm_is_down: bool = False


def find_place() -> Place:
    """Slurm needs `sbatch` and a controller that answers; everything else is this machine."""
    if shutil.which("sbatch") is None:
        return Place("local", "`sbatch` is not installed here")
    try:
        ping = run("scontrol", "ping", seconds=_PATIENCE_S)
    except NoCommandError:
        return Place("local", "`sbatch` is installed here, but `scontrol` is not")
    except NoAnswerError:
        return Place("local", f"`scontrol ping` gave no answer within {_PATIENCE_S} s", slurm_is_down=True)
    said = [line.strip() for line in (ping.stdout + ping.stderr).splitlines() if line.strip()]
    answer = said[-1] if said else f"exit code {ping.returncode}"
    if ping.returncode:
        # A row of stars may follow it.
        down = [line for line in said if " is DOWN" in line]
        words = down[0] if down else answer
        return Place("local", f"no Slurm controller answers (`scontrol ping`: {words})", slurm_is_down=bool(down))
    return Place("slurm", answer)


def profile_file(name: str | None, default: Path = _LOCAL) -> Path | None:
    """The profile of that name or path; without one `default`, where there is such a file."""
    if name is None:
        return default if default.is_file() else None
    return Path(name) if Path(name).suffix in (".yaml", ".yml") else Path("jobs") / f"{name}.yaml"


def profile_here(job: JobSettings) -> JobProfile:
    """The profile that is named or the one for this machine, under these settings. Raises InputError."""
    return read_profile(profile_file(job.profile), job.overrides)


def profile_for_slurm(job: JobSettings) -> JobProfile:
    """The profile that is named or the one for this kind of cluster, under these settings. Raises InputError."""
    if job.profile is not None:
        return read_profile(profile_file(job.profile), job.overrides)
    has_gpus = any(partition.num_gpus for partition in read_partitions())
    return read_profile(profile_file(None, slurm_profile(has_gpus=has_gpus)), job.overrides)


def local_data_folders(data_dir: Path | None) -> tuple[Path, ...]:
    """Where a command that works on this machine looks for data sets."""
    return data_folders(data_dir, read_profile(profile_file(None), {}).data_dir)


def slurm_profile(*, has_gpus: bool) -> Path:
    """The profile for a cluster when none is named."""
    return Path("jobs") / ("slurm-gpu.yaml" if has_gpus else "slurm-cpu.yaml")


def place_for(local_command: str, *, dry_run: bool) -> Place:
    """Place of a sweep from here; a plan is made anywhere. Raises InputError where a cluster does not answer."""
    place = find_place()
    if place.slurm_is_down and not dry_run:
        # A login node is no place to train, and the cluster will be back.
        raise InputError(f"{place.reason}; try again later, or run on this machine with: {local_command}")
    return place
