"""What a job executes: it claims the runs of its list one after the other and trains them.

Runs that are done, failed or another worker's are passed over; a run that fails leaves the others alone. SIGTERM and
Ctrl-C end the worker at the next step, a second Ctrl-C at once. Whoever launched it may be gone.
"""

from __future__ import annotations

import ctypes
import os
import platform
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict

from cnnjobs.intents import EvaluationRequest, SubmissionFolder
from cnnjobs.registry import NonNegativeInt, PositiveInt
from cnnjobs.runs import RunFolder, RunState, RunStore
from cnnjobs.training.fence import Superseded
from cnnjobs.training.scheduler import Scheduler
from cnnjobs.training.stop_request import Stopped, StopRequest
from cnnjobs.training.storage import Storage

if TYPE_CHECKING:
    import torch

    from cnnjobs.training.pipeline import DataSets

SETTLED: Final = (RunState.FINISHED, RunState.FAILED, RunState.CANCELLED)
_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


class Job(BaseModel):
    """A job file: whose runs to train, where their data is, and with what; `gpu` as CUDA_VISIBLE_DEVICES names it.

    With `evaluation` the runs have finished and are evaluated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    store: Path
    run_ids: tuple[str, ...]
    data_folders: tuple[Path, ...]
    threads: PositiveInt
    gpu: NonNegativeInt | str | None
    evaluation: EvaluationRequest | None = None


def run_job(job_file: Path) -> None:
    """Train every run of the job's list that no one else has. Raises what kept a run's end from being written."""
    job = Job.model_validate_json(job_file.read_bytes())
    stop = StopRequest()
    with stop.listening():
        if job.evaluation is None:
            train_runs(job, stop, Scheduler())
        else:
            from cnnjobs.training.evaluation_job import evaluate_runs

            evaluate_runs(job, job.evaluation, SubmissionFolder(job_file.parent), stop)


def train_runs(job: Job, stop: StopRequest, scheduler: Scheduler) -> bool:
    """Train the runs of a job's list one after the other; False when a newer attempt has taken one of them.

    Raises what kept a run's end from being written.
    """
    device, notes = prepare_process(job.threads, job.gpu)
    from cnnjobs.training.pipeline import DataSets

    data_sets = DataSets(job.data_folders, device, notes, interruptible=stop.interrupting)
    unwritten: Exception | None = None
    is_newest = True
    for run_id in job.run_ids:
        if stop():
            say("worker", "stopped")
            break
        try:
            _train(RunStore(job.store).run(run_id), data_sets, job.threads, stop, scheduler)
        except Superseded:
            say(run_id, "a newer attempt has it: this copy of the job ends")
            is_newest = False
            break
        except Stopped:
            say(run_id, "stopped")
            break
        except Exception as error:
            say(run_id, f"its end could not be written: {type(error).__name__}: {error}")
            unwritten = error
            if not job.store.exists():
                break
    if unwritten is not None:
        raise unwritten
    return is_newest


def _train(folder: RunFolder, data_sets: DataSets, threads: int, stop: StopRequest, scheduler: Scheduler) -> None:
    from cnnjobs.training.attempt import RunAttempt

    def tell(text: str) -> None:
        say(folder.run_id, text)

    storage = Storage(folder, stop, tell)
    if storage.look(lambda: is_settled(folder)):
        return
    with ExitStack() as stack:
        log = storage.insist(lambda: stack.enter_context(scheduler.claim(folder)))
        if log is None:
            tell("another worker has it")
        # It may have been finished since the first look.
        elif not storage.look(lambda: is_settled(folder)):
            attempt = RunAttempt(folder, log, data_sets, threads=threads, stopped=stop, say=tell, scheduler=scheduler)
            attempt.execute()


def is_settled(folder: RunFolder) -> bool:
    """Whether nothing more is to be done for a run: finished, failed or cancelled."""
    state = folder.read_record().state
    if state is RunState.FINISHED:
        # A crash right after the last record leaves them.
        folder.drop_checkpoints()
    return state in SETTLED


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


def say(who: str, what: str) -> None:
    """A line for the job's log, in one piece: others may write to it at the same moment."""
    # The log may be away with the results; what is to be said then waits.
    with suppress(OSError):
        print(f"{who}: {what}\n", end="", flush=True)
