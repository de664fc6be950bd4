"""cnnjobs' side with several runs as one network, each of them trained as in a job."""

from __future__ import annotations

import itertools
from typing import Any

from benchmarks.own_loop import trainer_for
from benchmarks.side import Gate
from cnnjobs.training.stacks.trainer import Stack, StackedTrainer


def train(gate: Gate, *, runs: int, **settings: Any) -> None:
    """The steps of `runs` stacked runs that differ in their learning rates; each step counts once."""
    trainers = [trainer_for(StackedTrainer, lr=0.001 * (run + 1) / runs, **settings) for run in range(runs)]
    stack = Stack(trainers)
    for epoch in itertools.count():
        for images, labels in trainers[0].pipeline.training_batches(epoch):
            gate()
            losses, logits = stack.step(images, labels)
            for trainer, loss, own in zip(trainers, losses, logits, strict=True):
                trainer.update()
                trainer.count(loss, own, labels)
