"""Several ranks train a run as one process does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from waiting import until

from cnnjobs.config.run import RunConfig
from cnnjobs.disk.run_folder import RunFolder, RunState, RunStore
from cnnjobs.errors import DivergedError
from cnnjobs.training.data.test_predictions import read_outcome
from cnnjobs.training.ranks.group import RankGroup
from cnnjobs.worker.run_list import run_job

# Where pixels are erased, values tie in a maximum or a ReLU: with batch norm, rounding decides which of them counts.
WITH_NORM: dict[str, Any] = {"model__dropout": 0.0, "augment": ["crop", "flip"]}
WITHOUT: dict[str, Any] = {"model__name": "toys:Plain", "model__dropout": 0.0, "augment": ["crop", "flip", "erase"]}
# Ten batches of ten images and one of a single image, which every rank has; splits that no number of ranks divides.
ODD: dict[str, Any] = {"dataset__train": 101, "dataset__validation": 41, "dataset__test": 31, "batch_size": 10}
FORKS = """
import json, os, sys

sys.path.insert(0, sys.argv[1])
import torch
import torch._dynamo  # torch loads it for the first optimizer
import cnnjobs.training.ranks.follower
from cnnjobs.worker.rank_main import main

torch.set_num_threads(1)
for line in sys.stdin:
    asked = json.loads(line)
    if "wait" in asked:
        print(os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1]), flush=True)
        continue
    pid = os.fork()
    if pid == 0:
        os.environ.update(asked["environment"])
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os._exit(main(asked["arguments"]))
    print(pid, flush=True)
"""


class RankForks:
    """Ranks that start in milliseconds, forked from a process that has loaded torch."""

    def __init__(self, toys: Path) -> None:
        environment = {**os.environ, "TORCH_CPP_LOG_LEVEL": "ERROR"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", FORKS, str(toys)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip

    def _ask(self, **asked: Any) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def start(self, job_file: Path, run_id: str, number: int) -> list[int]:
        """The processes of a run's ranks; rank k writes to <job file>.k."""
        with socket.create_server(("", 0)) as server:
            port = str(server.getsockname()[1])
        shared = {"CNNJOBS_RANKS": str(number), "CNNJOBS_RANKS_PORT": port}
        return [
            self._ask(
                environment={**shared, "CNNJOBS_RANK": str(rank)},
                arguments=[str(job_file), run_id], log=f"{job_file}.{rank}",
            )
            for rank in range(number)
        ]  # fmt: skip

    def wait(self, processes: list[int]) -> list[int]:
        """Wait for their exit codes; a negative number is a signal's."""
        return [self._ask(wait=pid) for pid in processes]

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def rank_forks(toys: Path) -> Iterator[RankForks]:
    started = RankForks(toys)
    yield started
    started.close()


class OneRun:
    """A run in a folder of its own and the job file for it."""

    def __init__(self, path: Path, forks: RankForks, config: RunConfig) -> None:
        self.folder = RunStore(path / "sweep").run(config.run_id)
        self.folder.create(config)
        self.file = path / "job.json"
        self._forks = forks
        job = {"store": str(path / "sweep"), "run_ids": [config.run_id], "data_folders": [], "threads": 1, "gpu": None}
        self.file.write_text(json.dumps({**job, "ranks": 2}))

    def start(self, ranks: int) -> list[int]:
        return self._forks.start(self.file, self.folder.run_id, ranks)

    def train(self, ranks: int) -> list[int]:
        return self._forks.wait(self.start(ranks))

    def wait(self, processes: list[int]) -> list[int]:
        return self._forks.wait(processes)

    def log(self, rank: int) -> str:
        return Path(f"{self.file}.{rank}").read_text()


def assert_same(folder: RunFolder, expected: RunFolder) -> None:
    """Equal but for rounding: every step's loss, every count, the weights."""
    record, other = folder.read_record(), expected.read_record()
    assert record.state is RunState.FINISHED, (record.cause, record.traceback)
    assert record.metrics == pytest.approx(other.metrics, abs=2e-5)
    assert {key: value for key, value in record.metrics.items() if "accuracy" in key} == {
        key: value for key, value in other.metrics.items() if "accuracy" in key
    }
    for line, given in zip(folder.read_metrics(), expected.read_metrics(), strict=True):
        assert line["windows"]["loss"] == pytest.approx(given["windows"]["loss"], abs=1e-4)
        assert line["windows"]["accuracy"] == given["windows"]["accuracy"]
        assert [line[key] for key in ("step", "lr", "validation.accuracy")] == [
            given[key] for key in ("step", "lr", "validation.accuracy")
        ]
    found, sought = read_outcome(folder), read_outcome(expected)
    assert found is not None
    assert sought is not None
    assert np.array_equal(found.labels, sought.labels)
    assert np.array_equal(found.predicted, sought.predicted)
    weights, right = (torch.load(each.model_file, weights_only=True) for each in (folder, expected))
    assert all(torch.allclose(weights[name], right[name], atol=1e-5) for name in right)
    names = {file.name.partition(".tfevents")[0] for file in folder.path.iterdir()}
    assert names == {"config.yaml", "record.json", "metrics.jsonl", "model.pt", "predictions.npz", "events.out"}


