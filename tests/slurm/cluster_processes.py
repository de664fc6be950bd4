"""The processes of one cluster, found in /proc whoever started them: daemons, job steps and what jobs left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
NODE_VARIABLE = "CNNJOBS_SLURM_NODE"  # in the environment of a slurmd
DAEMONS = {"munged", "mariadbd", "slurmdbd", "slurmctld", "slurmscriptd", "slurmd", "slurmstepd"}


@dataclass(frozen=True)
class Process:
    """One living or unreaped process; `started` (clock ticks since boot) tells it from a later one of the same pid."""

    pid: int
    started: int
    parent: int
    state: str
    name: str

    @classmethod
    def read(cls, pid: int) -> Process | None:
        """The process with that id, None where there is none."""
        try:
            text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        # The name stands in parentheses and may hold spaces and parentheses itself.
        head, _, rest = text.rpartition(")")
        fields = rest.split()
        return cls(pid, int(fields[19]), int(fields[1]), fields[0], head.partition("(")[2])

    @property
    def alive(self) -> bool:
        """True if it runs: a zombie only waits for its parent."""
        return self.state not in "ZX"

    def environment(self) -> dict[str, str]:
        """Environment it was started with; empty where it may not be read, or is overwritten (slurmstepd)."""
        try:
            text = (PROC / str(self.pid) / "environ").read_bytes().decode(errors="replace")
        except OSError:
            return {}
        return {key: value for key, equals, value in (entry.partition("=") for entry in text.split("\0")) if equals}

    def command(self) -> str:
        """Its command line, words separated by spaces."""
        try:
            return (PROC / str(self.pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            return ""

    def open_files(self) -> list[Path]:
        """The paths behind its file descriptors."""
        paths = []
        with contextlib.suppress(OSError):
            for link in (PROC / str(self.pid) / "fd").iterdir():
                with contextlib.suppress(OSError):
                    paths.append(link.readlink())
        return paths


def all_processes() -> list[Process]:
    """Every process of the machine, zombies included."""
    found = (Process.read(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdigit())
    return [process for process in found if process is not None]


def running(pid: int, started: int) -> bool:
    """Check whether exactly this process still runs; a child that has ended is reaped on the way."""
    process = Process.read(pid)
    if process is None or process.started != started:
        return False
    if not process.alive:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return process.alive


def daemons_of(folder: Path, node: str | None = None) -> list[Process]:
    """Slurm's, munge's and MariaDB's processes of this folder, recorded or not; with a node, those of its slurmd."""
    # A slurmstepd is no child of its slurmd. It starts with slurmd's environment and overwrites that later,
    # when it holds slurmd's log open: asked in this order, it cannot slip through.
    # What it overwrites begins with SLURM_CONF, so a node's own variable names the folder as well.
    variable, value = (NODE_VARIABLE, f"{folder}/{node}") if node else ("SLURM_CONF", f"{folder}/etc/slurm.conf")
    place = folder / "log" / f"slurmd.{node}.log" if node else folder
    return [
        process
        for process in all_processes()
        if process.alive
        and process.name in DAEMONS
        and (
            process.environment().get(variable) == value
            or any(path.is_relative_to(place) for path in process.open_files())
        )
    ]


def job_processes_of(conf: Path) -> list[Process]:
    """Processes of jobs of the cluster with this slurm.conf, orphans of ended jobs included."""
    # SLURMD_NODENAME tells a job's process from a shell in which somebody has exported SLURM_CONF.
    steps = []
    for process in all_processes():
        environment = process.environment() if process.alive else {}
        if environment.get("SLURM_CONF") == str(conf) and "SLURMD_NODENAME" in environment:
            steps.append(process)
    return steps


def with_descendants(roots: Iterable[Process]) -> list[Process]:
    """The processes given, in their order, then all living ones below them; never this one or one that it runs in."""
    processes = {process.pid: process for process in all_processes()}
    children: dict[int, list[Process]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process)
    found: dict[int, Process] = {}
    waiting = list(roots)
    while waiting:
        process = waiting.pop(0)
        if process.pid not in found:
            found[process.pid] = process
            waiting.extend(children.get(process.pid, ()))
    ours = os.getpid()
    while ours in processes:
        found.pop(ours, None)
        ours = processes[ours].parent
    return [process for process in found.values() if process.alive]


def send(processes: Iterable[Process], number: signal.Signals) -> None:
    """Send a signal to each; one that has ended meanwhile is none of our business."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def end_all(find: Callable[[], list[Process]], timeout_s: float = 20.0) -> list[Process]:
    """Kill what `find` returns until it returns nothing, and return all that; TimeoutError names what withstands."""
    limit = time.monotonic() + timeout_s
    ended: dict[int, Process] = {}
    # A process between fork and exec can look like nobody's: only a second empty look is the end.
    empty_looks = 0
    while empty_looks < 2:
        left = find()
        if left and time.monotonic() > limit:
            names = ", ".join(f"{process.name} ({process.pid})" for process in left)
            raise TimeoutError(f"still running {timeout_s:.0f} s after SIGKILL: {names}")
        send(left, signal.SIGKILL)
        ended |= {process.pid: process for process in left}
        empty_looks = 0 if left else empty_looks + 1
        time.sleep(0.02)
    for pid in ended:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    return list(ended.values())


def unreaped(processes: Iterable[Process], timeout_s: float = 10.0) -> list[Process]:
    """Wait until the parents of these ended processes have taken note of it; the zombies that stay are returned."""
    limit = time.monotonic() + timeout_s
    left = list(processes)
    while left and time.monotonic() < limit:
        left = [process for process in left if _is_there(process)]
        time.sleep(0.05 if left else 0)
    return left


def _is_there(process: Process) -> bool:
    now = Process.read(process.pid)
    return now is not None and now.started == process.started
