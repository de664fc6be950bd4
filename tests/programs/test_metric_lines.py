"""Lines of programs among those that count; a crash may leave any prefix of them."""

from __future__ import annotations

import json
from typing import Any

from cnnjobs.disk.metric_lines import whole_lines


def counting(*lines: dict[str, Any]) -> list[dict[str, Any]]:
    content = b"".join(json.dumps({"source": "wandb", **line}).encode() + b"\n" for line in lines)
    found, damage = whole_lines(content)
    assert damage is None
    return [{name: value for name, value in line.items() if name != "source"} for _, line in found]


def test_all_lines_of_one_attempt_count() -> None:
    lines = [
        {"attempt": 1, "step": 5, "train/loss": 1},
        {"attempt": 1, "step": 5, "val.acc": "good"},
        {"attempt": 1, "step": 0, "test": None},
        {"attempt": 1, "step": 5, "windows": 3, "lr": "fast"},
    ]
    assert counting(*lines) == lines


def test_a_newer_attempt_replaces_each_metric_from_its_own_first_step_on() -> None:
    first = [{"attempt": 1, "step": step, "loss": 1, **({"acc": 1} if step % 2 else {})} for step in range(4)]
    second = [{"attempt": 2, "step": 2, "loss": 2}, {"attempt": 2, "step": 3, "loss": 2}]
    kept = counting(*first, *second)
    assert kept == [*first[:2], {"attempt": 1, "step": 3, "acc": 1}, *second]
    assert counting(*first, *second, {"attempt": 2, "step": 3, "acc": 2})[2:] == [
        *second,
        {"attempt": 2, "step": 3, "acc": 2},
    ]


def test_one_that_begins_anew_replaces_everything_and_an_older_copy_adds_nothing() -> None:
    first = [{"attempt": 1, "step": step, "loss": 1, "acc": 1} for step in range(4)]
    anew = {"attempt": 2, "step": 0, "loss": 2, "anew": True}
    late = {"attempt": 1, "step": 9, "loss": 1}
    assert counting(*first, anew, late) == [anew]


def test_a_line_without_numbers_for_its_place_is_damage() -> None:
    for broken in ({"step": "x"}, {"step": 1, "attempt": None}, {"step": 1, "seconds": "x"}, {"loss": 1}):
        content = json.dumps({"source": "wandb", **broken}).encode() + b"\n"
        assert whole_lines(content) == ([], "line 1 holds no metrics")
