"""The daemons of one cluster folder: started in the background, recorded, waited for, stopped."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cluster_packages import PATH, program
from cluster_processes import NODE_VARIABLE, Process, running
from cluster_settings import CLUSTER, slurmdbd_conf

LOG_LINES = 4
# Nothing of it has to survive a power cut, so nothing waits for the disk.
DATABASE_SPEED = [
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=0",
    "--sync-frm=0",
    "--innodb-log-file-size=32M",
    "--innodb-buffer-pool-size=64M",
]
DATABASE_INSTALL = ["--auth-root-authentication-method=socket", "--skip-test-db"]
DATABASE_OPTIONS = [
    "--skip-networking",
    "--skip-log-bin",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-lock-wait-timeout=900",
]


class ClusterError(RuntimeError):
    """The cluster did not do what it was asked for; the message ends with the logs' place."""


def wait_until(what: str, ready: Callable[[], bool], *, timeout_s: float = 60.0, every_s: float = 0.05) -> None:
    """Ask until it is so; ClusterError after the time-out."""
    limit = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > limit:
            raise ClusterError(f"waited {timeout_s:.0f} s in vain: {what}")
        time.sleep(every_s)


def accepts(address: str | tuple[str, int]) -> bool:
    """Check whether something listens at that Unix socket or (host, port)."""
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as probe:
        try:
            probe.connect(address)
        except OSError:
            return False
    return True


