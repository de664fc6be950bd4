"""One step for the networks of K runs at once.

The batches of an epoch follow from data, augmentations, batch size, seed and epoch alone, so runs that share these
share their batches; each keeps its own weights, optimizer, schedule and random draws. What a run finds is then what it
finds alone, up to the rounding of sums that are taken in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from cnnjobs.training.data.random_state import random_state
from cnnjobs.training.loop.trainer import Trainer
from cnnjobs.training.networks.evaluate import Tally, autocast, evaluating
from cnnjobs.training.stacks.network import StackedNetwork


class StackedTrainer(Trainer):
    """The trainer of one run among others in a process; the global generators are no longer its own.

    Its seconds are its share of those that the stack takes.
    """

    def __init__(self, *given: Any, **settings: Any) -> None:
        super().__init__(*given, **settings)
        self.found: dict[str, dict[str, float]] = {}
        self._random_key = "cuda" if self.device.type == "cuda" else "torch"
        self._take_random_state()

    @property
    def is_done(self) -> bool:
        """True if nothing is left to train."""
        return self.epoch == self.config.epochs or self.stopped_early

    def state(self) -> dict[str, Any]:
        """The same as that of the run alone."""
        # A view would be kept together with the weights of all other runs.
        weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        random = {**self._random, self._random_key: self.generator.get_state()}
        return {**super().state(), "model": weights, "random": random}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        super().restore(state)
        self._take_random_state()

    def _take_random_state(self) -> None:
        self._random = random_state(self.device)
        self.generator = torch.Generator(self.device)
        self.generator.set_state(self._random[self._random_key])

    def try_alone(self, images: Tensor) -> None:
        """Raises what the network alone does with images (B, C, H, W): it tells where and why, in its own shapes."""
        self._logits(images)

    def _evaluate(self, name: str) -> dict[str, float]:
        """Evaluation by the stack, or by the network alone."""
        found = self.found.pop(name, None)
        return super()._evaluate(name) if found is None else found


class Stack:
    """Runs that train as one network, each by its trainer. Raises NotStackableError."""

    def __init__(self, trainers: Sequence[StackedTrainer]) -> None:
        self.trainers = tuple(trainers)
        self._network = StackedNetwork([each.model for each in trainers], [each.generator for each in trainers])
        self._device, self._precision = trainers[0].device, trainers[0].config.precision

    def step(self, images: Tensor, labels: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The loss () and the logits (B, classes) of each run; gradients are there, the weights as before."""
        self._network.train()
        try:
            with autocast(self._device, self._precision):
                logits: Tensor = self._network(images)
        except Exception:
            self.trainers[0].try_alone(images)
            raise
        own = logits.float().unbind()
        losses = [trainer.loss(each, labels) for trainer, each in zip(self.trainers, own, strict=True)]
        # Each loss has its own weights, so that one that is no number leaves the gradients of the others as they are.
        self._network.backward(torch.stack(losses))
        return tuple(loss.detach() for loss in losses), logits.detach().unbind()

    def evaluate(self, name: str) -> None:
        """Let each trainer have found its loss and accuracy over the split of this name, unless there is no image."""
        first = self.trainers[0]
        split = first.data.splits[name]
        if not len(split):
            return
        tallies = [Tally(trainer.loss, trainer.watcher(name)) for trainer in self.trainers]
        with ExitStack() as modes:
            modes.enter_context(torch.no_grad())
            for part in (self._network, *(trainer.loss for trainer in self.trainers)):
                modes.enter_context(evaluating(part))
            for images, labels in first.pipeline.evaluation_batches(split):
                first.check_stop()
                with autocast(self._device, self._precision):
                    logits = self._network(images)
                for tally, own in zip(tallies, logits.unbind(), strict=True):
                    tally.add(own, labels)
        for trainer, tally in zip(self.trainers, tallies, strict=True):
            trainer.found[name] = {f"{name}.{metric}": value for metric, value in tally.means().items()}
