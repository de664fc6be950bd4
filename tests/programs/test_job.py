"""A job of programs: what their ends mean for the runs of its list."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.config.program import ProgramConfig
from cnnjobs.config.resolved_profile import ResolvedProfile
from cnnjobs.disk.code_copies import Code
from cnnjobs.disk.run_folder import RunFolder, RunRecord, RunState, RunStore
from cnnjobs.disk.submission_folder import JobArray
from cnnjobs.system.stop_request import StopRequest
from cnnjobs.worker.environment import JobEnvironment
from cnnjobs.worker.job import Job
from cnnjobs.worker.run_list import train_runs
from cnnjobs.worker.slurm_environment import SlurmEnvironment
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


def run(store: RunStore, *arguments: Any, program: str = "train.py") -> RunFolder:
    command = (sys.executable, "-S", "${program}", *arguments)
    config = ProgramConfig(program=program, command=command)
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
    train(store, *folders)
    first, second = (folder.read_record() for folder in folders)
    assert (first.state, len(first.attempts)) == (RunState.FINISHED, 3)
    assert (second.state, len(second.attempts)) == (RunState.FINISHED, 1)
    assert first.attempts[-1].ended is not None
    assert second.attempts[0].started >= first.attempts[-1].ended
    assert [line["step"] for line in folders[0].read_metrics()] == [0, 1, 2]


def train(store: RunStore, *folders: RunFolder, code: str | None = None) -> None:
    run_ids = tuple(folder.run_id for folder in folders)
    job = Job(store=store.path, run_ids=run_ids, data_folders=(), threads=1, gpu=None, code=code)
    assert train_runs(job, StopRequest(), JobEnvironment())


def test_it_runs_and_imports_what_was_submitted(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {
        "src/train.py": (REPORT + "import beside, rooted\nreport(beside=beside.a, rooted=rooted.a, here=1)").encode(),
        "src/beside.py": b"a = 1",
        "rooted.py": b"a = 1",
    }
    for name, content in before.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(content.replace(b"a = 1", b"a = 2"))
    code = Code(before, {})
    store.codes.keep(code)
    monkeypatch.setenv("PYTHONPATH", ".")
    folder = run(store, program="src/train.py")
    train(store, folder, code=code.hash)
    record = folder.read_record()
    assert (record.state, record.cause) == (RunState.FINISHED, None)
    assert record.metrics == {"beside": 1.0, "rooted": 1.0, "here": 1.0}
    assert record.code == code.hash


def test_what_a_finished_run_has_written_is_kept_until_its_successor_has_finished(store: RunStore) -> None:
    folder = run(store, 0)
    train(store, folder)
    (folder.outputs_folder / "figure").touch()
    folder.keep_earlier()
    folder.write_record(RunRecord(run_id=folder.run_id))
    folder.reset()
    assert not folder.has_checkpoint
    assert [each.name for each in folder.results.outputs_folder.iterdir()] == ["figure"]
    train(store, folder)
    assert folder.read_record().state is RunState.FINISHED
    assert not folder.earlier_folder.exists()


def test_ahead_of_the_time_limit_a_program_has_almost_all_that_is_left() -> None:
    def grace_s(number: int, **profile: Any) -> float:
        environment = SlurmEnvironment.__new__(SlurmEnvironment)
        environment.array = JobArray.model_construct(profile=ResolvedProfile.model_validate(profile))
        environment._stop = StopRequest()
        environment._stop.received.append(number)
        return environment.grace_s

    assert JobEnvironment().grace_s == grace_s(signal.SIGTERM) == 25
    assert grace_s(signal.SIGUSR2) == 100
    assert grace_s(signal.SIGUSR2, timeout_min=4) == 40
    assert grace_s(signal.SIGUSR2, signal_lead_s=600) == 580
    assert grace_s(signal.SIGUSR2, signal_lead_s=30) == 25
