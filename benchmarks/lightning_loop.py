"""Lightning's side, as lean as its trainer gets: no logger, no checkpoint, no progress bar, no model summary."""

from __future__ import annotations

import itertools
import logging
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from benchmarks import arrays, own_loop, plain_loop
from benchmarks.side import Gate
from cnnjobs.training.loop.trainer import Trainer


class Classifier(lightning.LightningModule):
    """The network and its optimizer."""

    def __init__(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        super().__init__()
        self.network, self._optimizer = network, optimizer

    def training_step(self, batch: tuple[Tensor, Tensor], _number: int) -> Tensor:
        """The loss () of images (B, C, H, W) and labels (B,)."""
        images, labels = batch
        return F.cross_entropy(self.network(images), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The one that was given."""
        return self._optimizer


class Windows(lightning.Callback):
    """Windows begin and end between two steps."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def on_train_batch_start(self, *_: Any, **__: Any) -> None:
        """Before each step."""
        self._gate()


class Batches(IterableDataset[tuple[Tensor, Tensor]]):
    """Batches that come whole."""

    def __init__(self, source: Iterable[tuple[Tensor, Tensor]]) -> None:
        self._source = source

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self._source)


def train(gate: Gate, *, data: str, model: str, threads: int, batch: int, device: str, workers: int = 0) -> None:
    """The data and the network of the sources' loop."""
    torch.set_num_threads(threads)
    gate.lead = plain_loop.PREFETCHED * workers
    torch.manual_seed(0)
    about = arrays.arrays("", (), folder=data)
    network = plain_loop.network(model, about.in_channels, about.num_classes, about.image_size)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9)
    _fit(gate, network, optimizer, plain_loop.loader(data, "train", batch=batch, workers=workers), device)


def step(gate: Gate, **settings: Any) -> None:
    """The batches, the network and the optimizer of cnnjobs: what is left is the loop."""
    own = own_loop.trainer_for(Trainer, **settings)
    endless = (pair for epoch in itertools.count() for pair in own.pipeline.training_batches(epoch))
    _fit(gate, own.model, own.optimizer, DataLoader(Batches(endless), batch_size=None), settings["device"])


def _fit(
    gate: Gate, network: nn.Module, optimizer: torch.optim.Optimizer, source: DataLoader[Any], device: str
) -> None:
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    trainer = lightning.Trainer(
        max_epochs=-1,
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Windows(gate)],
    )
    trainer.fit(Classifier(network, optimizer), source)
