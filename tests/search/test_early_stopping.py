"""Decisions of a search are the same for any number of workers, any speed, any order and any kill."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from cnnjobs.disk.record import RunRecord, RunState
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.search.early_stopping import EarlyStopping
from cnnjobs.search.folder import SearchFolder, Stopping
from cnnjobs.search.rule import StoppingRule, in_blocks


@dataclass
class Run:
    """A run in memory: what it will report, and how far it is."""

    run_id: str
    curve: Sequence[float]
    fails_at: int | None = None
    done: int = 0
    checkpoint: int = 0
    state: RunState = RunState.PENDING
    held: bool = False

    def read_record(self) -> RunRecord:
        return RunRecord(run_id=self.run_id, state=self.state, planned_epochs=len(self.curve))

    def read_metrics(self, *, windows: bool = True) -> list[dict[str, Any]]:
        del windows
        return [{"m": value, "epoch": float(number)} for number, value in enumerate(self.curve[: self.done], 1)]


@dataclass
class Store:
    """The part of a RunStore that decisions are made from."""

    path: Path
    runs: dict[str, Run] = field(default_factory=dict)

    def run(self, run_id: str) -> Run:
        return self.runs[run_id]


def searches(draw: Random) -> tuple[StoppingRule, list[Run], list[tuple[str, ...]]]:
    """A rule and its runs, of which some fail, some are short, and some have several seeds."""
    seeds, length = draw.choice([1, 1, 2]), draw.choice([4, 9, 14])
    rule = StoppingRule(
        metric="m",
        goal=draw.choice(["minimize", "maximize"]),
        min_iter=draw.choice([1, 2]),
        eta=draw.choice([2, 3]),
        strict=draw.choice([True, False]),
        order=draw.choice(["blocks", "blocks", "wandb"]),
    )
    runs, configurations = [], []
    for index in range(draw.randint(1, 14)):
        own = length if draw.random() < 0.8 else draw.randint(1, length)
        ids = tuple(f"{index}-{seed}" for seed in range(seeds))
        configurations.append(ids)
        for run_id in ids:
            fails_at = draw.randint(0, own - 1) if draw.random() < 0.1 else None
            runs.append(Run(run_id, [round(draw.random(), 2) for _ in range(own)], fails_at))
    return rule, runs, configurations


class Cluster:
    """Workers that are killed, wait, park, train on, and look in any order."""

    def __init__(self, store: Store, draw: Random) -> None:
        self.store, self.draw = store, draw
        self.workers = draw.choice([1, 2, 3, 8, 100])
        self.kills, self.speculates = draw.choice([0, 0, 0.1, 0.3]), draw.choice([0, 0.5, 1])
        self.looks = [EarlyStopping(cast("RunStore", store)) for _ in range(3)]

    def train_all(self) -> None:
        for _ in range(20_000):
            open_runs = [run for run in self.store.runs.values() if not run.state.is_settled]
            if not open_runs:
                return
            held = [run for run in open_runs if run.held]
            run = self.draw.choice(held) if len(held) >= self.workers else self.draw.choice(open_runs)
            if not run.held and self.decide(run) is not None and self.draw.random() >= self.speculates:
                continue
            self.step(run)
        pytest.fail("it does not come to its end")

    def decide(self, run: Run) -> str | None:
        decision = self.draw.choice(self.looks).decide(run.run_id)
        if decision.stops:
            run.state, run.done, run.held = RunState.STOPPED, decision.band, False
        return None if decision.goes_on else "waits"

    def step(self, run: Run) -> None:
        if run.state.is_settled:
            return
        if not run.held:
            run.held, run.done = True, run.checkpoint
        if self.draw.random() < self.kills:
            run.held = False
            return
        if run.done == run.fails_at:
            run.held = False
            if self.decide(run) is None and not run.state.is_settled:
                run.state = RunState.FAILED
            return
        if run.done < len(run.curve):
            run.done += 1
            run.checkpoint = run.done if self.draw.random() < 0.7 else run.checkpoint
        waits = self.decide(run)
        if not run.state.is_settled and run.done == len(run.curve):
            run.checkpoint, run.held = run.done, False
            if not waits:
                run.state = RunState.FINISHED
        elif waits and self.draw.random() >= self.speculates:
            run.checkpoint, run.held = run.done, False


def outcome(path: Path, draw: Random, search: tuple[StoppingRule, list[Run], list[tuple[str, ...]]]) -> dict[str, Any]:
    """All that a search leaves, to the byte."""
    rule, runs, configurations = search
    store = Store(path, {run.run_id: Run(run.run_id, run.curve, run.fails_at) for run in runs})
    folder = SearchFolder(cast("RunStore", store))
    folder.write_stopping(Stopping(rule=rule, blocks=tuple(in_blocks(rule, [], configurations))))
    Cluster(store, draw).train_all()
    files = {file.name: file.read_bytes() for file in folder.path.iterdir()}
    shutil.rmtree(path)
    return {**files, **{run.run_id: (run.state, run.done) for run in store.runs.values()}}


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Path]:
    return (tmp_path / str(number) for number in range(10_000))


def test_500_histories_of_one_search_end_alike(places: Iterator[Path]) -> None:
    stopped = 0
    for trial in range(250):
        search = searches(Random(trial))
        first, second = (outcome(next(places), Random(f"{trial} {number}"), search) for number in range(2))
        assert first == second, trial
        stopped += sum(each[0] is RunState.STOPPED for each in first.values() if isinstance(each, tuple))
    assert stopped > 500


def test_a_run_that_failed_before_its_band_and_was_tried_again_meets_the_verdict_of_then(tmp_path: Path) -> None:
    rule = StoppingRule(metric="m", goal="maximize", min_iter=1)
    values = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4, "e": 0.5, "f": 0.6}
    store = Store(tmp_path, {name: Run(name, [value] * 9, done=1) for name, value in values.items()})
    store.runs["a"] = Run("a", [0.1] * 9, state=RunState.FAILED)
    search = cast("RunStore", store)
    SearchFolder(search).write_stopping(Stopping(rule=rule, blocks=(tuple((name,) for name in values),)))
    assert [EarlyStopping(search).decide(name).stops for name in "bcdef"] == [True, True, True, False, False][:5]
    store.runs["a"] = Run("a", [0.1] * 9, done=1, state=RunState.RUNNING)
    assert EarlyStopping(search).decide("a").stops
    store.runs["a"] = Run("a", [0.9] * 9, done=1, state=RunState.RUNNING)
    assert EarlyStopping(search).decide("a").goes_on


def test_a_damaged_verdict_is_found_again(tmp_path: Path) -> None:
    rule = StoppingRule(metric="m", goal="minimize", min_iter=1, order="wandb")
    store = cast("RunStore", Store(tmp_path, {"a": Run("a", [0.1, 0.2], done=1)}))
    folder = SearchFolder(store)
    folder.write_stopping(Stopping(rule=rule, blocks=((("a",),),)))
    assert EarlyStopping(store).decide("a").goes_on
    whole = folder.verdict_file(1, 0).read_bytes()
    folder.verdict_file(1, 0).write_bytes(whole[:20])
    assert EarlyStopping(store).decide("a").goes_on
    assert folder.verdict_file(1, 0).read_bytes() == whole
    assert folder.verdict_file(1, 0).with_name("band-0001-block-0000.json.damaged").read_bytes() == whole[:20]
