"""A worker that pretends to train the four runs of the tests of status, without loading torch."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# The runs are those of the tests of status.
sys.path.insert(0, str(Path(__file__).parents[1] / "status"))

from four_runs import put, store, sweep

__all__ = ["put", "store", "sweep"]

WORKER = '''\
"""Stands in for cnnjobs.worker.run_list: claims runs as it does, and does with each what `behaviour` says."""
import json, os, signal, sys, time
from datetime import datetime, UTC
from pathlib import Path
from cnnjobs.disk.run_folder import Attempt, RunRecord, RunState, RunStore

HERE = Path(__file__).parent

def now():
    return datetime.now(UTC).isoformat()

def run_job(job_file):
    job = json.loads(Path(job_file).read_bytes())
    behaviour = (HERE / "behaviour").read_text()
    if behaviour == "refuse":
        sys.exit("no module named torch")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour == "deaf" else signal.SIG_DFL)
    store = RunStore(Path(job["store"]))
    for run_id in job["run_ids"]:
        folder = store.run(run_id)
        if folder.read_record().state in (RunState.FINISHED, RunState.FAILED):
            continue
        with folder.claim() as log:
            if log is not None and folder.read_record().state is not RunState.FINISHED:
                train(folder, log, job, behaviour)

def train(folder, log, job, behaviour):
    before = folder.read_record().attempts
    attempt = Attempt(number=len(before) + 1, host=os.uname().nodename, pid=os.getpid(), started=now(),
                      job_id=os.environ["SUBMITIT_LOCAL_JOB_ID"], threads=job["threads"], device=str(job["gpu"]))
    record = RunRecord(run_id=folder.run_id, state=RunState.RUNNING, attempts=(*before, attempt))
    folder.write_record(record)
    log.append({"attempt": 1, "step": 1, "epoch": 1.0, "seconds": 0.1, "train.loss": 1.0, "validation.accuracy": 0.5})
    if behaviour == "die" and not before:
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour in ("hang", "deaf"):
        time.sleep(600)
    time.sleep(0.05)
    done = {"state": RunState.FINISHED, "metrics": {"validation.accuracy": 0.5}, "epochs_done": 10.0,
            "attempts": (*before, attempt.model_copy(update={"ended": now()}))}
    folder.write_record(record.model_copy(update=done))
'''


@pytest.fixture
def behave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Workers are pretended from here on; behave("train" | "die" | "hang" | "deaf" | "refuse") says how."""
    folder = tmp_path / "pretended"
    folder.mkdir()
    (folder / "pretended_worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    spec = importlib.util.spec_from_file_location("pretended_worker", folder / "pretended_worker.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # submitit writes down the name alone, for a process that finds the module by PYTHONPATH.
    monkeypatch.setitem(sys.modules, "pretended_worker", module)
    monkeypatch.setattr("cnnjobs.launch.local.workers.run_job", module.run_job)
    return (folder / "behaviour").write_text  # type: ignore[return-value]
