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

from cnnjobs.runs import RunFolder, RunState, RunStore
from cnnjobs.spec.run import RunConfig
from cnnjobs.training.attempt import RunAttempt
from cnnjobs.training.pipeline import DataSets, DeviceData, to_device
from cnnjobs.training.trainer import Trainer

TOYS = '''
import time

import numpy as np
import torch
from torch import nn

from cnnjobs.components.datasets import DataSet, Split


def stripes(name, folders, *, train: int = 96, validation: int = 40, test: int = 30, channels: int = 1, size: int = 8):
    """Noisy gray images: class 0 has horizontal stripes, class 1 vertical ones, class 2 none."""
    draws = np.random.default_rng(7)

    def split(count):
        labels = np.arange(count, dtype=np.int64) % 3
        waves = 60 * (np.arange(size) % 2)
        patterns = np.stack([np.tile(waves[:, None], size), np.tile(waves, (size, 1)), np.full((size, size), 30)])
        images = patterns[labels][..., None] + draws.integers(0, 120, (count, size, size, channels))
        return Split(images.astype(np.uint8), labels)

    mean, std = (0.35,) * channels, (0.16,) * channels
    return DataSet(name, split(train), split(validation), split(test), ("rows", "columns", "plain"), mean, std)


def renamed(name, folders, *, classes: str = "columns rows plain", size: int = 8, channels: int = 1):
    """The images of `stripes` whose classes stand in another order, the missing ones left out."""
    data = stripes("stripes", folders, size=size, channels=channels)
    names = tuple(classes.split())
    numbers = np.array([names.index(each) if each in names else -1 for each in data.classes])

    def again(split):
        labels = numbers[split.labels]
        return Split(split.images[labels >= 0], labels[labels >= 0])

    splits = (again(split) for split in (data.train, data.validation, data.test))
    return DataSet(name, *splits, names, data.mean, data.std)


class Small(nn.Sequential):
    """A network with batch norm and dropout."""

    def __init__(self, in_channels, num_classes, image_size, *, width: int = 6, dropout: float = 0.2):
        super().__init__(
            nn.Conv2d(in_channels, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Dropout(dropout), nn.Linear(width * ((image_size - 2) // 2) ** 2, num_classes),
        )


class Slow(Small):
    """The same, but a step takes long enough to be killed in."""

    def forward(self, images):
        time.sleep(0.004)
        return super().forward(images)


class Breaking(Small):
    """Fails at the eleventh step."""

    steps = 0

    def forward(self, images):
        if self.training:
            self.steps += 1
            if self.steps > 10:
                raise ValueError("the eleventh step\\nis too much")
        return super().forward(images)


class Exploding(Small):
    """Gives NaN from the ninth step on."""

    steps = 0

    def forward(self, images):
        self.steps += self.training
        return super().forward(images) * (float("nan") if self.steps >= 9 else 1.0)


class Wrong(nn.Module):
    """Forgets the classes."""

    def __init__(self, in_channels, num_classes, image_size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images):
        return images.mean((1, 2, 3)) * self.weight


def endless(name, folders):
    while True:
        time.sleep(0.01)


def missing(name, folders):
    from cnnjobs.errors import DataError

    raise DataError("data set `missing`: not found; cnnjobs data fetch missing")
'''


@pytest.fixture(scope="session", autouse=True)
def toys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the module `toys`, importable here and in worker processes."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("toys")
    (folder / "toys.py").write_text(TOYS)
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
        with folder.claim() as log:
            assert log is not None
            RunAttempt(folder, log, data_sets, threads=1, stopped=lambda: False, say=lambda _: None).execute()
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
import cnnjobs.training.attempt
from cnnjobs import registry
from cnnjobs.training import provenance
from cnnjobs.training.worker import run_job

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
