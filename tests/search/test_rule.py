"""The rule of early stopping against W&B's own engine (PyPI `sweeps` 0.3.0), as one worker meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.search.rule import Seen, StoppingRule, Verdict, in_blocks, judge, seen_at

# Written by tools/make_hyperband_golden.py.
GOLDEN = Path(__file__).parents[1] / "golden" / "wandb_hyperband.jsonl"

Histories = list[list[float]]
Stops = Callable[[Histories, int], bool]


def one_after_the_other(curves: Histories, stops: Stops) -> list[int]:
    """Number of iterations of each run where `stops(histories, index)` is asked after each of its iterations."""
    histories: Histories = []
    for index, curve in enumerate(curves):
        histories.append([])
        for value in curve:
            histories[index].append(value)
            if stops(histories, index) and len(histories[index]) < len(curve):
                break
    return [len(each) for each in histories]


def by_us(rule: StoppingRule) -> Stops:
    verdicts: dict[tuple[int, int], Verdict] = {}

    def stops(histories: Histories, index: int) -> bool:
        band = len(histories[index])
        if band not in rule.bands(band):
            return False
        before = [seen.value for (at, _), past in verdicts.items() if at == band for seen in past.seen.values() if seen]
        seen = seen_at(rule, band, {str(index): histories[index]})
        verdict = judge(rule, band, index, before, {index: seen})
        verdicts[band, index] = verdict
        return index in verdict.stopped

    return stops


def test_one_worker_stops_the_runs_that_wandbs_engine_stops_at_the_same_iterations() -> None:
    trials = [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()]
    assert len(trials) == 1000
    stopped = 0
    for trial in trials:
        rule = StoppingRule.model_validate({"metric": "m", "order": "wandb", "goal": trial["goal"], **trial["keys"]})
        curves = trial["curves"]
        lengths = one_after_the_other(curves, by_us(rule))
        assert lengths == trial["lengths"], trial
        stopped += sum(length < len(curve) for length, curve in zip(lengths, curves, strict=True))
    assert stopped > 1000


@pytest.mark.parametrize(
    ("keys", "bands"),
    [
        ({"min_iter": 1}, [1, 3, 9, 27]),
        ({"min_iter": 3}, [3, 9, 27]),
        ({"min_iter": 5, "eta": 1.5}, [5, 7, 11, 16, 25]),
        ({"max_iter": 27, "s": 2}, [3, 9]),
        ({"max_iter": 27, "s": 9}, [1, 3, 9]),
        ({"max_iter": 10, "s": 2, "eta": 2}, [2, 5]),
    ],
)
def test_bands_are_wandbs(keys: dict[str, Any], bands: list[int]) -> None:
    assert StoppingRule(metric="m", goal="minimize", **keys).bands(30) == bands


def test_a_block_keeps_the_best_third_and_the_one_at_the_threshold() -> None:
    rule = StoppingRule(metric="m", goal="maximize", min_iter=1)
    seen = {index: Seen(value=index / 10, best=index / 10) for index in range(9)}
    assert judge(rule, 1, 0, [], seen).stopped == (0, 1, 2, 3, 4)
    assert judge(rule, 1, 1, [0.9] * 9, seen).stopped == tuple(range(9))
    assert judge(rule, 1, 1, [], {9: None}) == Verdict(band=1, block=1, seen={9: None}, threshold=None, stopped=())


def test_a_configuration_counts_by_the_mean_over_its_seeds_that_got_there() -> None:
    rule = StoppingRule(metric="m", goal="minimize", min_iter=2)
    runs = {"a": [0.1, 0.5, 0.0], "b": [0.4, 0.7], "c": [0.2]}
    assert seen_at(rule, 2, runs) == Seen(value=0.6, best=0.25)
    assert seen_at(rule, 3, {"c": [0.2]}) is None


def test_new_configurations_begin_a_new_block() -> None:
    rule = StoppingRule(metric="m", goal="minimize", min_iter=2, eta=2)
    first = in_blocks(rule, [], [(name,) for name in "abcdef"])
    assert [len(block) for block in first] == [4, 2]
    assert in_blocks(rule, first, [(name,) for name in "xafbcdey"]) == [*first, (("x",), ("y",))]
    assert len(in_blocks(rule.model_copy(update={"order": "wandb"}), [], [("a",), ("b",)])) == 2


def test_what_is_no_number_and_wandbs_summary_are_no_iterations() -> None:
    rule = StoppingRule(metric="m", goal="minimize", min_iter=1)
    lines = [{"m": 1}, {"m": "2"}, {"other": 1}, {"m": True}, {"m": 3.0, "source": "wandb.summary"}, {"m": 4.0}]
    assert rule.reported(lines) == [1.0, 4.0]
    assert rule.iteration_line(lines, 2) == 6
