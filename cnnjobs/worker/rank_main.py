"""One rank of one run: `python -m cnnjobs.worker.rank_main <submission folder, or job file> <run>`.

`rank_processes` starts all of them, on Slurm by srun. Rank 0 claims the run and keeps what comes of it; the others
train along.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cnnjobs.system.opening import read_bytes
from cnnjobs.system.stop_request import StopRequest

if TYPE_CHECKING:
    from cnnjobs.worker.environment import JobEnvironment
    from cnnjobs.worker.job import Job


def main(arguments: list[str]) -> int:
    """Train the run along with the other ranks; exit code 1 when this one has failed."""
    stop = StopRequest()
    stop.listen_to_slurm()
    from cnnjobs.system.log import say
    from cnnjobs.worker.parallel.side_by_side import end_with

    if "CNNJOBS_RANK" in os.environ:
        end_with(os.getppid())
    path, run_id = Path(arguments[0]), arguments[1]
    try:
        job, environment = _read(path, run_id, stop)
        return _lead(job, environment, stop) if _index() == 0 else _follow(job, run_id, stop)
    except Exception as error:
        say(run_id, f"rank {_index()}: {type(error).__name__}: {error}")
        return 1


def _index() -> int:
    return int(os.environ.get("CNNJOBS_RANK") or os.environ["SLURM_PROCID"])


def _read(path: Path, run_id: str, stop: StopRequest) -> tuple[Job, JobEnvironment]:
    """Read the arguments of this rank."""
    from cnnjobs.disk.submission_folder import SubmissionFolder
    from cnnjobs.worker.environment import JobEnvironment
    from cnnjobs.worker.job import Job
    from cnnjobs.worker.slurm_environment import SlurmEnvironment

    environment = JobEnvironment()
    if path.is_dir():
        array = SubmissionFolder(path).read_array()
        job = Job(
            store=array.store,
            run_ids=(run_id,),
            data_folders=array.data_folders,
            threads=array.threads,
            gpu=os.environ.get("CUDA_VISIBLE_DEVICES", "") if array.gpus else None,
            code=array.code,
        )
        if _index() == 0:
            environment = SlurmEnvironment(SubmissionFolder(path), array, stop)
    else:
        job = Job.model_validate_json(read_bytes(path)).model_copy(update={"run_ids": (run_id,)})
    gpus = str(job.gpu).split(",")
    return job if job.gpu is None else job.model_copy(update={"gpu": gpus[_local_index() % len(gpus)]}), environment


def _local_index() -> int:
    """The place of this rank among those of its node."""
    return int(os.environ.get("SLURM_LOCALID") or 0) if "CNNJOBS_RANK" not in os.environ else _index()


def _lead(job: Job, environment: JobEnvironment, stop: StopRequest) -> int:
    from cnnjobs.worker.parallel.side_by_side import SUPERSEDED_CODE
    from cnnjobs.worker.run_list import train_runs
    from cnnjobs.worker.workloads import prepare_process

    device, _ = prepare_process(job.threads, job.gpu)
    from cnnjobs.training.ranks.group import RankGroup, RankPlace

    environment.ranks = ranks = RankGroup(RankPlace.read(), device, stop)
    try:
        is_newest = train_runs(job, stop, environment)
    finally:
        ranks.end()
    return 0 if is_newest else SUPERSEDED_CODE


def _follow(job: Job, run_id: str, stop: StopRequest) -> int:
    from cnnjobs.disk.run_folder import RunStore
    from cnnjobs.worker.workloads import prepare_process

    device, notes = prepare_process(job.threads, job.gpu)
    from cnnjobs.training.data.pipeline import DataSets
    from cnnjobs.training.ranks.follower import follow
    from cnnjobs.training.ranks.group import RankGroup, RankPlace

    data_sets = DataSets(job.data_folders, device, notes, interruptible=stop.interrupting)
    ranks = RankGroup(RankPlace.read(), device, stop)
    return follow(job.threads, RunStore(job.store).run(run_id), data_sets, ranks, stop)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
