"""The tables as they stand on the terminal."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from cnnjobs.console.network.layers import show_layers
from cnnjobs.console.runs.plan import show_plan, show_planned_runs
from cnnjobs.console.runs.results import show_results
from cnnjobs.console.runs.status import show_status
from cnnjobs.disk.run_folder import Attempt, RunRecord, RunState, RunStore
from cnnjobs.launch.plan.plan import make_plan
from cnnjobs.report.results.table import ResultsTable
from cnnjobs.status.overview import overview
from cnnjobs.status.sweeps import OpenSweep
from cnnjobs.sweep.file import Sweep, SweepRun, read_sweep
from cnnjobs.training.networks.layer_table import layer_table


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def store(sweep: Sweep, tmp_path: Path) -> RunStore:
    """The first two runs finished, the third failed."""
    made = RunStore(tmp_path / "results" / "four")
    attempt = Attempt(number=1, host="h", pid=1, started="2026-01-01T00:00:00+00:00")
    for index, run in enumerate(sweep.runs[:3]):
        folder = made.run(run.run_id)
        folder.create(run.config)
        record = RunRecord(run_id=run.run_id, attempts=(attempt,), state=RunState.FAILED, cause="diverged at step 7")
        if index < 2:
            values = {"validation.accuracy": 0.8 + 0.02 * index, "test.accuracy": 0.75, "test.loss": 0.5 + index}
            done = {"state": RunState.FINISHED, "cause": None, "metrics": values, "epochs_done": 10.0}
            record = record.model_copy(update=done)
        folder.write_record(record)
    return made


def test_plan(sweep: Sweep, store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    plan = make_plan(sweep, store)
    show_plan(plan)
    show_planned_runs(plan)
    ids = [run.run_id for run in sweep.runs]
    assert lines(capsys) == [
        "four: 4 runs: 1 new, 2 finished, 1 failed",
        f"   finished  hidden=[] seed=0    {ids[0]}  kept",
        f"   finished  hidden=[] seed=1    {ids[1]}  kept",
        f"   failed    hidden=[64] seed=0  {ids[2]}  diverged at step 7",
        f"   new       hidden=[64] seed=1  {ids[3]}  not run yet",
    ]


def test_status(sweep: Sweep, store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    show_status(overview(OpenSweep(sweep, store, "four")))
    assert lines(capsys) == [
        "four: 4 runs: 1 pending, 2 finished, 1 failed",
        "state     run                 epoch  best validation.accuracy  test accuracy  time",
        "finished  hidden=[] seed=0    10/10                    80.0 %         75.0 %",
        "finished  hidden=[] seed=1    10/10                    82.0 %         75.0 %",
        "failed    hidden=[64] seed=0   0/10",
        "pending   hidden=[64] seed=1   0/10",
        f"hidden=[64] seed=0: diverged at step 7; next: cnnjobs logs {sweep.runs[2].run_id}",
        "next: cnnjobs local four",
    ]


def test_a_note_of_many_runs_is_told_once(sweep: Sweep, store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    for run in sweep.runs[:2]:
        folder = store.run(run.run_id)
        folder.write_record(folder.read_record().model_copy(update={"notes": ("trained on the CPU",)}))
    show_status(overview(OpenSweep(sweep, store, "four")))
    notes = [line for line in lines(capsys) if ": note: " in line]
    assert notes == ["hidden=[] seed=0, hidden=[] seed=1: note: trained on the CPU"]


def test_results(sweep: Sweep, store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    show_results(ResultsTable.load(sweep, store))
    assert lines(capsys) == [
        "configuration  validation accuracy   test accuracy        test loss    runs",
        "hidden=[]           81.00 ± 1.41 %  75.00 ± 0.00 %  1.0000 ± 0.7071       2",
        "hidden=[64]                                                          0 of 2",
        "mean ± standard deviation over the finished runs of each configuration",
    ]


def test_layers(capsys: pytest.CaptureFixture[str]) -> None:
    network = nn.Sequential(
        OrderedDict(body=nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten()), fc=nn.Linear(256, 10))
    )
    network.body[0].weight.requires_grad_(False)
    show_layers(layer_table(network, (3, 8, 8)), "tiny: 10 classes")
    assert lines(capsys) == [
        "tiny: 10 classes, input 3×8×8",
        "layer   type     filters or units  kernel  stride  padding  activation",
        "body.0  Conv2d                  4     3×3       1        1        ReLU",
        "body.2  Flatten",
        "fc      Linear                 10",
        "",
        "layer   type     input shape  output shape  parameters  trainable  multiply-accumulates",
        "body.0  Conv2d         3×8×8         4×8×8         112          4                 6,912",
        "body.1  ReLU           4×8×8         4×8×8",
        "body.2  Flatten        4×8×8           256",
        "fc      Linear           256            10       2,570      2,570                 2,560",
        "total                                            2,682      2,574                 9,472",
        "",
        "stage  output shape  parameters  trainable  multiply-accumulates",
        "body            256         112          4                 6,912",
        "fc               10       2,570      2,570                 2,560",
        "total                     2,682      2,574                 9,472",
        "2,574 of 2,682 parameters train, 108 are frozen",
    ]


def test_a_long_status_shows_some_of_every_state_and_each_cause_once(
    sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = replace(sweep, runs=read_many(sweep, tmp_path))
    made = RunStore(tmp_path / "results" / "many")
    for index, run in enumerate(many.runs[:300]):
        made.run(run.run_id).create(run.config)
        state = RunState.FINISHED if index < 200 else RunState.FAILED
        cause = None if index < 200 else "diverged at step 7"
        made.run(run.run_id).write_record(RunRecord(run_id=run.run_id, state=state, cause=cause))
    show_status(overview(OpenSweep(many, made, "many"), " --results other"))
    told = lines(capsys)
    assert len(told) == 45
    assert [sum(line.startswith(state) for line in told) for state in ("failed", "finished", "pending")] == [16, 12, 12]
    assert told[-3:] == [
        "… and 960 more: every run with --all",
        "100 failed (seed=200, seed=201, seed=202 and 97 more): diverged at step 7;"
        " next: cnnjobs logs many --failed --results other",
        "next: cnnjobs local many --results other",
    ]
    show_status(overview(OpenSweep(many, made, "many")), every_run=True)
    assert len(lines(capsys)) == 1004


def read_many(sweep: Sweep, folder: Path) -> tuple[SweepRun, ...]:
    (folder / "many.yaml").write_text("name: many\nbase: {dataset: fashion_mnist_mini, model: lenet5}\nseeds: 1000\n")
    return read_sweep(folder / "many.yaml").runs
