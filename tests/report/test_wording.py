from __future__ import annotations

import pytest

from cnnjobs.report.results.statistics import summarise
from cnnjobs.report.text import numbers


def test_accuracies_are_percent_and_losses_are_not() -> None:
    values = summarise([0.74, 0.75])
    assert numbers.mean_and_sd("test.accuracy", values) == "74.50 ± 0.71 %"
    assert numbers.mean_and_sd("test.loss", values) == "0.7450 ± 0.0071"
    assert numbers.mean_and_sd("test.accuracy", summarise([0.74])) == "74.00 %"
    assert numbers.mean_and_sd("test.accuracy", summarise([])) == "–"
    assert numbers.number("test.loss", None) == "–"


def test_differences_have_a_sign_and_a_unit() -> None:
    assert numbers.change("test.accuracy", -0.012) == "−1.20 points"
    assert numbers.change("test.loss", 0.05) == "+0.0500"
    assert numbers.interval("test.accuracy", summarise([0.01, 0.02])) == "−4.85 to +7.85 points"
    assert numbers.interval("test.loss", summarise([0.01])) == "–"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (3600, "1 h 00 min"), (90_061, "25 h 01 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert numbers.duration(seconds) == text


def test_counts_and_lists() -> None:
    assert numbers.counted(1, "run") == "1 run"
    assert numbers.counted(1200, "run") == "1,200 runs"
    assert numbers.listed(["a"]) == "a"
    assert numbers.listed(["a", "b", "c"]) == "a, b and c"
    assert [numbers.quantity(count) for count in (640, 20_771_968, 1.8136e9)] == ["640", "20.8 M", "1.81 G"]


def test_values_look_as_in_the_sweep_file() -> None:
    values = [0.05, 1e-05, True, None, [16, 32], "cnn"]
    assert [numbers.value_text(value) for value in values] == ["0.05", "1e-05", "true", "null", "[16, 32]", "cnn"]
    assert [numbers.brief(value) for value in (0.1234567890, 1e-05, 3, True)] == ["0.123457", "1e-05", "3", "true"]
