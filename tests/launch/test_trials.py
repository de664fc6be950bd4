"""Runs tried before the start: one of each kind, each cause once and at its line, remembered by its content."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.disk.run_folder import RunStore
from cnnjobs.errors import SpecError
from cnnjobs.launch.plan import trials
from cnnjobs.launch.plan.plan import Plan, make_plan
from cnnjobs.launch.plan.trials import try_runs
from cnnjobs.sweep.file import read_sweep
from cnnjobs.training.networks.asked import Answer, Request

HEAD = """\
name: own
base: {dataset: fashion_mnist_mini, epochs: 1}
method: grid
parameters:
"""
NETWORKS = """\
import torch
from torch import nn

class Good(nn.Module):
    def __init__(self, in_channels, num_classes, image_size, *, width: int = 4):
        super().__init__()
        self.body, self.head = nn.Conv2d(in_channels, width, image_size - 1), nn.Linear(width * 4, num_classes)
    def forward(self, x):
        return self.head(self.body(x).view(len(x), -1))

class Wide(Good):
    def forward(self, x):
        return self.body(x).mean((2, 3))

class Pair(Good):
    def forward(self, x):
        return super().forward(x), x

def packaged(in_channels, num_classes):
    import no_such_package

def parsed(in_channels, num_classes):
    import argparse
    argparse.ArgumentParser().parse_args(["--no-such"])

