"""Attempts of made-up programs, broken off anywhere: what counts in the end is what an undisturbed one reports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from cnnjobs.disk.metric_lines import whole_lines
from cnnjobs.programs.lines import Lines
from cnnjobs.programs.reported import Reported

EPOCHS, BATCHES = 6, 3


def reports(form: str, first_epoch: int) -> Iterator[tuple[int, Reported]]:
    """Reports of a program from an epoch on: losses of batches and an accuracy; the epoch beside each."""
    for epoch in range(first_epoch, EPOCHS):
        for batch in range(BATCHES):
            step = epoch * BATCHES + batch
            yield epoch, report(form, step, epoch, {"loss": 1 / (1 + step)})
        last = epoch * BATCHES + BATCHES - 1
        yield epoch, report(form, last, epoch, {"acc": epoch / EPOCHS})
    yield EPOCHS, report(form, EPOCHS * BATCHES, EPOCHS, {"test": 0.5})


def report(form: str, step: int, epoch: int, metrics: dict[str, Any]) -> Reported:
    if form == "step":
        return Reported("wandb", metrics, step=step)
    if form == "step among them":
        return Reported("cnnjobs.log", {**metrics, "step": step})
    return Reported("wandb", {**metrics, "epoch": epoch})


def counting(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    lines, damage = whole_lines(b"".join(json.dumps(line).encode() + b"\n" for line in content))
    assert damage is None
    return [line for _, line in lines]


def table(lines: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Values of each metric, in the order of its steps."""
    told = [(name, line["step"], line[name]) for line in lines for name in ("loss", "acc", "test") if name in line]
    return sorted(told)


@example(form="epoch", saves="known", lives=[12, 1])
@given(
    form=st.sampled_from(["step", "step among them", "epoch"]),
    saves=st.sampled_from(["known", "own place", "never"]),
    lives=st.lists(st.integers(1, 20), max_size=4),
)
def test_what_counts_is_what_an_undisturbed_one_reports(form: str, saves: str, lives: list[int]) -> None:
    undisturbed = [*Lines(1, (), goes_on=False, seconds=lambda: 0.0).lines([each for _, each in reports(form, 0)])]
    content: list[dict[str, Any]] = []
    saved = 0
    for attempt, life in enumerate([*lives, 10_000], 1):
        goes_on = saves == "known" and saved > 0
        lines = Lines(attempt, counting(content), goes_on=goes_on, seconds=lambda: 0.0)
        for number, (epoch, each) in enumerate(reports(form, saved if saves != "never" else 0)):
            if number == life:
                break
            content += lines.lines([each])
            # An epoch is saved when the next one begins.
            saved = max(saved, epoch)
        content += lines.began_anew()
    assert table(counting(content)) == table(undisturbed)
