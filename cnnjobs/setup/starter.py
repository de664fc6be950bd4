"""A starter project: a sweep, a profile for each place that was found, and how to begin. Overwrites nothing."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cnnjobs.errors import InputError
from cnnjobs.setup.courses import Course
from cnnjobs.slurm.cluster import ClusterOffer, Membership, NodeGroup, Partition, describe, minutes_in_words
from cnnjobs.status.sweeps import QUICKSTART

_LOCAL: Final = QUICKSTART.with_name("local.yaml")
_GITIGNORE: Final = "/results/\n/data/\n"
# What a run of a small network can make use of.
_CORES, _MEMORY_GB, _TIME_MIN = 4, 16.0, 240
_OPEN: Final = """\
# qos: NAME
# constraint: FEATURE   # nodes with that feature
# exclude: NODE
# max_parallel: 8       # runs at the same time; default: as many as Slurm starts
# runs_at_once: 2       # runs that a job trains side by side, on one GPU, or auto; mem_gb is the memory of all of them
# runs_per_job: 4       # short runs, one after the other in one job; default: one each where the cluster has room
# canary: true          # the first run passes its first validation before the others start; default: above 8 runs
# max_requeues: 20      # how often a run may be cut off by its time limit
# signal_lead_s: 120    # how long before its time limit a run is told to save itself
# data_dir: /some/where # where data sets are looked for, in a folder that the nodes see
# setup:                # lines of shell before Python starts, on the node
#   - module load cuda
# extra:                # other options of sbatch, by their long names
#   mail-type: FAIL
"""
_README: Final = """\
# Sweeps

    {sweep}
    cnnjobs status       # states, causes, the best metrics so far
    cnnjobs report       # tables, curves, results/quickstart/report/report.html

- `sweeps/` says what to run: one YAML file per experiment.
- `jobs/` says where and with what resources: one YAML file per place{profiles}.
- `results/` is what comes out.

`cnnjobs sweep FILE --dry-run` shows what would run and why; `cnnjobs doctor` shows what this place offers.
"""


@dataclass(frozen=True)
class Starter:
    """Files written, and files that were there before and stay as they are; paths below the project's folder."""

    folder: Path
    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    slurm_profiles: tuple[str, ...] = ()


def write_starter(folder: Path, offer: ClusterOffer | None, course: Course | None = None) -> Starter:
    """Write every file of a starter project that is not there yet, with a course's sweeps. Raises InputError."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: this is a file; name a folder")
    written: list[Path] = []
    kept: list[Path] = []
    profiles = slurm_profiles(offer) if offer else {}
    for name, text in _files(profiles, course).items():
        try:
            (written if _write_new(folder / name, text) else kept).append(Path(name))
        except OSError as error:
            raise InputError(f"{folder / name}: cannot be written ({error.strerror}); name another folder") from error
    return Starter(folder, tuple(written), tuple(kept), tuple(profiles))


def _write_new(path: Path, text: str) -> bool:
    """Check whether there was no such file. Raises OSError, and leaves no half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            try:
                file.write(text)
                file.flush()
            except OSError:
                path.unlink()
                raise
    except FileExistsError:
        # Something else in the way of the file is no file that is kept.
        if path.is_dir():
            raise
        return False
    return True


def _files(profiles: Mapping[str, str], course: Course | None) -> Mapping[str, str]:
    """The text of each file by its path."""
    page = f"\n## {course.title}\n\n{course.page}".rstrip() + "\n" if course else ""
    chosen = next(iter(profiles), None)
    sweep = "cnnjobs sweep sweeps/quickstart.yaml" + (f" --profile {chosen}" if chosen else "")
    named = "".join(f"; `--profile {name}`" for name in profiles)
    return {
        "sweeps/quickstart.yaml": QUICKSTART.read_text(encoding="utf-8"),
        "jobs/local.yaml": _LOCAL.read_text(encoding="utf-8"),
        **{f"jobs/{name}.yaml": text for name, text in profiles.items()},
        **(course.files if course else {}),
        "README.md": _README.format(sweep=sweep, profiles=named) + page,
        ".gitignore": _GITIGNORE,
    }


def slurm_profiles(offer: ClusterOffer) -> Mapping[str, str]:
    """A profile for GPUs and one for a partition without them, as far as this cluster has such; by name."""
    open_ones = [each for each in offer.partitions if each.is_up and each.num_up and _is_open(each, offer.membership)]
    # The default partition before the one with most nodes.
    ranked = sorted(open_ones, key=lambda each: (not each.is_default, -each.num_up))
    with_gpus = [each for each in ranked if any(group.gpus for group in _groups(each))]
    without = [each for each in ranked if each not in with_gpus]
    found = {}
    if with_gpus:
        found["slurm-gpu"] = _profile("slurm-gpu", with_gpus[0], offer, gpus=1)
    if without:
        found["slurm-cpu"] = _profile("slurm-cpu", without[0], offer, gpus=0)
    return found


def _groups(partition: Partition) -> list[NodeGroup]:
    return [group for group in partition.groups if group.is_up]


def _is_open(partition: Partition, membership: Membership | None) -> bool:
    if membership is None or not membership.accounts:
        return True
    return any(map(partition.takes, membership.accounts))


def _account_line(partition: Partition, membership: Membership | None) -> str:
    if membership is None or not membership.accounts:
        return "# account: NAME         # where Slurm asks for one"
    default = membership.default_account
    if default and partition.takes(default):
        return f"# account: {default}         # the default one"
    account = next(filter(partition.takes, membership.accounts))
    return f"account: {_quoted(account)}         # one that this partition takes"


def _profile(name: str, partition: Partition, offer: ClusterOffer, *, gpus: int) -> str:
    nodes = [group for group in _groups(partition) if group.gpus >= gpus]
    shares = [max(1, group.gpus) if gpus else max(1, group.cores // _CORES) for group in nodes]
    cores = min(max(1, group.cores // share) for group, share in zip(nodes, shares, strict=True))
    memory_mb = min(group.memory_mb / share for group, share in zip(nodes, shares, strict=True))
    limit = partition.max_minutes
    minutes = min(_TIME_MIN, limit or _TIME_MIN)
    allowed = "no limit" if limit is None else f"at most {minutes_in_words(limit)}"
    cluster = f" of the cluster {offer.limits.cluster}" if offer.limits else ""
    # A node keeps some of its memory for itself.
    memory_gb = min(_MEMORY_GB, math.floor(9 * memory_mb / 1024) / 10)
    lines = [
        f"# One partition{cluster}, as `cnnjobs init` found it. Used by: cnnjobs sweep FILE --profile {name}",
        f"# {describe(partition)}",
        "#",
        "# For every run:",
        f"partition: {_quoted(partition.name)}",
        f"gpus_per_run: {gpus}",
        f"cpus_per_run: {min(_CORES, cores)}",
        f"mem_gb: {memory_gb:g}" if memory_gb > 0 else "# mem_gb: 8",
        f"timeout_min: {minutes}       # {allowed} here; a run that takes longer is started again and goes on",
        _account_line(partition, offer.membership),
        *_OPEN.splitlines(),
    ]
    return "\n".join(lines) + "\n"


def _quoted(name: str) -> str:
    """As YAML reads it back: bare where it cannot be taken for anything else."""
    words = ("null", "true", "false", "yes", "no", "on", "off")
    is_plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name) and name.lower() not in words
    return name if is_plain else json.dumps(name)
