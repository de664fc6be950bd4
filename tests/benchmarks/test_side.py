"""The windows of a side: what is counted in them, and when the clock runs."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmarks import reports, side, steps, utilisation
from benchmarks.side import Gate, Over

SHORT = {"seconds": 0.0}


def told(work: Callable[[Gate], None], orders: Sequence[dict[str, Any]], device: str = "cpu") -> list[dict[str, Any]]:
    """Answers of a side while it does this work, with windows as long as `orders` say."""
    replies = io.StringIO()
    gate = Gate(io.StringIO("".join(json.dumps(order) + "\n" for order in orders)), replies)
    gate.reset(device)
    with pytest.raises(Over):
        work(gate)
    return [json.loads(line) for line in replies.getvalue().splitlines()]


def test_a_window_counts_what_is_done_from_its_start_to_its_end() -> None:
    def convolve(gate: Gate) -> None:
        while True:
            gate(2.5)

    ready, *windows = told(convolve, [SHORT, SHORT])
    assert ready == {"ready": True}
    assert [window["steps"] for window in windows] == [2.5, 2.5]
    assert all(window["seconds"] > 0 for window in windows)


def test_batches_that_were_made_while_a_side_waited_are_not_counted() -> None:
    seen = []

    def train(gate: Gate) -> None:
        gate.lead = 3
        while True:
            gate()
            seen.append(1)

    _, *windows = told(train, [SHORT, SHORT])
    assert [window["steps"] for window in windows] == [1, 1]
    assert len(seen) == 2 * (3 + 1)


def test_on_a_gpu_the_clock_starts_and_stops_when_its_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: events.append("done"))
    monkeypatch.setattr(side, "time", SimpleNamespace(
        perf_counter=lambda: events.append("clock") or float(len(events)), process_time=lambda: 0.0,
    ))  # fmt: skip

    def train(gate: Gate) -> None:
        while True:
            gate()
            events.append("step")

    told(train, [SHORT, SHORT], "cuda")
    # Ready; then the start, a step, the look at the clock, the end, twice.
    assert events == ["done", *["done", "clock", "step", "clock", "done", "clock"] * 2]


def test_a_gpu_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reports, "gpu_name", lambda: None)
    with pytest.raises(SystemExit, match="2"):
        steps.main(["--device", "cuda"])
    assert "torch finds no GPU here" in capsys.readouterr().err


def test_utilisation_is_asked_for_while_a_side_works(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    monkeypatch.setattr(utilisation, "_LAG_S", 0.0)
    monkeypatch.setattr(utilisation, "_WATCHED_S", 0.01)
    monkeypatch.setattr(utilisation, "_EVERY_S", 0.02)
    monkeypatch.setattr(utilisation, "busy_share", lambda: events.append("asked") or 0.4)
    one = SimpleNamespace(
        wait=lambda: None, begin=lambda _: events.append("begin"), answer=lambda: events.append("answer")
    )
    found = utilisation.watch({"cnnjobs": one})
    assert events == ["begin", "asked", "answer"]
    assert "| LeNet-5 | 0.4 (n = 1) |" in utilisation.part({"LeNet-5": found})
    monkeypatch.setattr(utilisation, "busy_share", lambda: None)
    assert "neither NVML nor nvidia-smi tells it" in utilisation.part({"LeNet-5": utilisation.watch({"cnnjobs": one})})
    assert "no GPU here" in utilisation.part({})


def test_without_a_gpu_its_share_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: int) -> int:
        raise ModuleNotFoundError("nvidia-ml-py")

    monkeypatch.setattr(torch.cuda, "utilization", lambda _: 73)
    assert utilisation.busy_share() == 0.73
    monkeypatch.setattr(torch.cuda, "utilization", missing)
    monkeypatch.setenv("PATH", "")
    assert utilisation.busy_share() is None
