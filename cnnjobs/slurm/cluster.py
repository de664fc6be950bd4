"""Offer of a Slurm cluster to its user: limits, partitions with their nodes, accounts; each asked for in one call."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cnnjobs.slurm.commands import SlurmError, ask

_SECONDS: Final = 15
# sinfo's words for nodes that take no job; a star at the end means that the node does not answer.
_OUT: Final = frozenset((
    "down", "drain", "drained", "draining", "error", "fail", "failing", "future", "inval", "maint", "no_respond",
    "perfctrs", "reboot", "unknown",
))  # fmt: skip
_TIME: Final = re.compile(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)")


@dataclass(frozen=True)
class Limits:
    """The cluster and what bounds a submission: an array has at most `max_array_size` tasks."""

    version: str
    cluster: str
    max_array_size: int
    max_job_count: int
    accounting: bool
    enforced: bool  # jobs of users without an account are refused


@dataclass(frozen=True)
class NodeGroup:
    """Nodes of a partition that are alike; cores, memory and GPUs are those of one node. Memory 0 = not told."""

    num_nodes: int
    is_up: bool
    cores: int
    memory_mb: int
    gpus: int = 0
    gpu_type: str = ""


@dataclass(frozen=True)
class Partition:
    """A partition as a user meets it; `max_minutes` None = no limit, `accounts` None = all of them."""

    name: str
    is_default: bool
    is_up: bool
    max_minutes: int | None
    default_minutes: int | None
    groups: tuple[NodeGroup, ...]
    accounts: tuple[str, ...] | None = None

    @property
    def num_nodes(self) -> int:
        """All nodes."""
        return sum(group.num_nodes for group in self.groups)

    @property
    def num_up(self) -> int:
        """The nodes that take jobs, now or when they are free."""
        return sum(group.num_nodes for group in self.groups if group.is_up)

    @property
    def num_gpus(self) -> int:
        """The GPUs of all nodes."""
        return sum(group.num_nodes * group.gpus for group in self.groups)

    def takes(self, account: str) -> bool:
        """Check whether jobs of that account may run here."""
        return self.accounts is None or account in self.accounts


@dataclass(frozen=True)
class Membership:
    """Accounting's facts about the user: accounts on this cluster, and the least of the limits on their jobs."""

    default_account: str
    accounts: tuple[str, ...]
    max_submit_jobs: int | None


@dataclass(frozen=True)
class ClusterOffer:
    """Everything that could be asked; `membership` None = no accounting or no answer, `complaints` say which."""

    user: str
    limits: Limits | None
    partitions: tuple[Partition, ...]
    membership: Membership | None
    complaints: tuple[str, ...] = ()


def read_offer() -> ClusterOffer:
    """Read the offer of the cluster here; parts without an answer are left out and named in `complaints`."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    complaints: list[str] = []
    bounds: Limits | None = None
    partitions: tuple[Partition, ...] = ()
    membership: Membership | None = None
    try:
        bounds = parse_limits(ask("scontrol", "show", "config", seconds=_SECONDS))
    except SlurmError as error:
        complaints.append(str(error))
    try:
        partitions = read_partitions()
    except SlurmError as error:
        complaints.append(str(error))
    if bounds is not None and bounds.accounting:
        try:
            membership = read_membership(user, bounds.cluster)
        except SlurmError as error:
            complaints.append(str(error))
    return ClusterOffer(user, bounds, partitions, membership, tuple(complaints))


def parse_limits(text: str) -> Limits:
    """From `scontrol show config`; what is missing has Slurm's own default."""
    settings = dict(re.findall(r"^(\S+)\s*=\s*(.*?)\s*$", text, flags=re.MULTILINE))
    return Limits(
        version=settings.get("SLURM_VERSION", "unknown"),
        cluster=settings.get("ClusterName", "unknown"),
        max_array_size=_number(settings.get("MaxArraySize", "")) or 1001,
        max_job_count=_number(settings.get("MaxJobCount", "")) or 10000,
        accounting="slurmdbd" in settings.get("AccountingStorageType", ""),
        enforced="associations" in settings.get("AccountingStorageEnforce", ""),
    )


def read_partitions() -> tuple[Partition, ...]:
    """The partitions that this user sees, the default one first. Raises SlurmError."""
    described = ask("scontrol", "--oneliner", "show", "partition", seconds=_SECONDS)
    listed = ask("sinfo", "--noheader", "--exact", "--format=%R|%D|%T|%c|%m|%G", seconds=_SECONDS)
    return parse_partitions(described, listed)