def greedy(in_channels, num_classes):
    # No byte of it is touched: only a limit keeps it from being had.
    import numpy as np
    from cnnjobs.system.memory import free_memory
    return np.empty(max(5 << 30, 3 * free_memory() // 4), np.uint8)

def gone(in_channels, num_classes):
    import os
    os._exit(0)
"""


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Plan]:
    """The plan of a sweep whose parameters are given, in a folder with networks of one's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CNNJOBS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    name = f"nets_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(NETWORKS)

    def plan(parameters: str) -> Plan:
        (tmp_path / "own.yaml").write_text(HEAD + parameters.replace("nets:", f"{name}:"))
        sweep = read_sweep(Path("own.yaml"))
        return make_plan(sweep, RunStore(tmp_path / "results" / sweep.name))

    return plan


Answering = Callable[..., list[Request]]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Answering:
    """A process that gives these answers to all requests, which are kept."""

    def answer(*answers: Answer, said: str = "", code: int = 0) -> list[Request]:
        requests: list[Request] = []

        def run(place: Path) -> int:
            requests.append(Request.model_validate_json((place / "request.json").read_bytes()))
            (place / "said").write_text(said)
            (place / "answers").write_text("".join(f"{each.model_dump_json()}\n" for each in answers))
            return code

        monkeypatch.setattr(trials, "_run", run)
        return requests

    return answer


def test_each_cause_is_told_once_at_its_line(planned: Callable[[str], Plan]) -> None:
    plan = planned(
        "  lr: {values: [0.1, 0.2]}\n"
        "  model:\n    values:\n      - nets:Good\n      - nets:Wide\n      - nets:Pair\n      - nets:packaged\n"
        "      - nets:parsed\n      - {name: cnn, filters: [4, 4, 4, 4, 4, 4], kernel_size: 3}\n      - nets:gone\n"
    )
    with pytest.raises(SpecError) as raised:
        try_runs(plan, (), at_start=True)
    told = {mistake.line: mistake.found for mistake in raised.value.mistakes}
    assert len(told) == len(raised.value.mistakes)
    assert list(told) == [9, 10, 11, 12, 13, 14]
    assert {mistake.key for mistake in raised.value.mistakes} == {"model"}
    assert "gives (2, 4) for 2 images, not logits (2, 10); the data set has 10 classes" in told[9]
    assert "gives tuple of 2 for 2 images" in told[10]
    assert "its code imports `no_such_package`, which Python does not find" in told[11]
    assert "its code ends Python as it is imported or built (exit code 2)" in told[12]
    assert "28" in told[13]
    assert "its code ends the process (exit code 0)" in told[14]


def test_what_takes_all_memory_is_left_to_the_runs(planned: Callable[[str], Plan]) -> None:
    (notice,) = try_runs(planned("  model: {values: ['nets:greedy']}\n"), (), at_start=False)
    assert "could not be tried on this machine, each run tries its own: the machine's memory is full" in notice


def test_what_was_found_good_is_not_tried_again(planned: Callable[[str], Plan], answering: Answering) -> None:
    plan = planned("  model: {values: ['nets:Good', lenet5]}\n")
    (note,) = try_runs(plan, (), at_start=True)
    assert note.startswith("model `nets_")
    assert "memory format contiguous" in note
    requests = answering()
    assert try_runs(plan, (), at_start=True) == (note,)
    assert requests == []
    file = next(Path().glob("nets_*.py"))
    file.write_text(f"{NETWORKS}\n# changed\n")
    try_runs(make_plan(plan.sweep, plan.store), (), at_start=True)
    assert [run.config["model"]["name"] for run in requests[0].runs] == [f"{file.stem}:Good"]


def test_a_dry_run_tries_what_is_ones_own_alone(planned: Callable[[str], Plan], answering: Answering) -> None:
    requests = answering(Answer(number=0))
    assert try_runs(planned("  model: {values: [lenet5, cnn]}\n".replace("cnn", "mnist_cnn")), (), at_start=False) == ()
    assert requests == []
    try_runs(planned("  model: {values: [lenet5, 'nets:Good']}\n"), (), at_start=False)
    assert len(requests[0].runs) == 1
    plan = planned("  freeze: {values: [[conv1], [fc3]]}\n  model: {values: [lenet5]}\n")
    answering(Answer(number=0), Answer(number=1, cause="freeze: `fc3` matches no module", key="freeze"))
    with pytest.raises(SpecError, match=r"^own.yaml:5: freeze: `fc3` matches no module$"):
        try_runs(plan, (), at_start=False)


def test_every_part_is_tried_once_and_not_their_products(planned: Callable[[str], Plan], answering: Answering) -> None:
    requests = answering(*(Answer(number=number) for number in range(6)))
    plan = planned(
        "  model: {values: [lenet5, mnist_cnn]}\n  optimizer: {values: [sgd, adam, adamw]}\n"
        "  schedule: {values: [constant, cosine]}\n  batch_size: {values: [8, 16, 32]}\n"
        "  lr: {values: [0.1, 0.2, 0.3]}\n  weight_decay: {values: [0, 0.1]}\n"
    )
    assert len(plan.to_run) == 216
    try_runs(plan, (), at_start=True)
    tried = [run.config for run in requests[0].runs]
    assert len(tried) <= 7
    for key, number in (("optimizer", 3), ("schedule", 2), ("model", 2)):
        assert len({config[key]["name"] for config in tried}) == number
    assert {config["batch_size"] for config in tried} == {8, 16, 32}


@pytest.mark.parametrize(
    ("answers", "said", "code", "told"),
    [
        ([Answer(missing="No module named 'torch'")], "", 0, "nothing was tried before the start, each run tries its"),
        ([Answer(number=0, begun=True)], "", -9, "its process ended with code -9 with model `lenet5`"),
        ([], "Traceback (most recent call last):\nOSError: no room", 1, "ended with code 1 (OSError: no room)"),
        ([], "", -1000, "it took too long"),
        (
            [Answer(number=0, cause="No CUDA GPUs are available", key="model")],
            "",
            0,
            "model: could not be tried on this machine, each run tries its own: No CUDA GPUs are available",
        ),
    ],
)
def test_what_cannot_be_tried_here_is_left_to_the_runs(
    planned: Callable[[str], Plan], answering: Answering, answers: Any, said: str, code: int, told: str
) -> None:
    answering(*answers, said=said, code=code)
    (notice,) = try_runs(planned("  model: {values: [lenet5]}\n"), (), at_start=True)
    assert told in notice
    # Nothing of it is remembered.
    assert len(requests := answering(Answer(number=0))) == 0
    try_runs(planned("  model: {values: [lenet5]}\n"), (), at_start=True)
    assert len(requests) == 1


def test_where_no_run_has_a_gpu_asking_for_one_is_a_mistake(
    planned: Callable[[str], Plan], answering: Answering
) -> None:
    answering(Answer(number=0, cause="RuntimeError: Found no NVIDIA driver (nets.py:3 in forward)", key="model"))
    with pytest.raises(SpecError, match="these runs have no GPU: keep to the device of the images"):
        try_runs(planned("  model: {values: [lenet5]}\n"), (), at_start=True, on_gpu=False)


def test_more_than_can_be_tried_is_told(
    planned: Callable[[str], Plan], answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "_MOST", 2)
    requests = answering(Answer(number=0), Answer(number=1))
    plan = planned(f"  model: {{values: [{', '.join(f'{{name: cnn, filters: [{n}]}}' for n in range(1, 6))}]}}\n")
    assert try_runs(plan, (), at_start=True) == (
        "3 of 5 kinds of runs were not tried before the start: each tries its own",
    )
    assert len(requests[0].runs) == 2
