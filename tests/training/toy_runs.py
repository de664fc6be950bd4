"""Runs over a tiny data set that can be learned, with components that import paths name."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from cnnjobs.config.run import RunConfig
from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import RunFolder, RunState, RunStore
from cnnjobs.training.data.pipeline import DataSets, DeviceData, to_device
from cnnjobs.training.loop.trainer import Trainer
from cnnjobs.training.loop.workload import NetworkWorkload
from cnnjobs.worker.attempt import RunAttempt
from cnnjobs.worker.claim.claimed_run import ClaimedRun


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

    def finished(self, path: Path, config: RunConfig, folders: tuple[Path, ...] = ()) -> RunFolder:
        """A run on disk that has been trained."""
        folder = RunFolder(path / config.run_id)
        folder.create(config)
        data_sets = DataSets(folders, torch.device("cpu"))
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
