"""A seeded schedule of faults on a sweep that trains on a real Slurm, and what has to hold while it goes on.

python tests/slurm/fault_schedule.py 1 2 3             # these seeds, one after the other, on a cluster of their own
python tests/slurm/fault_schedule.py --search 1 2 3    # the same for a search that stops runs early
python tests/slurm/fault_schedule.py --bayes 1 2 3     # and for one that proposes them, too
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from cluster import Cluster
from cluster_daemons import ClusterError, wait_until
from cluster_settings import ClusterSettings
from faulty_project import BAYES, SEARCH, SWEEP, FaultyProject

from cnnjobs.disk.run_folder import RunState

FAULTS: Final = 5
PATIENCE_S: Final = 240
_DISK_MB: Final = 24
# Where a sweep may have been sent, and how: the faults are to meet all of it.
_SETTINGS: Final = (
    (), ("canary=true",), ("runs_per_job=2",), ("runs_at_once=2",), ("max_parallel=1",), ("partition=low",),
    ("partition=low_cancel",), ("canary=true", "max_parallel=2"),
)  # fmt: skip


class WrongStateError(AssertionError):
    """Status tells of a run what cannot be true."""


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A folder that can be filled up; whether it is one, as only root may mount it."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={_DISK_MB}m", "tmpfs", str(folder)]
    is_small = subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0
    try:
        yield is_small
    finally:
        if is_small:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Schedule:
    """The faults of one seed, on a project whose results lie on a small disk."""

    def __init__(self, seed: int, slurm: Cluster, project: FaultyProject, say: Callable[[str], None] = print) -> None:
        self.draws = random.Random(seed)
        self.slurm, self.project, self.say = slurm, project, say
        self.cancelled: set[str] = set()
        self.full = False
        self.finished: dict[str, Any] = {}
        self.done: list[str] = []

    def carry_out(self, *, fills: bool) -> None:
        """Start the sweep, disturb it, and lead it to its end by the commands that status offers."""
        settings = self.draws.choice(_SETTINGS)
        self.say(f"settings: {', '.join(settings) or 'none'}")
        self.project.sweep(*settings)
        faults: dict[str, Callable[[str], None]] = {
            "kill": self.kill, "terminate": self.terminate, "time limit": self.time_limit, "scancel": self.scancel,
            "requeue": self.requeue, "node": self.node, "slurmd": self.slurmd, "slurmctld": self.slurmctld,
            "slurmdbd": self.slurmdbd, "stop": self.stop, "suspend": self.suspend, "preempt": self.preempt,
            "away": self.away,
        }  # fmt: skip
        if fills:
            faults["full disk"] = self.fill
        for name in self.draws.sample(sorted(faults), FAULTS):
            wait, choice = self.draws.uniform(0.3, 3), self.draws.random()
            time.sleep(wait)
            running = sorted(job for job, state in self.slurm.queue().items() if state == "RUNNING")
            if not running:
                # Nothing to hit before the next start, which may take the user.
                self.go_on()
                continue
            job = running[int(choice * len(running))]
            self.say(f"{name}: {job}")
            faults[name](job)
            self.done.append(name)
            self.look()
        self.project.hurry()
        limit = time.monotonic() + PATIENCE_S
        while not self.go_on():
            if time.monotonic() > limit:
                raise ClusterError(f"not done within {PATIENCE_S} s: {self.project.call('status', 'faults')}")
            # A look takes longer than what it sees: most of the time nothing has changed.
            with suppress(ClusterError):
                wait_until("every job has ended", lambda: not self.slurm.queue(), timeout_s=10)

    def go_on(self) -> bool:
        """Do what status says is next where nothing goes on by itself; whether all runs have finished."""
        status = self.look()
        following = str(status["next"])
        if "--watch" in following:
            return False
        if following.startswith("cnnjobs report"):
            return True
        self.say(f"next: {following}")
        if following.startswith("scontrol"):
            self.slurm.client(*following.split())
        else:
            # Only a retry starts anew what a cancellation or the full disk has ended.
            if following.startswith("cnnjobs retry"):
                self.cancelled.clear()
                self.full = False
            self.project.call(*following.removeprefix("cnnjobs ").split())
        return False

    def look(self) -> dict[str, Any]:
        """Read the status now. Raises WrongStateError."""
        status = self.project.status()
        self.project.told(status)
        for run in status["runs"]:
            self._judge(run)
        return status

    def _judge(self, run: dict[str, Any]) -> None:
        state, cause, run_id = RunState(run["state"]), str(run["cause"]), run["run_id"]
        told = f"{run_id} is {state} ({cause}) after {', '.join(self.done)}"
        if state == RunState.FAILED and not (self.full and re.search("disk is full", cause)):
            raise WrongStateError(told)
        # A controller that was killed may have forgotten a job that was submitted right before.
        forgotten = "slurmctld" in self.done and run["job"] not in self.slurm.queue()
        if state == RunState.LOST and not forgotten:
            raise WrongStateError(told)
        if state == RunState.CANCELLED and run["job"] not in self.cancelled:
            raise WrongStateError(told)
        record = self.project.store.run(run_id).read_record()
        if state.has_passed:
            before = self.finished.setdefault(run_id, record.metrics)
            if before != record.metrics or not record.metrics:
                raise WrongStateError(f"{told}, with other metrics than before")
        elif run_id in self.finished:
            raise WrongStateError(f"{told}, and was finished before")

    # Faults

    def kill(self, job: str) -> None:
        """The worker is killed."""
        self.slurm.kill_job_processes(job, command="slurm_main", number=signal.SIGKILL)
        self._settle(job)

    def terminate(self, job: str) -> None:
        """A SIGTERM that nobody explains."""
        self.slurm.kill_job_processes(job, command="slurm_main", number=signal.SIGTERM)
        self._settle(job)

    def time_limit(self, job: str) -> None:
        """The time limit comes near."""
        # scancel tries again for ever where the job is just being requeued.
        self.slurm.client("timeout", "5", "scancel", "--batch", "--signal=USR2", job, check=False)

    def scancel(self, job: str) -> None:
        """An array task is cancelled behind our back."""
        self.cancelled.add(job)
        self.slurm.client("timeout", "5", "scancel", job, check=False)
        self._settle(job)

    def requeue(self, job: str) -> None:
        """An administrator requeues it."""
        self.slurm.client("scontrol", "requeue", job, check=False)

    def node(self, job: str) -> None:
        """Its node loses power and comes back."""
        node = self._node(job)
        self.slurm.kill_node(node)
        self.slurm.declare_down(node)
        self.look()
        self.slurm.start_slurmd(node)

    def slurmd(self, job: str) -> None:
        """Its slurmd dies for a moment, its processes live on."""
        node = self._node(job)
        self.slurm.kill_slurmd(node)
        self.look()
        self.slurm.start_slurmd(node)

    def slurmctld(self, job: str) -> None:
        """The controller is killed and has forgotten the last seconds."""
        del job
        self.slurm.stop_controller(signal.SIGKILL)
        self.look()
        self.slurm.start_controller()

    def slurmdbd(self, job: str) -> None:
        """Accounting is away, and a worker dies meanwhile."""
        self.slurm.stop_dbd()
        self.look()
        self.kill(job)
        self.look()
        self.slurm.start_dbd()

    def stop(self, job: str) -> None:
        """The process stands still for a while."""
        self.slurm.kill_job_processes(job, command="slurm_main", number=signal.SIGSTOP)
        time.sleep(2)
        self.look()
        self.slurm.kill_job_processes(job, command="slurm_main", number=signal.SIGCONT)

    def suspend(self, job: str) -> None:
        """Slurm suspends the job and resumes it."""
        self.slurm.client("scontrol", "suspend", job, check=False)
        self.look()
        time.sleep(1)
        self.slurm.client("scontrol", "resume", job, check=False)

    def preempt(self, job: str) -> None:
        """A job of higher priority takes both nodes; it hits what runs in the lower partitions."""
        del job
        self.slurm.submit("--partition=main", "--nodes=2", "--exclusive", "--time=1", "--wrap=sleep 3")

    def away(self, job: str) -> None:
        """The results folder goes away for some seconds."""
        del job
        away = self.project.store.path.with_name("away")
        self.project.store.path.rename(away)
        time.sleep(3)
        away.rename(self.project.store.path)

    def fill(self, job: str) -> None:
        """The disk is full for some seconds."""
        del job
        self.full = True
        filler = self.project.store.path.parent / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        time.sleep(4)
        self.look()
        filler.unlink()

    def _node(self, job: str) -> str:
        return self.slurm.client("squeue", "-h", "-r", "-j", job, "-o", "%N").strip() or "n1"

    def _settle(self, job: str) -> None:
        """Wait until the array task has left the place where it was hit."""
        wait_until(f"{job} has ended", lambda: self.slurm.queue().get(job) not in ("RUNNING", "COMPLETING"))


def run_quietly(folder: Path, sweep: str) -> FaultyProject:
    """The sweep on this machine, undisturbed."""
    project = FaultyProject(folder / "quiet", sweep)
    project.hurry()
    project.call("local", "faults.yaml", "--no-report", "--set", "job.cpus_per_run=1")
    return project


def run_schedule(
    seed: int, slurm: Cluster, folder: Path, quiet: FaultyProject, say: Callable[[str], None] = print
) -> None:
    """One seed, to its end. Raises AssertionError where what is left is not that of an undisturbed sweep."""
    project = FaultyProject(folder / f"seed {seed}", quiet.sweep_file.read_text())
    with small_disk(project.path / "results") as is_small:
        schedule = Schedule(seed, slurm, project, say)
        schedule.carry_out(fills=is_small)
        assert project.table() == quiet.table(), f"another table after {', '.join(schedule.done)}"
        assert project.decisions() == quiet.decisions(), f"other decisions after {', '.join(schedule.done)}"
        assert project.lost() == []


def main(seeds: list[int], sweep: str) -> int:
    """The number of seeds that fell short."""
    wrong = 0
    with tempfile.TemporaryDirectory() as place, Cluster(
        ClusterSettings(nodes=2, gpus=0, cred_expire_s=5)
    ) as slurm:  # fmt: skip
        os.environ.update(SLURM_CONF=slurm.environment["SLURM_CONF"], PATH=slurm.environment["PATH"])
        quiet = run_quietly(Path(place), sweep)
        for seed in seeds:
            started, said = time.monotonic(), list[str]()
            try:
                run_schedule(seed, slurm, Path(place), quiet, said.append)
                outcome = "same table"
            except Exception as error:
                wrong += 1
                outcome = f"{type(error).__name__}: {error}"
            print(f"seed {seed}: {outcome} ({time.monotonic() - started:.0f} s): {'; '.join(said)}", flush=True)
            slurm.reset()
    return wrong


if __name__ == "__main__":
    words = sys.argv[1:]
    sweep = {"--search": SEARCH, "--bayes": BAYES}.get(words[0] if words else "", SWEEP)
    sys.exit(main([int(word) for word in words if word.isdigit()], sweep))
