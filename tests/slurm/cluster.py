"""A throwaway Slurm on this machine: munge, MariaDB, slurmdbd, slurmctld and several slurmd on loopback, fake GPUs.

    python tests/slurm/cluster.py up [--nodes 4] [--no-accounting] [--conf MaxArraySize=11] ...
    python tests/slurm/cluster.py down
    python tests/slurm/cluster.py install

Tests use `with Cluster(ClusterSettings(...)) as cluster:`. Everything lies in one folder and goes away with it.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shlex
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from cluster_daemons import ClusterError
from cluster_packages import PackagesError, install, obstacle
from cluster_processes import Process, end_all, running, unreaped
from cluster_running import RunningCluster
from cluster_settings import CLUSTER, ClusterSettings, free_ports, gres_conf, slurm_conf

PREFIX = "cnnjobs-slurm"
STATE, DRAFT = "cluster.json", "cluster.json.draft"
SUBFOLDERS = ("etc", "log", "run", "state", "spool", "db", "dev")
NULL_DEVICE = os.makedev(1, 3)
LONGEST_FOLDER = 80  # the kernel allows 107 characters for the path of a socket
DOWN = "python tests/slurm/cluster.py down"


class Cluster(RunningCluster):
    """A cluster in one folder of its own: up and down. Without a folder it belongs to this process and ends with it."""

    def __init__(self, settings: ClusterSettings | None = None, folder: Path | None = None) -> None:
        place = folder.absolute() if folder else Path(tempfile.mkdtemp(prefix=f"{PREFIX}-"))
        super().__init__(settings or ClusterSettings(), place, base_port=0)
        self.keep_logs = False
        self._own = folder is None

    @classmethod
    def open(cls, folder: Path) -> Cluster:
        """The cluster that another process has started, or begun to start, in that folder."""
        state = _read_state(folder)
        if state is None:
            raise ClusterError(f"{folder} holds no cluster")
        cluster = cls(ClusterSettings(**state["settings"]), folder)
        cluster._base_port = state["base_port"]
        return cluster

    def __enter__(self) -> Cluster:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._blame(error)
        self.down()

    @property
    def kept_logs(self) -> Path:
        """Where the logs lie after `down` if `keep_logs` was set."""
        return self.folder.with_name(f"{self.folder.name}-logs")

    def up(self) -> None:
        """Start everything and wait until all nodes are idle; where that fails only the logs stay."""
        reason = obstacle()
        if reason:
            raise ClusterError(reason)
        with self._lock():
            self._check_folder()
            try:
                self._write_files()
                self._start()
            except BaseException as error:
                if isinstance(error, Exception):
                    self._blame(error)
                self._end()
                raise

    def down(self) -> list[Process]:
        """End and return its processes, remove the folder; the logs go to `kept_logs` if `keep_logs` is set."""
        if (self.folder / STATE).exists():
            with self._lock():
                return self._end()
        if self._own and self.folder.exists():
            self.folder.rmdir()
        return []

    def is_ready(self) -> bool:
        """Check whether it is up: every daemon lives and the controller knows the nodes."""
        names = ["munged", "slurmctld", *(f"slurmd.{node}" for node in self.nodes)]
        names += ["mariadbd", "slurmdbd"] if self.settings.accounting else []
        return all(map(self._daemons.is_running, names)) and set(self.node_states()) == set(self.nodes)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ClusterError(f"{self.folder} is being started or stopped by another process") from None
            yield

    def _blame(self, error: BaseException) -> None:
        self.keep_logs = True
        error.add_note(f"The logs of the Slurm daemons are kept in {self.kept_logs}")

    def _check_folder(self) -> None:
        if len(str(self.folder)) > LONGEST_FOLDER:
            raise ClusterError(f"{self.folder}: too long for the path of a socket; name a shorter folder")
        if (self.folder / STATE).exists():
            raise ClusterError(f"{self.folder} holds a cluster already: {DOWN}")
        strangers = sorted({path.name for path in self.folder.iterdir()} - {"lock", DRAFT})
        if strangers:
            raise ClusterError(f"{self.folder} holds other things: {', '.join(strangers[:3])}; name an empty folder")

    def _write_files(self) -> None:
        self.folder.chmod(0o755)
        self._base_port = free_ports(self.settings.num_ports)
        owner = Process.read(os.getpid()) if self._own else None
        state = {
            "settings": asdict(self.settings),
            "base_port": self._base_port,
            "owner": [owner.pid, owner.started] if owner else None,
        }
        # First of all files, and whole: from here on `down` knows that the folder is a cluster's.
        draft = self.folder / DRAFT
        draft.write_text(json.dumps(state, indent=1), encoding="utf-8")
        draft.replace(self.folder / STATE)
        for name in SUBFOLDERS:
            (self.folder / name).mkdir()
        self.conf.write_text(slurm_conf(self.settings, self.folder, self._base_port), encoding="utf-8")
        (self.folder / "etc" / "gres.conf").write_text(gres_conf(self.settings, self.folder), encoding="utf-8")
        for number in range(self.settings.gpus):
            os.mknod(self.folder / "dev" / f"fakegpu{number}", stat.S_IFCHR | 0o666, NULL_DEVICE)

    def _start(self) -> None:
        self._daemons.start_munge()
        if self.settings.accounting:
            self._daemons.start_database()
            self._daemons.start_dbd(self._base_port + 1)
            if self.settings.max_submit_jobs is not None:
                limit = f"MaxSubmitJobs={self.settings.max_submit_jobs}"
                self.client("sacctmgr", "-i", "modify", "user", "root", "where", f"cluster={CLUSTER}", "set", limit)
        self._daemons.start_controller()
        for node in self.nodes:
            self._daemons.start_slurmd(node)
        self.wait_idle(timeout_s=60 + 0.2 * self.settings.nodes)

    def _end(self) -> list[Process]:
        ended = end_all(self.processes)
        if self.keep_logs and self._daemons.logs.is_dir():
            shutil.rmtree(self.kept_logs, ignore_errors=True)
            shutil.move(self._daemons.logs, self.kept_logs)
        shutil.rmtree(self.folder)
        return ended


def end_abandoned() -> list[Path]:
    """End the clusters whose owner was killed before it could, and name their folders."""
    ended = []
    for file in Path(tempfile.gettempdir()).glob(f"{PREFIX}-*/{STATE}"):
        state = _read_state(file.parent) if file.parent.stat().st_uid == os.geteuid() else None
        if state and state["owner"] and not running(*state["owner"]):
            Cluster.open(file.parent).down()
            ended.append(file.parent)
    return ended


def main(arguments: list[str]) -> None:
    """`up` prints the line to export and nothing else on stdout; what it does goes to stderr."""
    options = _parser().parse_args(arguments)
    if options.command == "install":
        _say(f"installed {' '.join(install()) or 'nothing: all packages are there'}")
    elif options.command == "down":
        _down(options.folder)
    else:
        _up(_settings(options), options.folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python tests/slurm/cluster.py", description="A throwaway Slurm cluster.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="install Debian's packages that are missing")
    up, down = commands.add_parser("up", help="start a cluster"), commands.add_parser("down", help="end it")
    for command in (up, down):
        command.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / PREFIX)
    defaults = ClusterSettings()
    up.add_argument("--nodes", type=int, default=defaults.nodes)
    up.add_argument("--cpus", type=int, default=defaults.cpus, help="of a node")
    up.add_argument("--gpus", type=int, default=defaults.gpus, help="of a node")
    up.add_argument("--no-accounting", action="store_true", help="without slurmdbd: no sacct")
    up.add_argument("--max-submit-jobs", type=int, help="limit of the user root")
    up.add_argument("--conf", action="append", default=[], metavar="KEY=VALUE", help="a key of slurm.conf")
    up.add_argument("--partition", action="append", default=[], metavar="NAME=OPTIONS", help='"short=MaxTime=1"')
    return parser


def _settings(options: argparse.Namespace) -> ClusterSettings:
    pairs = {name: dict(entry.split("=", 1) for entry in getattr(options, name)) for name in ("conf", "partition")}
    return ClusterSettings(
        nodes=options.nodes,
        cpus=options.cpus,
        gpus=options.gpus,
        accounting=not options.no_accounting,
        max_submit_jobs=options.max_submit_jobs,
        partitions=pairs["partition"],
        conf=pairs["conf"],
    )


def _up(settings: ClusterSettings, folder: Path) -> None:
    if (folder / STATE).exists():
        cluster = Cluster.open(folder)
        if not cluster.is_ready():
            _say(f"the cluster in {folder} is half started or has lost daemons: it is ended and started anew")
            cluster.down()
        elif cluster.settings != settings:
            raise ClusterError(f"{folder} holds a running cluster with other settings: {DOWN}")
    cluster = Cluster(settings, folder)
    started = not (folder / STATE).exists()
    if started:
        cluster.up()
    _say(f"{'up' if started else 'already up'}: {settings.nodes} idle nodes; logs: {folder / 'log'}")
    print(f"export SLURM_CONF={shlex.quote(str(cluster.conf))}")


def _down(folder: Path) -> None:
    if not (folder / STATE).exists():
        _say(f"{folder} holds no cluster: nothing to end")
        return
    ended = Cluster.open(folder).down()
    # The daemons of an `up` that has long returned are children of process 1, which may take its time.
    zombies = unreaped(ended)
    if zombies:
        _say(f"{len(zombies)} ended processes stay as zombies: process 1 of this machine does not reap them")
    _say(f"down: {len(ended)} processes ended, {folder} is removed")


def _read_state(folder: Path) -> dict[str, Any] | None:
    try:
        # Its records say which processes to kill, and anyone may have made a folder of that name below /tmp.
        if folder.stat().st_uid != os.geteuid():
            raise ClusterError(f"{folder} belongs to another user: name another --folder")
        return json.loads((folder / STATE).read_text(encoding="utf-8"))  # type: ignore[no-any-return]
    except FileNotFoundError:
        return None


def _say(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("interrupted: what was started has been ended")
    except (ClusterError, PackagesError, OSError, ValueError) as error:
        sys.exit("\n".join([str(error), *getattr(error, "__notes__", [])]))
