from __future__ import annotations

from typing import Any

import pytest

from cnnjobs.config.yaml import Node
from cnnjobs.sweep.space.conditions import Condition, fits, same


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (0, False, False),
        (False, False, True),
        ("1", 1, False),
        ([1, [2]], [1.0, [2]], True),
        ([True], [1], False),
        ([1], [1, 2], False),
        (None, None, True),
    ],
)
def test_values_are_the_same_as_numbers_but_not_as_booleans(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal
    assert same(other, one) is equal


@pytest.mark.parametrize(
    ("key", "value", "wanted", "expected"),
    [
        ("lr", 0.1, 0.1, True),
        ("lr", 0.1, [0.2, 0.1], True),
        ("lr", 0.1, [0.2], False),
        ("model.filters", [8, 16], [8, 16], True),
        ("model.filters", [8, 16], [[8, 16], [32]], True),
        ("model.filters", [8], [[8, 16], [32]], False),
        ("augment", [{"name": "flip", "probability": 0.5}], ["flip"], True),
        ("augment", ["flip"], [{"name": "flip", "probability": 0.5}], True),
        ("augment", ["flip"], [{"name": "flip", "probability": 0.25}], False),
        ("augment", ["flip"], [["crop"], ["flip"]], True),
        ("augment", ["flip"], [], False),
        ("augment", [], [], True),
        ("augment", ["flip"], ["mine:unknown"], False),
        ("augment", ["flip"], [{"name": "flip", "nothing": 1}], False),
    ],
)
def test_a_value_fits_as_a_whole_or_as_one_of_a_list(key: str, value: Any, wanted: Any, expected: bool) -> None:
    assert fits(key, value, wanted) is expected


def test_a_condition_holds_where_every_key_fits() -> None:
    condition = Condition(1, {"model": Node("cnn", 1), "lr": Node([Node(0.1, 1), Node(0.2, 1)], 1)})
    assert condition.holds({"model": "cnn", "lr": 0.2, "epochs": 3}.get)
    assert not condition.holds({"model": "cnn", "lr": 0.3}.get)
    assert not condition.holds({"lr": 0.1}.get)
