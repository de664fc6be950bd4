"""A cluster that is up: what its users see, and the faults that tests bring about."""

from __future__ import annotations

import signal
from pathlib import Path

from cluster_daemons import Daemons, accepts, cluster_environment, wait_until
from cluster_processes import Process, all_processes, daemons_of, end_all, job_processes_of, send, with_descendants
from cluster_settings import ClusterSettings


class RunningCluster:
    """The daemons in one folder, by name: clients' commands, waits, stops and starts."""

    def __init__(self, settings: ClusterSettings, folder: Path, base_port: int) -> None:
        self.settings = settings
        self.folder = folder
        self._base_port = base_port
        self._daemons = Daemons(folder)

    @property
    def conf(self) -> Path:
        """Its slurm.conf, which SLURM_CONF names for everyone who uses it."""
        return self._daemons.conf

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which this cluster is the one that is used."""
        return cluster_environment(self.conf)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of its nodes."""
        return self.settings.node_names

    # What users see

    def client(self, *command: str, timeout_s: float = 60.0, check: bool = True) -> str:
        """The output of squeue, sbatch, ... on this cluster; ClusterError unless it exits with 0 or check is off."""
        return self._daemons.client(*command, timeout_s=timeout_s, check=check)

    def submit(self, *options: str) -> str:
        """The id of a new job: `sbatch --parsable` with its output thrown away unless the options name a file."""
        return self.client("sbatch", "--parsable", "--output=/dev/null", *options).strip()

    def node_states(self) -> dict[str, str]:
        """sinfo's long state of each node; a star at its end means that the node does not answer."""
        lines = self.client("sinfo", "-h", "-N", "-p", "main", "-o", "%N %T").splitlines()
        return dict(line.split() for line in lines)

    def queue(self) -> dict[str, str]:
        """squeue's state of each job or array task that has not ended."""
        lines = self.client("squeue", "-h", "-r", "-o", "%i %T").splitlines()
        return dict(line.split() for line in lines)

    def job_states(self, job: str) -> dict[str, list[str]]:
        """sacct's states of a job and its array tasks: one for each time that it was started."""
        states: dict[str, list[str]] = {}
        for line in self.client("sacct", "-X", "-D", "-n", "-P", "-j", job, "-o", "JobID,State").splitlines():
            name, _, state = line.partition("|")
            states.setdefault(name, []).append(state)
        return states

    def wait_idle(self, timeout_s: float = 60.0) -> None:
        """Wait until no job is left and every node is idle."""
        names = set(self.nodes)

        def idle() -> bool:
            states = self.node_states()
            return set(states) == names and set(states.values()) == {"idle"} and not self.queue()

        wait_until(f"all nodes are idle; logs: {self._daemons.logs}", idle, timeout_s=timeout_s)

    def wait_for(self, job: str, state: str, timeout_s: float = 30.0) -> None:
        """Wait until squeue shows the job or array task in that state."""
        wait_until(f"job {job} is {state}", lambda: self.queue().get(job) == state, timeout_s=timeout_s)

    def processes(self) -> list[Process]:
        """Everything that runs because of this cluster: daemons, job steps, and what jobs started."""
        roots = [*self._daemons.living(), *daemons_of(self.folder), *job_processes_of(self.conf)]
        return with_descendants(roots)

    def job_processes(self, job: str) -> list[Process]:
        """Processes of a job ("12") or an array task ("12_3"), without Slurm's own slurmstepd."""
        found = []
        for process in job_processes_of(self.conf):
            environment = process.environment()
            array = environment.get("SLURM_ARRAY_JOB_ID")
            array_task = f"{array}_{environment.get('SLURM_ARRAY_TASK_ID')}"
            if job in {environment.get("SLURM_JOB_ID"), array, array_task}:
                found.append(process)
        return found

    # Faults

    def kill_job_processes(self, job: str, command: str = "", number: signal.Signals = signal.SIGKILL) -> list[Process]:
        """Signal the processes of a job whose command line holds `command`, and return them."""
        chosen = [process for process in self.job_processes(job) if command in process.command()]
        send(chosen, number)
        return chosen

    def kill_slurmd(self, node: str) -> None:
        """Kill a node's slurmd alone: its jobs live on while Slurm gives the node up after SlurmdTimeout."""
        self._daemons.stop(f"slurmd.{node}", signal.SIGKILL)

    def kill_node(self, node: str) -> None:
        """Kill a node's slurmd, its job steps and all that they run, as when the power fails."""
        self.kill_slurmd(node)
        end_all(lambda: self._step_processes(node))

    def declare_down(self, node: str) -> None:
        """Tell Slurm at once what it would find out after SlurmdTimeout: that the node is lost."""
        self.client("scontrol", "update", f"nodename={node}", "state=down", "reason=declared")

    def start_slurmd(self, node: str) -> None:
        """Start a node's slurmd again and wait until it listens."""
        self._daemons.start_slurmd(node)
        port = self._base_port + 2 + self.nodes.index(node)
        wait_until(f"slurmd of {node} listens; logs: {self._daemons.logs}", lambda: accepts(("127.0.0.1", port)))

    def stop_controller(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop slurmctld: SIGTERM lets it save its state; SIGKILL makes it forget the last 5 s, jobs included."""
        self._daemons.stop("slurmctld", number)

    def start_controller(self) -> None:
        """Start slurmctld again with the state that it left, and wait until it answers."""
        self._daemons.start_controller()

    def stop_dbd(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop slurmdbd: sacct fails, slurmctld keeps what it has to tell until it is back."""
        self._daemons.stop("slurmdbd", number)

    def start_dbd(self) -> None:
        """Start slurmdbd again and wait until it answers."""
        self._daemons.start_dbd(self._base_port + 1)

    def reset(self) -> None:
        """Cancel every job, start whatever was stopped, put every node back: as it was after the start."""
        if self.settings.accounting and not self._daemons.is_running("slurmdbd"):
            self.start_dbd()
        if not self._daemons.is_running("slurmctld"):
            self.start_controller()
        for node in self.nodes:
            if not self._daemons.is_running(f"slurmd.{node}"):
                self.start_slurmd(node)
        if self.queue():
            self.client("scancel", "--user=root")
            self.client("scancel", "--user=root", "--signal=KILL", "--full", check=False)
        wait_until(f"no job is left; logs: {self._daemons.logs}", lambda: not self.queue())
        # A node that was given up may still run its old copy of a job.
        end_all(self._step_processes)
        for node, state in self.node_states().items():
            # A controller that has forgotten its last seconds may find a job on a node twice.
            if state.startswith("drain"):
                self.client("scontrol", "update", f"nodename={node}", "state=resume")
        self.wait_idle()

    def _step_processes(self, node: str | None = None) -> list[Process]:
        # The daemons first: what one of them starts between the two looks is then found by its environment.
        daemons = daemons_of(self.folder, node)
        jobs = job_processes_of(self.conf)
        if node is None:
            daemons = [process for process in daemons if process.name == "slurmstepd"]
        else:
            jobs = [process for process in jobs if process.environment().get("SLURMD_NODENAME") == node]
        # One that has just overwritten its environment, and not opened its log yet, is known by what it has started.
        parents = {process.parent for process in jobs}
        steps = [process for process in all_processes() if process.name == "slurmstepd" and process.pid in parents]
        return with_descendants([*daemons, *steps, *jobs])
