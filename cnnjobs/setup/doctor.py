"""Diagnosis of this place: what it offers, and problems that would keep runs from working, with remedies."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cnnjobs.components.data.datasets import data_folders, find_data
from cnnjobs.components.files.places import NAME_FOLDER
from cnnjobs.components.pretrained.places import weights_folders
from cnnjobs.config.profile import read_profile
from cnnjobs.errors import DataError, InputError, SpecError, suggest
from cnnjobs.launch.plan.data_sets import names_of_data
from cnnjobs.launch.plan.place import Place, find_place
from cnnjobs.setup import machine
from cnnjobs.setup.finding import Finding, Level
from cnnjobs.slurm.cluster import ClusterOffer, Limits, Membership, Partition, describe, read_offer

_PARTITIONS: Final = 12


@dataclass(frozen=True)
class Diagnosis:
    """The place, all that was found there, and what its cluster offers, where there is one."""

    place: Place
    findings: tuple[Finding, ...]
    offer: ClusterOffer | None

    @property
    def num_problems(self) -> int:
        """Number of findings that keep runs from working."""
        return sum(finding.level == "problem" for finding in self.findings)


def examine(results: Path, data_dir: Path | None) -> Diagnosis:
    """Look at everything once. Raises InputError when a folder that was named cannot be one."""
    if results.exists() and not results.is_dir():
        raise InputError(f"--results {results}: this is a file; name a folder")
    if data_dir is not None and not data_dir.is_dir():
        raise InputError(f"--data-dir {data_dir}: no such folder")
    place = find_place()
    on_cluster = place.name == "slurm"
    offer = read_offer() if on_cluster else None
    findings = [
        *machine.look_at_python(),
        machine.look_at_gpus(on_cluster),
        *machine.look_at_cores_and_memory(),
        look_at_place(place),
        *(look_at_cluster(offer) if offer else ()),
        *look_at_profiles(Path("jobs"), offer),
        *machine.look_at_results(results, on_cluster),
        *look_at_data(data_folders(cli=data_dir)),
        look_at_weights(data_folders(cli=data_dir)),
        machine.look_at_cache(),
    ]
    return Diagnosis(place, tuple(findings), offer)


def look_at_place(place: Place) -> Finding:
    """Slurm or this machine; a Slurm whose controller is down is a problem."""
    if place.name == "slurm":
        return Finding("ok", "place", f"Slurm: {place.reason}")
    text = f"this machine: {place.reason}"
    if place.slurm_is_down:
        return Finding("problem", "place", text, "try again later, or run on this machine with: cnnjobs local FILE")
    if shutil.which("sbatch"):
        return Finding("note", "place", text, "on a cluster's login node SLURM_CONF may have to name its slurm.conf")
    return Finding("ok", "place", text)


def look_at_cluster(offer: ClusterOffer) -> Iterator[Finding]:
    """Version, limits, accounting, account and partitions."""
    for complaint in offer.complaints:
        # Jobs start and go on while slurmdbd is away.
        level: Level = "note" if complaint.startswith("sacctmgr") else "problem"
        yield Finding(level, "Slurm", complaint, "try the command by hand; it may be a passing trouble")
    if offer.limits:
        yield from _look_at_limits(offer.limits, offer.membership)
        yield from _look_at_accounting(offer, offer.limits)
    if not offer.partitions and not offer.complaints:
        yield Finding("problem", "partitions", "none is open to you", "ask the cluster's people for access")
    for partition in offer.partitions[:_PARTITIONS]:
        yield _look_at_partition(partition, offer.membership)
    if len(offer.partitions) > _PARTITIONS:
        more = len(offer.partitions) - _PARTITIONS
        yield Finding("ok", "partitions", f"{more} more: sinfo --summarize, or --json here")
    if offer.partitions and not any(partition.is_up and partition.num_up for partition in offer.partitions):
        yield Finding("problem", "partitions", "no node takes jobs", "sinfo --list-reasons says why")


def _look_at_limits(limits: Limits, membership: Membership | None) -> Iterator[Finding]:
    yield Finding("ok", "Slurm", f"{limits.version}, cluster {limits.cluster}")
    text = f"{limits.max_array_size} tasks in an array (MaxArraySize), {limits.max_job_count} jobs (MaxJobCount)"
    if membership and membership.max_submit_jobs is not None:
        text += f", {membership.max_submit_jobs} of them yours (MaxSubmitJobs)"
    yield Finding("ok", "limits", text)


def _look_at_accounting(offer: ClusterOffer, limits: Limits) -> Iterator[Finding]:
    if not limits.accounting:
        text = (
            "off: Slurm forgets a job soon after its end, so some failures have no cause from Slurm; states stay true"
        )
        yield Finding("note", "accounting", text)
        return
    member = offer.membership
    if member is None:
        return
    if member.accounts:
        named = f"default account {member.default_account}" if member.default_account else "no default account"
        others = [account for account in member.accounts if account != member.default_account]
        also = f"; also {', '.join(others)} (account: in a profile)" if others else ""
        yield Finding("ok", "accounting", f"on; {named}{also}")
    elif limits.enforced:
        text = f"user {offer.user} has no account on {limits.cluster}, and Slurm takes no job without one"
        yield Finding("problem", "accounting", text, "ask the cluster's people for an account")
    else:
        yield Finding("ok", "accounting", f"on; user {offer.user} has no account and needs none")


def _look_at_partition(partition: Partition, membership: Membership | None) -> Finding:
    text = describe(partition)
    if not partition.is_up or not partition.num_up:
        return Finding("note", "partition", text, f"sinfo --partition={partition.name} --list-reasons says why")
    if membership and membership.accounts and not any(map(partition.takes, membership.accounts)):
        return Finding("note", "partition", f"{text}; closed to your accounts", "choose another one")
    return Finding("ok", "partition", text)


def look_at_profiles(jobs: Path, offer: ClusterOffer | None) -> Iterator[Finding]:
    """Check whether every profile can be read, and asks for partitions that are there."""
    names = [partition.name for partition in offer.partitions] if offer else []
    good = []
    for file in sorted(jobs.glob("*.yaml")):
        try:
            profile = read_profile(file, {})
        except SpecError as error:
            yield Finding("problem", "profile", str(error), "mend the file, or remove it")
            continue
        missing = [each for each in (profile.partition or "").split(",") if each and each not in names]
        if names and missing:
            text = f"{file}: partition: no partition is called `{missing[0]}`"
            yield Finding("problem", "profile", text, suggest(missing[0], names))
        else:
            good.append(file.stem)
    if good:
        yield Finding("ok", "profiles", f"{', '.join(good)} (in {jobs}/)")


def look_at_data(folders: Sequence[Path]) -> Iterator[Finding]:
    """The data sets that are there and where; those that are missing, with the command that fetches them."""
    missing = []
    for name in names_of_data(folders):
        try:
            yield Finding("ok", "data", f"{name}: {find_data(name, folders)}")
        except DataError:
            if name == "fashion_mnist_mini":
                text = f"{name}: not found, though it comes with the package"
                yield Finding("problem", "data", text, "install cnnjobs again")
            else:
                missing.append(name)
    if missing:
        text = f"not in {' or '.join(map(str, folders))}: {', '.join(missing)}"
        yield Finding("note", "data", text, f"fetch one with: cnnjobs fetch {missing[0]}\nor {NAME_FOLDER}")


def look_at_weights(folders: Sequence[Path]) -> Finding:
    """The files of weights that are there."""
    places = weights_folders(folders)
    found = [f"{', '.join(names)} in {place}" for place in places if (names := _weights_in(place))]
    return Finding(
        "ok",
        "weights",
        "; ".join(found) or "none here; fetch some, as torchvision/resnet18:IMAGENET1K_V1, with cnnjobs fetch",
    )


def _weights_in(folder: Path) -> list[str]:
    with suppress(OSError):
        return sorted(path.name for path in folder.iterdir() if path.suffix in (".pth", ".pt") and path.is_file())
    return []
