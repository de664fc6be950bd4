"""A job of programs: what their ends mean for the runs of its list."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.config.program import ProgramConfig
from cnnjobs.disk.run_folder import RunFolder, RunState, RunStore
from cnnjobs.system.stop_request import StopRequest
from cnnjobs.worker.environment import JobEnvironment
from cnnjobs.worker.job import Job
from cnnjobs.worker.run_list import train_runs
from tests.programs.test_workload import REPORT

GOES_ON = (
    REPORT
    + """
from pathlib import Path
last = Path(os.environ["CNNJOBS_CHECKPOINT_DIR"]) / os.environ["CNNJOBS_ATTEMPT"]
report(step=int(last.name), loss=1.0)
last.touch()
sys.exit(75 if int(last.name) < int(sys.argv[1]) else 0)
"""
)


def run(store: RunStore, *arguments: Any) -> RunFolder:
    command = (sys.executable, "-S", "${program}", *arguments)
    config = ProgramConfig(program="train.py", command=command)
    folder = store.run(config.run_id)
    folder.create(config)
    return folder


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(GOES_ON)
    return RunStore(tmp_path / "results" / "sweep")


def test_one_that_asks_to_be_started_again_is_before_the_next_one(store: RunStore) -> None:
    folders = [run(store, 2), run(store, 0)]
    job = Job(
        store=store.path, run_ids=tuple(each.run_id for each in folders), data_folders=(), threads=1, gpu=None
    )  # fmt: skip
    assert train_runs(job, StopRequest(), JobEnvironment())
    first, second = (folder.read_record() for folder in folders)
    assert (first.state, len(first.attempts)) == (RunState.FINISHED, 3)
    assert (second.state, len(second.attempts)) == (RunState.FINISHED, 1)
    assert first.attempts[-1].ended is not None
    assert second.attempts[0].started >= first.attempts[-1].ended
    assert [line["step"] for line in folders[0].read_metrics()] == [0, 1, 2]