def parse_partitions(described: str, listed: str) -> tuple[Partition, ...]:
    """From `scontrol --oneliner show partition` and `sinfo --exact --format=%R|%D|%T|%c|%m|%G`."""
    groups: dict[str, list[NodeGroup]] = {}
    for line in listed.splitlines():
        if line.count("|") == 5:
            name, *rest = line.strip().split("|")
            groups.setdefault(name, []).append(_group(rest))
    found = []
    for line in described.splitlines():
        keys = dict(re.findall(r"(\S+?)=(\S*)", line))
        # scontrol names every partition, sinfo those that this user may see.
        if keys.get("PartitionName") in groups:
            found.append(_partition(keys, tuple(groups[keys["PartitionName"]])))
    return tuple(sorted(found, key=lambda partition: not partition.is_default))


def _group(fields: Sequence[str]) -> NodeGroup:
    number, state, cores, memory_mb, resources = fields
    kinds = re.findall(r"gpu(?::([^:,()]+))?:(\d+)", resources)
    return NodeGroup(
        num_nodes=int(number),
        is_up=not state.endswith("*") and state.rstrip("*~#!%$@^-+").lower() not in _OUT,
        cores=_number(cores),
        # A node without RealMemory in slurm.conf has 1.
        memory_mb=_number(memory_mb) if _number(memory_mb) > 1 else 0,
        gpus=sum(int(count) for _, count in kinds),
        gpu_type=", ".join(dict.fromkeys(kind for kind, _ in kinds if kind)),
    )


def _number(text: str) -> int:
    """`64+` stands for nodes of different sizes, the least of which is 64."""
    match = re.match(r"\d+", text)
    return int(match[0]) if match else 0


def _partition(keys: dict[str, str], groups: tuple[NodeGroup, ...]) -> Partition:
    accounts = keys.get("AllowAccounts", "ALL")
    return Partition(
        name=keys["PartitionName"],
        is_default=keys.get("Default") == "YES",
        is_up=keys.get("State", "UP") == "UP",
        max_minutes=_minutes(keys.get("MaxTime", "")),
        default_minutes=_minutes(keys.get("DefaultTime", "")),
        groups=tuple(group for group in groups if group.num_nodes),
        accounts=None if accounts.upper() == "ALL" else tuple(accounts.split(",")),
    )


def _minutes(text: str) -> int | None:
    """`1-00:00:00` -> 1440; None for UNLIMITED and NONE."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    days, hours, minutes, _ = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 60 + minutes


def read_membership(user: str, cluster: str) -> Membership:
    """The user's accounts on that cluster. Raises SlurmError."""
    columns = "DefaultAccount,Cluster,Account,MaxSubmitJobs"
    text = ask(
        "sacctmgr", "--noheader", "--parsable2", "show", "user", user, "withassoc", f"format={columns}",
        seconds=_SECONDS,
    )  # fmt: skip
    return parse_membership(text, cluster)


def parse_membership(text: str, cluster: str) -> Membership:
    """From sacctmgr's lines `default account|cluster|account|MaxSubmitJobs`."""
    rows = [line.split("|") for line in text.splitlines() if line.count("|") == 3]
    own = [row for row in rows if row[1] == cluster]
    submit = [int(row[3]) for row in own if row[3].isdigit()]
    return Membership(
        default_account=own[0][0] if own else "",
        accounts=tuple(dict.fromkeys(row[2] for row in own)),
        max_submit_jobs=min(submit, default=None),
    )


def describe(partition: Partition) -> str:
    """`main (default): 4 of 4 nodes up, 2 cores, 3.9 GB and 2 GPUs each; no time limit`."""
    kinds = dict.fromkeys(_describe_node(group) for group in partition.groups)
    limit = "no time limit" if partition.max_minutes is None else f"at most {minutes_in_words(partition.max_minutes)}"
    if partition.default_minutes is not None:
        limit += f", {minutes_in_words(partition.default_minutes)} unless timeout_min says more"
    name = partition.name + (" (default)" if partition.is_default else "")
    state = f"{partition.num_up} of {partition.num_nodes} nodes up" if partition.is_up else "takes no jobs now"
    return f"{name}: {state}, {' or '.join(kinds)} each; {limit}"


def _describe_node(group: NodeGroup) -> str:
    parts = [f"{group.cores} core{'' if group.cores == 1 else 's'}"]
    parts += [f"{group.memory_mb / 1024:.1f} GB"] if group.memory_mb else []
    if group.gpus:
        kind = f" ({group.gpu_type})" if group.gpu_type else ""
        parts.append(f"{group.gpus} GPU{'' if group.gpus == 1 else 's'}{kind}")
    return ", ".join(parts)


def minutes_in_words(minutes: int) -> str:
    """`2 days`, `4 h`, `30 min`."""
    for unit, size in (("day", 1440), ("h", 60)):
        if minutes >= size and minutes % size == 0:
            return f"{minutes // size} {unit}{'s' if unit == 'day' and minutes > size else ''}"
    return f"{minutes} min"
