"""cnnjobs' side: its own trainer and pipeline as a job runs them, and the bare step that they are measured against."""

from __future__ import annotations

import itertools
from typing import Any, Final, TypeVar

import torch

from benchmarks.side import Gate, first_gpu
from cnnjobs.config.run import RunConfig
from cnnjobs.training.data.pipeline import DataSets
from cnnjobs.training.loop.trainer import Trainer
from cnnjobs.training.networks.evaluate import autocast
from cnnjobs.worker.workloads import prepare_process

_ENDLESS: Final = 100_000


def train(gate: Gate, **settings: Any) -> None:
    """`Trainer.train`, which asks at every step whether it is to stop: there the windows begin and end."""

    def go_on() -> bool:
        gate()
        return False

    trainer = trainer_for(Trainer, stopped=go_on, **settings)
    trainer.train(lambda _: None, lambda: None)


def bare(gate: Gate, **settings: Any) -> None:
    """The same batches through the same network, and nothing but what a step cannot do without."""
    trainer = trainer_for(Trainer, **settings)
    model, loss, optimizer = trainer.model, trainer.loss, trainer.optimizer
    for epoch in itertools.count():
        for images, labels in trainer.pipeline.training_batches(epoch):
            gate()
            with autocast(trainer.device, trainer.config.precision):
                logits = model(images)
            loss(logits.float(), labels).backward()
            optimizer.step()
            optimizer.zero_grad()


def batches(gate: Gate, **settings: Any) -> None:
    """The augmented batches alone."""
    pipeline = trainer_for(Trainer, **settings).pipeline
    for epoch in itertools.count():
        for _ in pipeline.training_batches(epoch):
            gate()


def prepare(threads: int, device: str) -> torch.device:
    """This process set up as a worker's, on that device or not at all."""
    chosen, notes = prepare_process(threads, first_gpu() if device == "cuda" else None)
    if chosen.type != device:
        raise RuntimeError("; ".join(notes))
    return chosen


AnyTrainer = TypeVar("AnyTrainer", bound=Trainer)


def trainer_for(
    kind: type[AnyTrainer], *, data: str, model: Any, threads: int, batch: int, device: str, **settings: Any
) -> AnyTrainer:
    """A trainer set up as a worker sets it up; `settings` are keys of a run, or `stopped`."""
    chosen = prepare(threads, device)
    stopped = settings.pop("stopped", lambda: False)
    config = RunConfig.model_validate(
        {
            "dataset": {"name": "benchmarks.arrays:arrays", "folder": data},
            "augment": ["crop", "flip"],
            "model": model,
            "optimizer": {"name": "sgd", "momentum": 0.9},
            "lr": 0.001,
            "batch_size": batch,
            "epochs": _ENDLESS,
            "validate_every": _ENDLESS,
            **settings,
        }
    )
    return kind(config, DataSets((), chosen).get(config), stopped=stopped)
