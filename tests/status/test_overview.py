from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest

from cnnjobs.disk.run_folder import RunState, RunStore
from cnnjobs.disk.submission_folder import JobArray, SubmissionFolder
from cnnjobs.status.overview import Overview, overview
from cnnjobs.status.sweeps import OpenSweep
from cnnjobs.sweep.file import Sweep

Put = Callable[..., None]


@pytest.fixture
def look(sweep: Sweep, store: RunStore) -> Callable[[], Overview]:
    return lambda: overview(OpenSweep(sweep, store, "four.yaml"), " --results elsewhere")


def test_what_to_type_next(sweep: Sweep, store: RunStore, put: Put, look: Callable[[], Overview]) -> None:
    put(0, RunState.FAILED)
    assert look().next_command == "cnnjobs local four.yaml --results elsewhere"
    for index in (1, 2, 3):
        put(index, RunState.FINISHED)
    assert "retry" in look().next_command
    assert look().next_command.endswith(" --results elsewhere")
    put(0, RunState.FINISHED)
    assert look().next_command == "cnnjobs report four.yaml --results elsewhere"


def test_who_launches_it_now(store: RunStore, look: Callable[[], Overview]) -> None:
    with store.launching():
        seen = look()
    assert seen.launcher == f"process {os.getpid()} on {os.uname().nodename}"
    assert seen.next_command.startswith("cnnjobs status four.yaml ")
    assert look().launcher is None


def test_an_interrupted_run_has_one_next_command(
    sweep: Sweep, store: RunStore, put: Put, look: Callable[[], Overview], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnnjobs.slurm.queue.ask", lambda *_, **__: "")
    put(0, RunState.INTERRUPTED, cause="stopped")
    seen = look()
    assert seen.next_for(seen.snapshot.runs[0]) == seen.next_command == "cnnjobs local four.yaml --results elsewhere"
    with store.launching():
        assert look().next_for(seen.snapshot.runs[0]) is None
    folder = SubmissionFolder(store.jobs_folder / "first")
    tasks = [[run.run_id] for run in sweep.runs]
    folder.write_array(JobArray(job_name="j", tasks=tasks, store=store.path, created="2026", host="h", user="u"))
    seen = look()
    assert seen.next_for(seen.snapshot.runs[0]) == seen.next_command == "cnnjobs sweep four.yaml --results elsewhere"


def test_the_best_metric_is_final_or_so_far(
    sweep: Sweep, store: RunStore, put: Put, look: Callable[[], Overview]
) -> None:
    put(0, RunState.FINISHED, metrics={"validation.accuracy": 0.5})
    put(1, RunState.INTERRUPTED)
    lines = [{"step": step, "validation.accuracy": value} for step, value in enumerate((0.3, 0.4, 0.2))]
    for index in (0, 1):
        store.run(sweep.runs[index].run_id).metrics_file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert look().best == {sweep.runs[0].run_id: 0.5, sweep.runs[1].run_id: 0.4}