@pytest.mark.parametrize(("changes", "number"), [(WITH_NORM, 2), (WITHOUT, 3)], ids=["norm-2", "plain-3"])
def test_several_ranks_give_the_numbers_of_one(
    tmp_path: Path, toy: Any, rank_forks: RankForks, changes: dict[str, Any], number: int
) -> None:
    config = toy.config(**changes, **ODD, validate_every={"steps": 13}, schedule="cosine", print_every=7)
    run = OneRun(tmp_path, rank_forks, config)
    assert run.train(number) == [0] * number
    assert_same(run.folder, toy.finished(tmp_path / "alone", config))
    record = run.folder.read_record()
    assert record.attempts[0].ranks == number
    assert record.notes[0].startswith(f"trained by {number} ranks (gloo), each with its share of every batch: ")
    assert run.log(1) == ""
    printed = [line.partition(": step ")[2] for line in run.log(0).splitlines() if ": step " in line]
    losses = [loss for line in run.folder.read_metrics() for loss in line["windows"]["loss"]]
    assert len(losses) == 30
    assert [line.partition("/")[0] for line in printed] == ["7", "14", "21", "28"]
    assert printed[0].startswith(f"7/30, loss {sum(losses[:7]) / 7:.4f}, accuracy 0.")


def test_a_signal_to_one_rank_stops_all_and_one_rank_goes_on(tmp_path: Path, toy: Any, rank_forks: RankForks) -> None:
    config = toy.config(**WITH_NORM, **ODD, epochs=5, model__name="toys:Slow")
    run = OneRun(tmp_path, rank_forks, config)
    processes = run.start(2)
    until(lambda: len(run.folder.read_metrics()) >= 2)
    os.kill(processes[1], signal.SIGTERM)
    assert run.wait(processes) == [0, 0]
    record = run.folder.read_record()
    assert (record.state, record.cause) == (RunState.INTERRUPTED, "stopped")
    assert run.train(1) == [0]
    assert_same(run.folder, toy.finished(tmp_path / "alone", config))
    record = run.folder.read_record()
    assert [attempt.ranks for attempt in record.attempts] == [2, 1]
    assert record.attempts[1].from_epoch >= 2
    assert "attempt 2: trained by 1 rank, before by 2" in record.notes


def test_a_rank_that_is_killed_costs_this_start_and_the_next_goes_on_as_if_nothing_had_been(
    tmp_path: Path, toy: Any, rank_forks: RankForks
) -> None:
    config = toy.config(epochs=5, model__name="toys:Slow")
    run, other = OneRun(tmp_path, rank_forks, config), OneRun(tmp_path / "other", rank_forks, config)
    processes = run.start(2)
    until(lambda: len(run.folder.read_metrics()) >= 2)
    os.kill(processes[1], signal.SIGKILL)
    assert run.wait(processes) == [1, -signal.SIGKILL]
    record = run.folder.read_record()
    assert record.state is RunState.INTERRUPTED
    assert "attempt 1: one of its 2 ranks ended without an error message" in record.notes
    assert run.train(2) == other.train(2) == [0, 0]
    # Dropout of every rank, too: the same numbers to the last bit.
    assert run.folder.read_record().metrics == other.folder.read_record().metrics
    assert run.folder.model_file.read_bytes() == other.folder.model_file.read_bytes()


def test_what_fails_on_one_rank_fails_the_run_with_its_cause(tmp_path: Path, toy: Any, rank_forks: RankForks) -> None:
    run = OneRun(tmp_path, rank_forks, toy.config(model__name="toys:BreakingElsewhere"))
    # Rank 0 ends well: it has kept how the run has ended.
    assert run.train(2)[0] == 0
    record = run.folder.read_record()
    assert record.state is RunState.FAILED
    assert str(record.cause).startswith(
        f"rank 1 on {socket.gethostname()}: ValueError: the eleventh step is too much ("
    )
    assert "in forward" in str(record.traceback)


def test_what_fails_on_all_ranks_is_told_once(tmp_path: Path, toy: Any, rank_forks: RankForks) -> None:
    run = OneRun(tmp_path, rank_forks, toy.config(model__name="toys:Exploding"))
    assert run.train(2) == [0, 0]
    record = run.folder.read_record()
    assert (record.state, record.cause) == (RunState.FAILED, str(DivergedError(9)))
    assert run.log(1) == ""


def test_a_job_starts_the_ranks_of_its_runs(
    tmp_path: Path, toy: Any, toys: Path, rank_forks: RankForks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(toys), prepend=os.pathsep)
    run = OneRun(tmp_path, rank_forks, toy.config(epochs=1))
    run_job(run.file)
    record = run.folder.read_record()
    assert (record.state, record.attempts[0].ranks, len(record.attempts)) == (RunState.FINISHED, 2, 1)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 64])
def test_shares_cover_everything_once(count: int) -> None:
    ranks = []
    for index in range(3):
        rank = object.__new__(RankGroup)
        rank.index, rank.number = index, 3
        ranks.append(rank)
    shares = [rank.share(count) for rank in ranks]
    assert (shares[0].start, shares[-1].stop) == (0, count)
    assert all(before.stop == after.start for before, after in pairwise(shares))
    assert max(share.stop - share.start for share in shares) - min(share.stop - share.start for share in shares) <= 1
    assert [rank.batch_share(count) for rank in ranks] == (shares if count >= 3 else [slice(0, count)] * 3)
