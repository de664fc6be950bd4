"""The settings of a throwaway cluster, and the configuration files that follow from them."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CLUSTER = "test"
MEMORY_MB = 4000  # of a node
# From 32768 on, the kernel hands ports out by itself: a daemon of many would find its own taken.
LOWEST_PORT, EPHEMERAL_PORT = 20000, 32768


@dataclass(frozen=True)
class ClusterSettings:
    """The kind of cluster: three partitions (main preempts low and low_cancel), sizes, limits.

    `partitions` adds others (name -> options, "MaxTime=1"), `conf` sets or replaces keys of slurm.conf
    (MaxArraySize, KillWait, SlurmdTimeout, SlurmctldParameters).
    """

    nodes: int = 4
    cpus: int = 2
    gpus: int = 2
    accounting: bool = True
    max_submit_jobs: int | None = None
    grace_time_s: int = 0
    cred_expire_s: int = 10
    partitions: Mapping[str, str] = field(default_factory=dict)
    conf: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.nodes <= 1000:
            raise ValueError(f"nodes: {self.nodes}, allowed are 1 to 1000")
        if self.max_submit_jobs is not None and not self.accounting:
            raise ValueError("max_submit_jobs is a limit of accounting, which is off")

    @property
    def node_names(self) -> tuple[str, ...]:
        """n1, n2, ..."""
        return tuple(f"n{number}" for number in range(1, self.nodes + 1))

    @property
    def num_ports(self) -> int:
        """One for the controller, one for slurmdbd, one for each slurmd."""
        return 2 + self.nodes


def free_ports(number: int) -> int:
    """The first of so many free ports in a row."""
    for _ in range(200):
        base = random.randrange(LOWEST_PORT, EPHEMERAL_PORT - number)
        if all(_is_free(port) for port in range(base, base + number)):
            return base
    raise OSError(f"no {number} free ports in a row between {LOWEST_PORT} and {EPHEMERAL_PORT}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def slurm_conf(settings: ClusterSettings, folder: Path, base_port: int) -> str:
    """The text of slurm.conf; base_port is the controller's, slurmdbd's and the nodes' follow."""
    keys = {**_daemon_keys(folder, base_port), **_scheduling_keys()}
    keys["AuthInfo"] = f"socket={folder}/run/munge.sock,cred_expire={settings.cred_expire_s}"
    keys |= _accounting_keys(settings, folder, base_port + 1)
    keys |= settings.conf
    lines = [f"{key}={value}" for key, value in keys.items()]
    lines.append(_node_line(settings, base_port + 2))
    partitions = {
        "main": "Default=YES PriorityTier=10 PreemptMode=OFF",
        "low": f"PriorityTier=1 PreemptMode=REQUEUE GraceTime={settings.grace_time_s}",
        "low_cancel": f"PriorityTier=1 PreemptMode=CANCEL GraceTime={settings.grace_time_s}",
        **settings.partitions,
    }
    lines += [f"PartitionName={name} Nodes=ALL State=UP {options}" for name, options in partitions.items()]
    return "\n".join(lines) + "\n"


def _daemon_keys(folder: Path, base_port: int) -> dict[str, str]:
    return {
        "ClusterName": CLUSTER,
        "SlurmctldHost": f"{_host()}(127.0.0.1)",
        "SlurmctldPort": str(base_port),
        "CommunicationParameters": "NoInAddrAny,NoCtldInAddrAny",
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "AuthType": "auth/munge",
        "CredType": "cred/munge",
        "MpiDefault": "none",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "SwitchType": "switch/none",
        "JobAcctGatherType": "jobacct_gather/none",
        "SlurmctldDebug": "info",
        "SlurmdDebug": "info",
        "SlurmctldPidFile": f"{folder}/run/slurmctld.pid",
        "SlurmctldLogFile": f"{folder}/log/slurmctld.log",
        "StateSaveLocation": f"{folder}/state",
        "SlurmdPidFile": f"{folder}/run/slurmd.%n.pid",
        "SlurmdLogFile": f"{folder}/log/slurmd.%n.log",
        "SlurmdSpoolDir": f"{folder}/spool/%n",
    }


def _scheduling_keys() -> dict[str, str]:
    return {
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core_Memory",
        "DefMemPerCPU": "200",
        "GresTypes": "gpu",
        "SlurmdParameters": "config_overrides",
        "ReturnToService": "2",
        "SlurmctldTimeout": "30",
        "SlurmdTimeout": "20",
        "InactiveLimit": "0",
        "KillWait": "5",
        "TreeWidth": "65533",
        "PreemptType": "preempt/partition_prio",
        "PreemptMode": "REQUEUE",
        "JobRequeue": "1",
        "SchedulerParameters": "bf_interval=2,sched_interval=2,batch_sched_delay=0,sched_min_interval=100000,"
        "default_queue_depth=1000,bf_max_job_test=1000",
    }


def _accounting_keys(settings: ClusterSettings, folder: Path, port: int) -> dict[str, str]:
    if not settings.accounting:
        return {"AccountingStorageType": "accounting_storage/none"}
    return {
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": "127.0.0.1",
        "AccountingStoragePort": str(port),
        # slurmdbd's clients take munge's socket from here, not from AuthInfo.
        "AccountingStoragePass": f"{folder}/run/munge.sock",
        "AccountingStorageTRES": "gres/gpu",
        "AccountingStorageEnforce": "associations,limits,qos",
    }


def _node_line(settings: ClusterSettings, first_port: int) -> str:
    last = settings.nodes
    gpus = f" Gres=gpu:{settings.gpus}" if settings.gpus else ""
    ports = f"[{first_port}-{first_port + last - 1}]" if last > 1 else str(first_port)
    names = f"n[1-{last}]" if last > 1 else "n1"
    return (
        f"NodeName={names} NodeHostname={_host()} NodeAddr=127.0.0.1 Port={ports} "
        f"CPUs={settings.cpus} RealMemory={MEMORY_MB}{gpus} State=UNKNOWN"
    )


def gres_conf(settings: ClusterSettings, folder: Path) -> str:
    """The text of gres.conf: GPUs that are only counted, without a device file, are reported as 0."""
    return f"Name=gpu File={folder}/dev/fakegpu[0-{settings.gpus - 1}]\n" if settings.gpus else ""


def slurmdbd_conf(folder: Path, port: int) -> str:
    """The text of slurmdbd.conf; MariaDB knows root by its socket, so there is no password."""
    keys = {
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={folder}/run/munge.sock",
        "DbdHost": "localhost",
        "DbdAddr": "127.0.0.1",
        "DbdPort": str(port),
        "SlurmUser": "root",
        "DebugLevel": "info",
        "LogFile": f"{folder}/log/slurmdbd.log",
        "PidFile": f"{folder}/run/slurmdbd.pid",
        "StorageType": "accounting_storage/mysql",
        "StorageHost": "localhost",
        "StorageUser": "root",
        "StorageLoc": "slurm_acct_db",
    }
    return "".join(f"{key}={value}\n" for key, value in keys.items())


def _host() -> str:
    return socket.gethostname().partition(".")[0]
