"""Turns of a search: what a job takes up next."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnjobs.disk.record import RunRecord, RunState
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.launch.plan.search import plan_search
from cnnjobs.search.proposals import Proposals
from cnnjobs.sweep.file import read_sweep
from cnnjobs.system.stop_request import StopRequest
from cnnjobs.worker.environment import JobEnvironment
from cnnjobs.worker.job import Job
from cnnjobs.worker.search.turns import turns

SWEEP = """\
method: bayes
run_cap: 4
metric: {name: score, goal: maximize}
program: train.py
parameters: {lr: {min: 0.0, max: 1.0}}
search: {startup: 2, parallel: 1}
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """A search whose first two runs have finished."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("")
    file, store = tmp_path / "one.yaml", RunStore(tmp_path / "results" / "one")
    file.write_text(SWEEP)
    sweep = read_sweep(file)
    store.keep_sweep_file(SWEEP)
    plan_search(sweep, store).write_down(store)
    for run in sweep.runs:
        folder = store.run(run.run_id)
        folder.create(run.config)
        folder.write_record(RunRecord(run_id=run.run_id, state=RunState.FINISHED, metrics={"score": 0.5}))
    return store


def job_of(store: RunStore) -> Job:
    folders = [folder.run_id for folder in store.runs()]
    return Job(store=store.path, run_ids=tuple(folders), data_folders=(), threads=1, gpu=None)


def test_a_run_that_was_proposed_by_a_job_that_died_gets_its_folder(store: RunStore) -> None:
    proposing = read_sweep(store.sweep_file).proposing
    assert proposing is not None
    proposals = Proposals.of(store, lambda: proposing.space)
    assert proposals is not None
    proposal = proposals.next()
    assert proposal is not None
    (run_id,) = proposal.runs
    assert not store.run(run_id).path.exists()
    environment = JobEnvironment()
    environment.join_search(store)
    found = next(iter(turns(job_of(store), StopRequest(), environment)))
    assert found == ((run_id,), "")
    assert store.run(run_id).config_file.exists()


def test_one_after_the_other_is_proposed_until_there_are_as_many_as_asked_for(store: RunStore) -> None:
    environment, taken = JobEnvironment(), []
    environment.join_search(store)
    for (run_id,), _ in turns(job_of(store), StopRequest(), environment):
        taken.append(run_id)
        done = RunRecord(run_id=run_id, state=RunState.FINISHED, metrics={"score": 0.1})
        store.run(run_id).write_record(done)
    assert len({*taken}) == 2
    assert len(store.runs()) == 4
