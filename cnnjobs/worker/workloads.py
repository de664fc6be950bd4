"""The workload of each run of a job, and the process that it needs: set up when the first run of its kind comes."""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.system.log import say
from cnnjobs.system.stop_request import StopRequest
from cnnjobs.worker.claim.claimed_run import ClaimedRun
from cnnjobs.worker.environment import JobEnvironment
from cnnjobs.worker.job import Job
from cnnjobs.worker.workload import Workload

if TYPE_CHECKING:
    import torch

    from cnnjobs.programs.workload import ProgramWorkload
    from cnnjobs.training.data.pipeline import DataSets
    from cnnjobs.training.data.ranks import Ranks
    from cnnjobs.training.loop.workload import NetworkWorkload


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def are_of_program(job: Job, stop: StopRequest) -> bool:
    """Check whether a job's runs are those of a program: all runs of a sweep are of one kind."""
    folder = RunStore(job.store).run(job.run_ids[0])
    return Storage(folder, stop, partial(say, folder.run_id)).look(folder.runs_program)


class Workloads:
    """Makes the workload of one run of the job after the other."""

    def __init__(self, job: Job, stop: StopRequest) -> None:
        self._job, self._stop = job, stop

    @cached_property
    def data_sets(self) -> DataSets:
        """The data of networks, on the device of this process, which is set up for them."""
        device, notes = prepare_process(self._job.threads, self._job.gpu)
        from cnnjobs.training.data.pipeline import DataSets

        return DataSets(
            self._job.data_folders, device, (*notes, *self._job.notes), interruptible=self._stop.interrupting
        )

    def of(self, run: ClaimedRun, environment: JobEnvironment) -> Workload:
        """Workload of a run that trains alone."""
        if run.storage.look(run.folder.runs_program):
            return self.program(environment)
        return self.network(ranks=environment.ranks)

    def network(self, *kind: Any, ranks: Ranks) -> NetworkWorkload[Any]:
        """The training of a network, by a `kind` of Trainer where it is another one."""
        from cnnjobs.training.loop.workload import NetworkWorkload

        return NetworkWorkload(self.data_sets, *kind, ranks=ranks)

    def program(self, environment: JobEnvironment) -> ProgramWorkload:
        """A program with the cores and the GPUs of this job."""
        from cnnjobs.programs.workload import ProgramWorkload

        job = self._job
        gpus = 0 if job.gpu in (None, "") else len(str(job.gpu).split(","))
        return ProgramWorkload(
            threads=job.threads * job.ranks,
            gpu=job.gpu,
            processes=max(gpus, job.ranks),
            notes=job.notes,
            grace_s=lambda: environment.grace_s,
        )


def prepare_process(threads: int, gpu: int | str | None) -> tuple[torch.device, tuple[str, ...]]:
    """Set this process up, import torch, and choose the device; a note where it is not the one that was given."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "" if gpu is None else str(gpu)
    load_torch(threads)
    import torch

    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    if gpu is None:
        return torch.device("cpu"), ()
    if not torch.cuda.is_available():
        return torch.device("cpu"), (f"GPU {gpu} was given but torch finds none: trained on the CPU",)
    # The same run again gives the same numbers.
    torch.backends.cudnn.deterministic = True
    return torch.device("cuda", 0), ()


def load_torch(threads: int, **variables: str) -> None:
    """Import torch for so many threads, in an environment with these `variables`; no thread starts, no GPU is used."""
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)) | variables)
    _keep_freed_memory()
    import torch  # noqa: F401


def _keep_freed_memory() -> None:
    """Let glibc keep the memory of one step for the next: handing it back costs thousands of page faults each step."""
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
