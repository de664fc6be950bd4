"""What a job executes: it claims the runs of its list one after the other, or those of a stack, and trains them.

Runs that are done, failed or another worker's are passed over; a run that fails leaves the others alone. SIGTERM and
Ctrl-C end the worker at the next step, a second Ctrl-C at once. Whoever launched it may be gone.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict

from cnnjobs.files import MetricsLog
from cnnjobs.intents import EvaluationRequest, Stacks, SubmissionFolder
from cnnjobs.opening import read_bytes
from cnnjobs.registry import NonNegativeInt, PositiveInt
from cnnjobs.runs import RunFolder, RunState, RunStore
from cnnjobs.training.fence import Superseded
from cnnjobs.training.ranks import RankLost
from cnnjobs.training.scheduler import Scheduler
from cnnjobs.training.stop_request import Stopped, StopRequest
from cnnjobs.training.storage import Storage

if TYPE_CHECKING:
    import torch

    from cnnjobs.training.pipeline import DataSets

SETTLED: Final = (RunState.FINISHED, RunState.FAILED, RunState.CANCELLED)
TAKEN: Final = "another worker has it"
_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


class Job(BaseModel):
    """A job file: whose runs to train, where their data is, and with what; `gpu` as CUDA_VISIBLE_DEVICES names it.

    Those of `stacks` train as one network; `notes` go to the record of each; they begin with the copy `code` of the
    user's own code. With several `ranks` a run trains in so
    many processes, each with so many threads and its own of the GPUs that `gpu` lists. With `evaluation` the runs have
    finished and are evaluated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    store: Path
    run_ids: tuple[str, ...]
    data_folders: tuple[Path, ...]
    threads: PositiveInt
    ranks: PositiveInt = 1
    gpu: NonNegativeInt | str | None
    stacks: Stacks = Stacks()
    notes: tuple[str, ...] = ()
    code: str | None = None
    evaluation: EvaluationRequest | None = None


def run_job(job_file: Path) -> None:
    """Train every run of the job's list that no one else has. Raises what kept a run's end from being written."""
    job = Job.model_validate_json(read_bytes(job_file))
    stop = StopRequest()
    with stop.listening():
        if job.evaluation is None and job.ranks > 1:
            _train_in_ranks(job_file, job, stop)
        elif job.evaluation is None:
            train_runs(job, stop, Scheduler())
        else:
            from cnnjobs.training.evaluation_job import evaluate_runs

            evaluate_runs(job, job.evaluation, SubmissionFolder(job_file.parent), stop)


def _train_in_ranks(job_file: Path, job: Job, stop: StopRequest) -> None:
    from cnnjobs.training.rank_starts import RankStarts, as_processes

    starts = RankStarts(
        lambda run_id: as_processes(str(job_file), run_id, ranks=job.ranks), stop=stop, passed_on=[signal.SIGTERM]
    )
    # Looked at one after the other: by its turn another worker may have the run.
    starts.train(folder for folder in map(RunStore(job.store).run, job.run_ids) if not folder.is_claimed())


def train_runs(job: Job, stop: StopRequest, scheduler: Scheduler) -> bool:
    """Train the runs of a job's list in turn; False when a newer attempt has taken one of them.

    Raises what kept a run's end from being written.
    """
    device, notes = prepare_process(job.threads, job.gpu)
    from cnnjobs.training.pipeline import DataSets

    data_sets = DataSets(job.data_folders, device, (*notes, *job.notes), interruptible=stop.interrupting)
    scheduler.code = job.code
    unwritten: Exception | None = None
    is_newest = True
    waiting = deque((unit, "") for unit in job.stacks.units(job.run_ids))
    while waiting:
        unit, note = waiting.popleft()
        run_id = unit[0]
        if stop():
            say("worker", "stopped")
            break
        try:
            alone = _train(unit, job, data_sets, stop, scheduler, note=note)
            waiting.extendleft(((each,), alone) for each in (reversed(unit) if alone else ()))
        except Superseded:
            say(run_id, "a newer attempt has it: this copy of the job ends")
            is_newest = False
            break
        except Stopped:
            say(run_id, "stopped")
            break
        except RankLost:
            raise
        except Exception as error:
            say(run_id, f"its end could not be written: {type(error).__name__}: {error}")
            unwritten = error
            if not job.store.exists():
                break
    if unwritten is not None:
        raise unwritten
    return is_newest


def _train(
    run_ids: Sequence[str], job: Job, data_sets: DataSets, stop: StopRequest, scheduler: Scheduler, *, note: str
) -> str:
    """Train a run, with a `note` for its record, or several as one network; else why each is to be trained alone."""
    from cnnjobs.training.attempt import RunAttempt
    from cnnjobs.training.stacked_choice import why_alone
    from cnnjobs.training.stacked_runs import Member, StackedRuns

    open_runs = [folder for folder in map(RunStore(job.store).run, run_ids) if _is_open(folder, stop)]
    if len(open_runs) > 1:
        reason = why_alone(open_runs, data_sets, if_small=job.stacks.if_small, code=job.code)
        if reason is not None:
            say(run_ids[0], f"not stacked with the {len(open_runs) - 1} that share its batches: {reason}")
            return f"not stacked: {reason}"
    with ExitStack() as claims:
        claimed = []
        for folder in open_runs:
            held = claims.enter_context(ExitStack())
            log = _claim(folder, held, stop, scheduler)
            if log is not None:
                claimed.append((folder, log, held))
        ids = [folder.run_id for folder, _, _ in claimed]
        attempts = [
            RunAttempt(
                folder, log, data_sets, threads=job.threads, stopped=stop, say=partial(say, folder.run_id),
                scheduler=scheduler, beside=[run_id for run_id in ids if run_id != folder.run_id],
            )
            for folder, log, _ in claimed
        ]  # fmt: skip
        if len(attempts) == 1:
            # A stack that is tried for what it may gain is nothing that was asked for.
            if note and not job.stacks.if_small:
                attempts[0].note(note)
            attempts[0].execute()
        elif attempts:
            held_by = [held for _, _, held in claimed]
            StackedRuns([Member(*each) for each in zip(attempts, held_by, strict=True)]).train()
    return ""


def _is_open(folder: RunFolder, stop: StopRequest) -> bool:
    """Whether a run is still to be trained."""
    return not Storage(folder, stop, partial(say, folder.run_id)).look(lambda: is_settled(folder))


def _claim(folder: RunFolder, held: ExitStack, stop: StopRequest, scheduler: Scheduler) -> MetricsLog | None:
    """The metrics log of a run, as long as it is `held`; None when nothing is to be done for it here."""
    storage = Storage(folder, stop, partial(say, folder.run_id))
    log = storage.insist(lambda: held.enter_context(scheduler.claim(folder)))
    if log is None:
        say(folder.run_id, TAKEN)
    # It may have been finished since the first look.
    elif not _is_open(folder, stop):
        held.close()
        return None
    return log


def is_settled(folder: RunFolder) -> bool:
    """Whether nothing more is to be done for a run: finished, failed or cancelled."""
    state = folder.read_record().state
    if state is RunState.FINISHED:
        # A crash right after the last record leaves them.
        folder.drop_leftovers()
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
