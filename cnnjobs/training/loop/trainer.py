"""The training loop of one run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from cnnjobs.config.run import RunConfig
from cnnjobs.errors import DivergedError, InputError, RunError, concerning
from cnnjobs.system.stop_request import Stopped
from cnnjobs.training.data.gathering import OutcomeCollector
from cnnjobs.training.data.pipeline import DeviceData, Pipeline
from cnnjobs.training.data.random_state import random_state, restore_random_state, seed_everything
from cnnjobs.training.data.ranks import ALONE, Ranks
from cnnjobs.training.data.test_predictions import Outcome
from cnnjobs.training.loop.curve import TrainingCurve, validation_steps, window_ends
from cnnjobs.training.loop.idle import idle_notes
from cnnjobs.training.loop.print_outs import PrintOuts
from cnnjobs.training.loop.stepping import SteppedSchedule
from cnnjobs.training.networks.evaluate import Watcher, autocast, evaluate
from cnnjobs.training.networks.freezing import train_mode
from cnnjobs.training.networks.outputs import check_logits
from cnnjobs.training.networks.parts import build_optimizer
from cnnjobs.training.networks.preparing import prepare
from cnnjobs.training.networks.shape_errors import misfit
from cnnjobs.training.weights.initial import InitialWeights


@dataclass(frozen=True)
class Best:
    """The weights with the lowest validation loss so far, the earliest of equals."""

    loss: float
    epoch: float
    weights: dict[str, Tensor]


class Trainer:
    """One run from its seed to its final metrics.

    The data order and the augmentations of an epoch follow from the seed and the epoch alone; whatever else is drawn
    (initial weights, dropout) comes from the global generators, which `state` holds. `weights` are those that
    `config.weights` names; `notes` say what became of them; `say` hears what the run prints. Of several `ranks` each
    trains on its part of every batch, and all come to the same weights and numbers.
    """

    def __init__(
        self,
        config: RunConfig,
        data: DeviceData,
        *,
        weights: InitialWeights | None = None,
        stopped: Callable[[], bool] = lambda: False,
        ranks: Ranks = ALONE,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        assert (weights is None) == (config.weights is None), config.weights
        if config.early_stopping and not len(data.validation):
            raise InputError("early_stopping needs validation images: set dataset.validation above 0 or leave it out")
        self.config, self.data, self.device = config, data, data.device
        self._stopped, self._ranks = stopped, ranks
        with concerning("augment"):
            self.pipeline = Pipeline(config, data, weights.normalisation if weights else None, ranks)
        self.notes: tuple[str, ...] = self.pipeline.notes
        seed_everything(config.seed)
        prepared = prepare(config, data, self.pipeline, weights, ranks)
        self.model, self._still, self.loss = prepared.model, prepared.still, prepared.loss
        self.config, self.trial = prepared.config, prepared.trial
        self.notes += prepared.notes
        self._network = ranks.spread(self.model)
        self.notes += ranks.notes
        self.optimizer = build_optimizer(config, [each for each in self.model.parameters() if each.requires_grad])
        self.steps_per_epoch = self.pipeline.steps_per_epoch
        self.schedule = SteppedSchedule(config, self.optimizer, self.steps_per_epoch)
        self.notes += (*self.schedule.notes, *idle_notes(config, len(data.train), self.steps_per_epoch))
        self._window_ends = window_ends(self.steps_per_epoch)
        total = config.epochs * self.steps_per_epoch
        self._print_outs, self._lr_before = PrintOuts(config.print_every, total, say), self.lr
        self._validation_steps = validation_steps(config.validate_every, self.steps_per_epoch, total)
        self.epoch, self.step, self.seconds = 0, 0, 0.0
        self.best: Best | None = None
        self._curve, self._outcome = TrainingCurve(), OutcomeCollector()
        self._validations = self._without_best = 0

    @property
    def epochs_done(self) -> float:
        """Epochs trained, with the part of the one that early stopping cut."""
        return self.step / self.steps_per_epoch

    @property
    def stopped_early(self) -> bool:
        """True if `early_stopping` validations in a row brought no lower validation loss."""
        return self.config.early_stopping is not None and self._without_best >= self.config.early_stopping

    @property
    def test_outcome(self) -> Outcome | None:
        """Predictions by `final_metrics` for each test image; None where there is none."""
        return self._outcome.outcome()

    def train(self, on_validation: Callable[[dict[str, Any]], None], on_epoch: Callable[[], None]) -> None:
        """Train to the end, telling each validation's line of metrics and each whole epoch.

        Raises DivergedError, and Stopped when asked to stop.
        """
        while self.epoch < self.config.epochs and not self.stopped_early:
            self._train_epoch(on_validation)
            self.end_epoch(on_epoch)

    def end_epoch(self, on_epoch: Callable[[], None]) -> None:
        """Go on to the next epoch, and tell so, unless early stopping has cut this one."""
        if self.step == (self.epoch + 1) * self.steps_per_epoch:
            self.epoch += 1
            on_epoch()

    def final_metrics(self) -> dict[str, float]:
        """Loss and accuracy over each whole split with the best weights, which the model has from now on."""
        self.load_best()
        metrics: dict[str, float] = {}
        for name in self.data.splits:
            metrics |= self._evaluate(name)
        self._outcome = self._ranks.gather(self._outcome, len(self.data.test))
        return metrics

    def load_best(self) -> None:
        """Give the model the best weights."""
        if self.best is not None:
            self.model.load_state_dict(self.best.weights)

    def state(self) -> dict[str, Any]:
        """All that an epoch leaves behind, in plain values and tensors."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": random_state(self.device),
            "precision": self.config.precision,
            "best": vars(self.best) if self.best else None,
            "validations": self._validations,
            "without_best": self._without_best,
            "curve": self._curve.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`. Raises RunError when the network has changed since."""
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            why = " ".join(str(error).split())
            raise RunError(
                f"the checkpoint does not fit the network, has its code changed? start anew with --force; {why}"
            ) from error
        self.schedule.load_state_dict(state["schedule"])
        self.epoch, self.step, self.seconds = state["epoch"], state["step"], state["seconds"]
        self.best = None
        if state["best"]:
            weights = {name: tensor.to(self.device) for name, tensor in state["best"]["weights"].items()}
            self.best = Best(state["best"]["loss"], state["best"]["epoch"], weights)
        self._validations, self._without_best = state["validations"], state["without_best"]
        self._curve = TrainingCurve(**state["curve"])
        before, now = state.get("precision", self.config.precision), self.config.precision
        self.notes += (f"in {now} from epoch {self.epoch} on, before in {before}",) if before != now else ()
        restore_random_state(state["random"], self.device)

    def _train_epoch(self, on_validation: Callable[[dict[str, Any]], None]) -> None:
        self._ranks.begin_epoch(self.config.seed, self.epoch)
        train_mode(self.model, self._still)
        started = time.perf_counter()
        for images, labels in self.pipeline.training_batches(self.epoch):
            self.check_stop()
            lr = self.lr
            self.count(*self._train_step(images, labels), labels)
            if self.is_validation_due:
                self.add_seconds(time.perf_counter() - started)
                on_validation(self.validate(lr))
                if self.stopped_early:
                    return
                started = time.perf_counter()
        self.add_seconds(time.perf_counter() - started)

    def check_stop(self) -> None:
        """Raises Stopped when asked to stop."""
        if self._ranks.agree(self._stopped()):
            raise Stopped

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def update(self) -> None:
        """Change the weights by their gradients, which go."""
        self._lr_before = self.lr
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.schedule.after_step(self.step + 1)

    def count(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Take note of a step: its mean loss (), logits (B, classes), labels (B,). Raises DivergedError."""
        seen = self._curve.add(loss, *self._ranks.counted(logits, labels))
        self.step += 1
        self._print_outs.add(seen, self.step, self._lr_before, self._ranks.total)
        if self.is_validation_due or (self.step - 1) % self.steps_per_epoch + 1 in self._window_ends:
            self._curve.close_window(self.step, self._ranks.total)

    def add_seconds(self, seconds: float) -> None:
        """Time that steps have taken."""
        self._curve.seconds += seconds

    @property
    def is_validation_due(self) -> bool:
        """True if the network is to be validated after this step."""
        return self.step in self._validation_steps

    def _train_step(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """One step on images (B, C, H, W) and labels (B,): the mean loss () and the logits (B, classes)."""
        self._ranks.begin_batch(self.pipeline.batch_images(self.step))
        logits = check_logits(self._logits(images), self.config.model.name, len(labels), len(self.data.classes))
        loss = self.loss(logits.float(), labels)
        self._ranks.weigh(loss, len(labels)).backward()  # type: ignore[no-untyped-call]
        self.update()
        return loss, logits

    def _logits(self, images: Tensor) -> Tensor:
        with autocast(self.device, self.config.precision):
            try:
                logits: Tensor = self._network(images)
            except Exception as error:
                told = misfit(self.model, images, self.config.model.name, error)
                if told is None:
                    raise
                raise told from error
        return logits

    def validate(self, lr: float) -> dict[str, Any]:
        """The line of metrics at this step; keeps the weights when they are the best. Raises DivergedError, Stopped."""
        started = time.perf_counter()
        measured = self._evaluate("validation")
        self._validations += 1
        if measured:
            loss = measured["validation.loss"]
            if not math.isfinite(loss):
                raise DivergedError(self.step)
            if self.best is None or loss < self.best.loss:
                weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
                self.best, self._without_best = Best(loss, self.epochs_done, weights), 0
            else:
                self._without_best += 1
        self.schedule.after_validation(measured)
        curve, self._curve = self._curve, TrainingCurve()
        self.seconds += curve.seconds + time.perf_counter() - started
        place = {"step": self.step, "epoch": self.epochs_done, "seconds": self.seconds, "lr": lr}
        return place | curve.line() | measured

    def _evaluate(self, name: str) -> dict[str, float]:
        """Loss and accuracy over the split of this name; nothing where there is no image."""
        split = self.data.splits[name]
        if not len(split):
            return {}
        found = evaluate(
            self.model,
            self.pipeline.evaluation_batches(split.part(self._ranks.share(len(split)))),
            self.loss,
            precision=self.config.precision,
            stopped=self._stopped,
            watcher=self.watcher(name),
            total=self._ranks.total,
        )
        return {f"{name}.{metric}": value for metric, value in found.items()}

    def watcher(self, name: str) -> Watcher | None:
        """Register a watcher of the logits and labels of the next evaluation on this split."""
        if name != "test":
            return None
        self._outcome = OutcomeCollector()
        return self._outcome.add
