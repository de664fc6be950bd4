"""A tiny data set that can be learned, and components that import paths name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

# Modules of this room that several test files share.
sys.path.insert(0, str(Path(__file__).parent))

from pretended_slurm import Cluster, Forks

from cnnjobs.config.run import RunConfig
from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import RunFolder, RunState, RunStore
from cnnjobs.training.data.pipeline import DataSets, DeviceData, to_device
from cnnjobs.training.loop.trainer import Trainer
from cnnjobs.training.loop.workload import NetworkWorkload
from cnnjobs.worker.attempt import RunAttempt
from cnnjobs.worker.claimed_run import ClaimedRun


@pytest.fixture(scope="session", autouse=True)
def toys() -> Iterator[Path]:
    """The folder of the module `toys`, importable here and in worker processes."""
    torch.set_num_threads(1)
    folder = Path(__file__).parent / "toys"
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


class Toy:
    """Runs over the toy data set."""

    def config(self, **changes: Any) -> RunConfig:
        """A run of a moment; `model__width=3` stands for `model: {..., width: 3}`."""
        nested: dict[str, Any] = {
            "dataset": {"name": "toys:stripes"},
            "model": {"name": "toys:Small"},
            "optimizer": {"name": "sgd", "momentum": 0.9},
            "batch_size": 8,
            "epochs": 3,
            "lr": 0.05,
        }
        for key, value in changes.items():
            outer, _, inner = key.partition("__")
            if inner:
                nested[outer][inner] = value
            else:
                nested[outer] = value
        return RunConfig.model_validate(nested)

    def data(self, run: RunConfig) -> DeviceData:
        return to_device(run.dataset.build(name=run.dataset.name, folders=()), torch.device("cpu"))

    def trainer(self, run: RunConfig, **settings: Any) -> Trainer:
        return Trainer(run, self.data(run), **settings)

    def trained(self, run: RunConfig) -> tuple[Trainer, list[dict[str, Any]]]:
        """The trainer after training, and its lines of metrics."""
        lines: list[dict[str, Any]] = []
        ready = self.trainer(run)
        ready.train(lines.append, lambda: None)
        return ready, lines

    def finished(self, path: Path, config: RunConfig) -> RunFolder:
        """A run on disk that has been trained."""
        folder = RunFolder(path / config.run_id)
        folder.create(config)
        data_sets = DataSets((), torch.device("cpu"))
        with ClaimedRun.take(Storage(folder, lambda: False, lambda _: None)) as run:
            RunAttempt(run, NetworkWorkload(data_sets), threads=1).execute()
        assert folder.read_record().state is RunState.FINISHED
        return folder

    def timeless(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Lines of metrics without what differs from one start to the next."""
        changing = ("seconds", "images_per_s", "attempt")
        return [{key: value for key, value in line.items() if key not in changing} for line in lines]


@pytest.fixture(scope="session")
def toy() -> Toy:
    return Toy()


class Jobs:
    """A sweep's folder and the job files for it."""

    def __init__(self, folder: Path) -> None:
        self.store = RunStore(folder / "sweep")
        self._file = folder / "job.json"

    def add(self, *runs: RunConfig) -> list[RunFolder]:
        folders = [self.store.run(run.run_id) for run in runs]
        for folder, run in zip(folders, runs, strict=True):
            folder.create(run)
        return folders

    def file(self, threads: int = 1) -> Path:
        """A job file that lists every run."""
        run_ids = [folder.run_id for folder in self.store.runs()]
        job = {"store": str(self.store.path), "run_ids": run_ids, "data_folders": [], "threads": threads, "gpu": None}
        self._file.write_text(json.dumps(job))
        return self._file


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, os.environ.get(name, "1"))
    return Jobs(tmp_path)


NURSERY = """
import os, signal, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import torch
import torch._dynamo  # torch loads it for the first optimizer
import cnnjobs.training.loop.workload
import cnnjobs.worker.attempt
from cnnjobs import registry
from cnnjobs.training.loop import provenance
from cnnjobs.worker.run_list import run_job

provenance.versions()
for kind in registry.KINDS:
    registry.components(kind)


def crash_at(number):
    # The process dies right before its n-th change of the disk.
    left = [number]

    def counted(change):
        def change_or_die(*given, **settings):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return change(*given, **settings)

        return change_or_die

    for name in ("fsync", "replace", "unlink"):
        setattr(os, name, counted(getattr(os, name)))


for command in sys.stdin:
    verb, *given = command.split("\t")
    if verb == "wait":
        print(os.waitstatus_to_exitcode(os.waitpid(int(given[0]), 0)[1]), flush=True)
        continue
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(given[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
        crash_at(int(given[2]))
        run_job(Path(given[0]))
        os._exit(0)
    print(pid, flush=True)
"""


class Nursery:
    """Worker processes that start in milliseconds, forked from one that has loaded torch."""

    def __init__(self, toys: Path) -> None:
        command = [sys.executable, "-c", NURSERY, str(toys)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _ask(self, *words: object) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\t".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def start(self, job_file: Path, crash_at: int = 0) -> int:
        """The process id of a new worker, which may be told to die right before its n-th change of the disk."""
        return self._ask("start", job_file, job_file.with_suffix(".log"), crash_at)

    def wait(self, pid: int) -> int:
        """The exit code of a worker; a negative one is a signal's."""
        return self._ask("wait", pid)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture(scope="session")
def nursery(toys: Path) -> Iterator[Nursery]:
    started = Nursery(toys)
    yield started
    started.close()


@pytest.fixture(scope="session")
def forks(toys: Path) -> Iterator[Forks]:
    started = Forks(toys)
    yield started
    started.close()


@pytest.fixture
def cluster(tmp_path: Path, forks: Forks) -> Cluster:
    return Cluster(tmp_path / "cluster", forks)


@pytest.fixture
def other(tmp_path: Path, forks: Forks) -> Cluster:
    return Cluster(tmp_path / "other", forks)