class Daemons:
    """Starts and stops the daemons of a folder; each start is recorded in processes.jsonl at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "etc" / "slurm.conf"
        self._records = folder / "processes.jsonl"

    def start_munge(self) -> None:
        """A munged with a key and a socket of its own."""
        etc, run = self.folder / "etc", self.folder / "run"
        key = etc / "munge.key"
        key.touch(0o600)
        key.write_bytes(secrets.token_bytes(128))
        files = [f"--key-file={key}", f"--socket={run}/munge.sock", f"--pid-file={run}/munged.pid"]
        # --force: munged mistrusts a folder below the world-writable /tmp.
        self._start("munged", "munged", "--foreground", "--force", f"--seed-file={etc}/munge.seed", *files)
        self._wait("munged", lambda: accepts(f"{run}/munge.sock"))

    def start_database(self) -> None:
        """A MariaDB without network in this folder, made at the first start."""
        data = self.folder / "db"
        common = ["--no-defaults", "--user=root", f"--datadir={data}", *DATABASE_SPEED]
        if not any(data.iterdir()):
            # Recorded like a daemon: a start that is killed meanwhile leaves it behind.
            self._start("mariadb-install", "mariadb-install-db", *common, *DATABASE_INSTALL)
            wait_until(f"MariaDB is installed; logs: {self.logs}", lambda: not self.is_running("mariadb-install"))
            if not (data / "mysql" / "global_priv.frm").exists():
                raise self.failure("mariadb-install-db made no database", "mariadb-install")
        self._start("mariadbd", "mariadbd", *common, f"--socket={self._database}", *DATABASE_OPTIONS)
        self._wait("mariadbd", lambda: accepts(self._database))

    def start_dbd(self, port: int) -> None:
        """slurmdbd, which knows the cluster afterwards."""
        conf = self.folder / "etc" / "slurmdbd.conf"
        conf.touch(0o600)
        conf.write_text(slurmdbd_conf(self.folder, port), encoding="utf-8")
        self._start("slurmdbd", "slurmdbd", "-D", MYSQL_UNIX_PORT=self._database)
        self._wait("slurmdbd", lambda: accepts(("127.0.0.1", port)))
        if CLUSTER not in self.client("sacctmgr", "-n", "-P", "show", "cluster", "format=cluster").split():
            self.client("sacctmgr", "-i", "add", "cluster", CLUSTER)

    def start_controller(self) -> None:
        """slurmctld, with the state that its last one left."""
        self._start("slurmctld", "slurmctld", "-D")
        # Its words are the same either way; it says UP or DOWN after them.
        self._wait("slurmctld", lambda: "is UP" in self.client("scontrol", "ping", check=False))

    def start_slurmd(self, node: str) -> None:
        """The slurmd of one node; it is not waited for."""
        self._start(f"slurmd.{node}", "slurmd", "-N", node, "-D", **{NODE_VARIABLE: f"{self.folder}/{node}"})

    def client(self, *command: str, timeout_s: float = 60.0, check: bool = True) -> str:
        """The output of a Slurm command that talks to this cluster."""
        line = [program(command[0]), *command[1:]]
        environment = cluster_environment(self.conf)
        try:
            done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False)
        except subprocess.TimeoutExpired:
            raise self.failure(f"{' '.join(command)}: no answer within {timeout_s:.0f} s", "slurmctld") from None
        if check and done.returncode != 0:
            words = " ".join((done.stderr + done.stdout).split())
            raise self.failure(f"{' '.join(command)}: exit {done.returncode}: {words}", "slurmctld")
        return done.stdout

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """Send the signal and wait for the end."""
        found = self.recorded().get(name)
        if found is None or not running(*found):
            return
        os.kill(found[0], number)
        wait_until(f"{name} ends after {number.name}; logs: {self.logs}", lambda: not running(*found))

    def is_running(self, name: str) -> bool:
        """Check whether the daemon last started by that name lives."""
        found = self.recorded().get(name)
        return found is not None and running(*found)

    def recorded(self) -> dict[str, tuple[int, int]]:
        """Pid and start of the newest process by each name."""
        return {record["name"]: (record["pid"], record["started"]) for record in self._read_records()}

    def living(self) -> list[Process]:
        """All recorded processes that still run, older ones of a name included."""
        records = [(record["pid"], record["started"]) for record in self._read_records()]
        processes = [Process.read(pid) for pid, started in records if running(pid, started)]
        return [process for process in processes if process is not None]

    @property
    def logs(self) -> Path:
        """Where every daemon's log and output lies."""
        return self.folder / "log"

    def failure(self, message: str, name: str) -> ClusterError:
        """An error that ends with the last log lines and the logs' place."""
        output = self.logs / f"{name}.out"
        text = output.read_text(encoding="utf-8", errors="replace") if output.is_file() else ""
        lines = [f"{name}: {line}" for line in text.splitlines()[-LOG_LINES:]]
        return ClusterError("\n  ".join([message, *lines, f"logs: {self.logs}"]))

    @property
    def _database(self) -> str:
        return f"{self.folder}/db/mariadb.sock"

    def _read_records(self) -> list[dict[str, Any]]:
        if not self._records.is_file():
            return []
        lines = self._records.read_text(encoding="utf-8").splitlines(keepends=True)
        # A kill while writing leaves half a line; that daemon is found by its open files.
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        return {"PATH": PATH, "LC_ALL": "C.UTF-8", "SLURM_CONF": str(self.conf), **more}

    def _start(self, name: str, command: str, *arguments: str, **environment: str) -> None:
        if self.is_running(name):
            raise ClusterError(f"{name} runs already (pid {self.recorded()[name][0]}) in {self.folder}")
        output = str(self.logs / f"{name}.out")
        streams = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        # A session of its own: Ctrl-C at the terminal is for the one who started the cluster.
        pid = os.posix_spawn(
            program(command), [command, *arguments], self._environment(environment), file_actions=streams, setsid=True
        )
        process = Process.read(pid)
        if process is None:
            raise self.failure(f"{command} ended at once", name)
        record = {"name": name, "pid": pid, "started": process.started}
        with self._records.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        def ready_or_dead() -> bool:
            return ready() or not self.is_running(name)

        wait_until(f"{name} is ready; logs: {self.logs}", ready_or_dead)
        if not self.is_running(name):
            raise self.failure(f"{name} ended while starting", name)


def cluster_environment(conf: Path) -> dict[str, str]:
    """This process's environment, for that cluster: no variable of a surrounding job, sbin on the path."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM", "SBATCH_", "SRUN_"))}
    return {**kept, "PATH": PATH, "SLURM_CONF": str(conf)}
