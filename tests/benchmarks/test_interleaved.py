"""Windows of live processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import steps
from benchmarks.interleaved import Rounds, Window, spread


def window(steps: int, *, disturbed: bool = False) -> Window:
    return Window(steps=steps, seconds=2.0, processor_s=1.0, others=0.0, disturbed=disturbed)


def test_a_ratio_is_the_median_over_rounds_and_leaves_out_disturbed_ones() -> None:
    fast = [window(60), window(80), window(1000, disturbed=True), window(100)]
    slow = [window(20), window(20), window(20), window(20, disturbed=True)]
    rounds = Rounds({"fast": fast, "slow": slow})
    ratio = rounds.ratio("fast", "slow")
    assert (ratio.n, ratio.median, ratio.disturbed) == (2, 3.5, False)
    assert rounds.good("fast", "slow") == 2
    assert rounds.extra_ms("slow", "fast").median == pytest.approx(
        (1e3 * (2 / 20 - 2 / 60) + 1e3 * (2 / 20 - 2 / 80)) / 2
    )


def test_where_every_round_was_disturbed_all_count_and_it_is_said() -> None:
    rounds = Rounds({"a": [window(3, disturbed=True)], "b": [window(1)]})
    assert str(rounds.ratio("a", "b")) == "3 (n = 1, disturbed)"
    assert str(spread([])) == "not measured"
    assert str(spread([1.0, 2.0, 3.0])) == "2 (1.5 to 2.5, n = 3)"


def test_the_smallest_form_of_the_steps(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["--models", "lenet5", "--sides", "sources", "--pairs", "1", "--seconds", "0.01", "--threads", "1"]
    steps.main([*words, "--images", "640", "--device", "cpu", "--reports", str(tmp_path)])
    numbers = json.loads(next(tmp_path.glob("*-steps.json")).read_text())["numbers"]
    windows = numbers["rounds"]["LeNet-5"]["windows"]
    assert set(windows) == {"cnnjobs", "sources", "peak float32"}
    assert all(each["steps"] > 0 and each["seconds"] > 0 for own in windows.values() for each in own)
    page = next(tmp_path.glob("*-steps.md")).read_text()
    assert page in capfd.readouterr().out
    assert "| LeNet-5 | cnnjobs | " in page
    assert "640 training images" in page
