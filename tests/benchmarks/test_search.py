"""Searches replayed on learning curves: the right runs are stopped, and epochs are counted right."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from random import Random
from statistics import fmean
from types import SimpleNamespace
from typing import Any, cast

import pytest

from benchmarks import search, search_optuna
from benchmarks.search_replay import (
    NEVER,
    TableError,
    Trace,
    expected_best,
    quartiles,
    reached_in_the_mean,
    read_curves,
    replay,
    whole_search,
)
from benchmarks.search_rules import METRIC, Asha, Ours, RandomSearch, WandbRule, rule_of
from cnnjobs.disk.record import RunRecord, RunState
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.search.early_stopping import EarlyStopping
from cnnjobs.search.folder import SearchFolder, Stopping
from cnnjobs.search.rule import in_blocks


def curves(seed: int, runs: int = 20, epochs: int = 9) -> list[list[float]]:
    """Curves that rise towards an end of their own, with noise."""
    draw = Random(seed)
    ends = [draw.random() for _ in range(runs)]
    return [[round(0.8 * end + draw.uniform(0, 0.2), 3) for _ in range(epochs)] for end in ends]


def test_targets_and_statistics() -> None:
    finals = [0.3, 0.1, 0.4, 0.2, 0.5]
    for runs in range(1, 6):
        ways = [max(drawn) for drawn in itertools.combinations(finals, runs)]
        assert expected_best(finals, runs) == pytest.approx(fmean(ways))
    early, late = Trace([(10, 5, 0.2), (20, 10, 0.6)]), Trace([(12, 6, 0.3), (14, 7, 0.1)])
    assert early.reached(0.5) == (20, 10)
    assert late.reached(0.5) == (NEVER, NEVER)
    assert [reached_in_the_mean([early, late], target) for target in (0.1, 0.25, 0.45, 0.5)] == [10, 12, 20, NEVER]
    assert quartiles([NEVER, 4, 1, 3, 2, NEVER, NEVER, NEVER]) == (2, 4, NEVER)
    assert whole_search([(10, 0.0), (20, 0.2), (40, 0.4)], 0.3) == pytest.approx(30)
    assert whole_search([(10, 0.2)], 0.1) == 10
    assert whole_search([(10, 0.2)], 0.3) == NEVER


def test_random_search_trains_in_step() -> None:
    table = [[0.1, 0.3], [0.2, 0.5], [0.9, 0.4]]
    assert replay(RandomSearch(3), 1, table).ends == [(2, 2, 0.3), (4, 4, 0.5), (6, 6, 0.4)]
    assert replay(RandomSearch(3), 2, table).ends == [(4, 2, 0.3), (4, 2, 0.5), (6, 4, 0.4)]


@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.parametrize("order", ["blocks", "wandb"])
def test_runs_end_where_the_early_stopping_of_sweeps_ends_them(order: str, workers: int, tmp_path: Path) -> None:
    rule, stopped = rule_of(1, 3, order), 0
    for seed in range(3):
        table = curves(seed)
        trace = replay(Ours(len(table), 9, rule), workers, table)
        assert sorted(trace.epochs) == list(range(len(table)))
        # What is on disk when all are over; whoever looks at it decides the same.
        folders = {str(run): _Folder(str(run), curve[: trace.epochs[run]]) for run, curve in enumerate(table)}
        store = cast("RunStore", SimpleNamespace(path=tmp_path / str(seed), run=folders.__getitem__))
        blocks = tuple(in_blocks(rule, [], [(str(run),) for run in range(len(table))]))
        SearchFolder(store).write_stopping(Stopping(rule=rule, blocks=blocks))
        for run, epochs in trace.epochs.items():
            decision = EarlyStopping(store).decide(str(run))
            assert decision.stops == (epochs < 9), (run, decision)
            assert not decision.waits
            assert not decision.stops or decision.band == epochs
            stopped += decision.stops
    assert stopped > 20


class _Folder:
    def __init__(self, run_id: str, curve: list[float]) -> None:
        self.run_id, self._curve = run_id, curve

    def read_record(self) -> RunRecord:
        return RunRecord(run_id=self.run_id, state=RunState.STOPPED, planned_epochs=9)

    def read_metrics(self, *, windows: bool) -> list[dict[str, Any]]:
        del windows
        return [{METRIC: value, "epoch": float(number)} for number, value in enumerate(self._curve, 1)]


# Epochs of 12 runs as hyperband_stopping.py of PyPI's `sweeps` 0.3.0 stops them, asked in every round about all runs
# at work: by the number of workers, and min_iter.
BY_THE_ENGINE = {
    (1, 1): [9, 9, 9, 9, 1, 9, 1, 1, 9, 1, 9, 1],
    (1, 2): [9, 9, 9, 9, 2, 6, 2, 2, 9, 2, 2, 2],
    (1, 3): [9, 9, 9, 9, 3, 9, 3, 3, 9, 3, 9, 3],
    (3, 1): [1, 2, 4, 9, 1, 6, 1, 1, 9, 1, 9, 1],
    (3, 2): [2, 4, 8, 9, 2, 6, 2, 2, 9, 2, 2, 2],
    (3, 3): [3, 6, 9, 9, 3, 9, 3, 3, 9, 3, 9, 3],
    (8, 1): [1, 1, 3, 4, 1, 4, 1, 1, 9, 1, 9, 1],
    (8, 2): [2, 2, 8, 8, 2, 6, 2, 2, 9, 2, 9, 2],
    (8, 3): [3, 3, 9, 9, 3, 9, 3, 3, 9, 3, 9, 3],
}


@pytest.mark.parametrize(("workers", "min_iter"), BY_THE_ENGINE)
def test_wandbs_rule_is_that_of_its_engine(workers: int, min_iter: int) -> None:
    table = curves(5, runs=12)
    trace = replay(WandbRule(12, 9, rule_of(min_iter, 3)), workers, table)
    assert [trace.epochs[run] for run in range(12)] == BY_THE_ENGINE[workers, min_iter]
    if workers == 1:
        assert trace == replay(Ours(12, 9, rule_of(min_iter, 3, "wandb")), 1, table)


def test_asha_promotes_the_best_third_of_a_rung_as_soon_as_it_is_there() -> None:
    values = [0.3, 0.1, 0.2, 0.9, 0.5, 0.4, 0.6]
    asked: list[int] = []

    class Asked(Asha):
        def take(self) -> int | None:
            run = super().take()
            asked.extend([] if run is None else [run])
            return run

    trace = replay(Asked(7, 9, rule_of(1, 3)), 1, [[value] * 9 for value in values])
    # 0 is the best of the first three; 3 comes and is it of four; of six 4 is the second; 6 takes its place, of seven.
    assert asked == [0, 1, 2, 0, 3, 3, 4, 5, 4, 3, 6, 6]
    assert trace.epochs == {0: 3, 1: 1, 2: 1, 3: 9, 4: 3, 5: 1, 6: 3}
    assert [value for _, _, value in trace.ends] == [0.9]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", None),
        ('{"acc": [0.1, 0.2]}\n\n{"acc": [0.3]}\n', "3: 1 epochs, the lines before have 2"),
        ('{"acc": [0.1]}\n{"acc": [0.1]\n', "2: no JSON"),
        ('{"loss": [0.1]}\n', '1: needs "acc"'),
        ('{"acc": [0.1, NaN]}\n', '1: needs "acc"'),
        ('{"acc": [39.5]}\n', '1: needs "acc"'),
    ],
)
def test_a_table_is_refused_by_its_line(
    text: str, told: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "curves.jsonl"
    file.write_text(text)
    if told:
        with pytest.raises(TableError, match=told):
            read_curves(file)
    with pytest.raises(SystemExit, match="2"):
        search.main([str(file)])
    assert told or "0 curves; --runs allows" in capsys.readouterr().err
    with pytest.raises(TableError, match="cannot be read"):
        read_curves(tmp_path / "none.jsonl")


def test_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "curves.jsonl"
    file.write_text("".join(json.dumps({"acc": curve}) + "\n" for curve in curves(1)))
    monkeypatch.setattr(search_optuna, "is_there", lambda: False)
    words = [str(file), "--runs", "4", "--min-iter", "1", "--orders", "3", "--reports", str(tmp_path)]
    search.main(words)
    assert "optuna is not installed (pip install optuna): its pruners are left out" in capsys.readouterr().out
    found = json.loads(next(tmp_path.glob("*-search.json")).read_text())["numbers"]["min_iter 1"]
    assert len(found) == 10
    assert found["cnnjobs, 1"]["4"]["whole"] == found["cnnjobs, 8"]["4"]["whole"]
    assert found["cnnjobs, order: wandb, 1"] == found["W&B's rule, 1"]
    assert "| at most 0.6 of W&B's rule" in next(tmp_path.glob("*-search.md")).read_text()


@pytest.mark.parametrize("name", search_optuna.PRUNERS)
def test_optuna_prunes_trials_in_the_order_of_the_table(name: str) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed")
    pruner = search_optuna.PRUNERS[name](9, 1, 3)
    trace = replay(search_optuna.Pruned(20, 9, pruner, "order 0"), 8, curves(2))
    assert sorted(trace.epochs) == list(range(20))
    assert trace.ends
    assert trace.spent < 180
