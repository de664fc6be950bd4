"""A network as what trains a run: its data, weights, trainer, checkpoints, TensorBoard events and files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import torch

from cnnjobs.config.kinds import network
from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.disk.start import Result, Standing, Start
from cnnjobs.training.data.pipeline import DataSets
from cnnjobs.training.data.ranks import ALONE, Ranks
from cnnjobs.training.data.test_predictions import outcome_to_bytes
from cnnjobs.training.loop import checkpoint, provenance
from cnnjobs.training.loop.curve import progress
from cnnjobs.training.loop.event_file import EventFile
from cnnjobs.training.loop.trainer import Trainer
from cnnjobs.training.weights.initial import InitialWeights, read_initial_weights
from cnnjobs.training.weights.source import find_same_weights

AnyTrainer = TypeVar("AnyTrainer", bound=Trainer)


class NetworkWorkload(Generic[AnyTrainer]):
    """Training of one network; its `trainer` is there once it is open."""

    trainer: AnyTrainer
    _events: EventFile

    def __init__(self, data_sets: DataSets, kind: type[AnyTrainer] = Trainer, *, ranks: Ranks = ALONE) -> None:  # type: ignore[assignment]
        self._data_sets, self._kind, self._ranks = data_sets, kind, ranks

    @property
    def device(self) -> str:
        """Name of what it computes on."""
        return provenance.device_name(self._data_sets.device)

    @property
    def notes(self) -> Sequence[str]:
        """Notes for every run that it trains."""
        return tuple(self._data_sets.notes)

    @property
    def epoch(self) -> int:
        """Whole epochs that are trained."""
        return self.trainer.epoch

    @property
    def epochs_done(self) -> float:
        """Epochs trained, with the part of the last one."""
        return self.trainer.epochs_done

    def versions(self) -> dict[str, str]:
        """Versions of what decides the numbers."""
        return provenance.versions()

    def load(self, folder: RunFolder) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
        """The newest whole checkpoint, and a note for each damaged one. Raises OSError while the folder is away."""
        return checkpoint.load(folder)

    def open(self, start: Start) -> None:
        """Build the trainer, at its last whole epoch. Raises RunError, DataError, InputError."""
        config, state, self._folder = network(start.config), start.state, start.folder
        torch.set_num_threads(start.threads)
        self._ranks.give(state)
        weights = self._initial_weights(start)
        data = self._data_sets.get(config)
        given: dict[str, Any] = {"stopped": start.stopped, "ranks": self._ranks, "say": start.say}
        trainer = self._kind(config, data, weights=weights, **given)
        if state is not None:
            provenance.refuse_other_data(start.before, config.dataset.name, data)
            trainer.restore(state)
        for note in trainer.notes:
            start.note(note)
        image_facts = provenance.images(trainer)
        start.learn(choices=provenance.chosen(config, trainer), **image_facts)
        start.storage.retry(lambda: provenance.keep_layers(start, image_facts))
        self._events = start.storage.retry(lambda: EventFile(start.folder, config, start.lines))
        self.trainer = trainer

    def _initial_weights(self, start: Start) -> InitialWeights | None:
        results = start.folder.path.parent.parent
        source = find_same_weights(network(start.config), self._data_sets.folders, results, start.before.weights_sha256)
        if source is None:
            return None
        start.learn(weights_sha256=source.sha256)
        return read_initial_weights(source)

    def train(self, on_metrics: Callable[[dict[str, Any]], None], on_checkpoint: Callable[[], None]) -> None:
        """Train to the end. Raises Stopped, DivergedError, RunError."""
        self.trainer.train(on_metrics, on_checkpoint)

    def standing(self, epoch: int) -> Standing:
        """Where the run stands with so many epochs kept."""
        return Standing.of_epochs(epoch)

    def measured(self, line: Mapping[str, Any]) -> None:
        """Add a line of metrics to the events. Raises StorageError; then it may be added again."""
        self._events.add(line)

    def progress(self, line: Mapping[str, Any]) -> str:
        """A line of metrics in words."""
        return progress(dict(line), self.trainer.config)

    def save(self, folder: RunFolder, extra: Mapping[str, Any], *, check: bool, guard: Callable[[], None]) -> None:
        """Keep a checkpoint. Raises StorageError, and RunError when it holds what no one may load."""
        checkpoint.save(folder, {**extra, **self.trainer.state()}, check=check, guard=guard)

    def finish(self) -> Result:
        """Metrics of the best weights, those weights, and what they say of the test images."""
        trainer, files = self.trainer, {}
        metrics, outcome, notes = trainer.final_metrics(), trainer.test_outcome, []
        files[self._folder.model_file] = checkpoint.weights_to_bytes(trainer.model)
        if outcome is not None:
            files[self._folder.predictions_file] = outcome_to_bytes(outcome)
        if trainer.best is None:
            notes.append("no validation images: the final metrics are those of the last epoch's weights")
        if trainer.stopped_early:
            notes.append(f"stopped early: {trainer.config.early_stopping} validations without a lower validation loss")
        best_epoch = trainer.best.epoch if trainer.best else trainer.epochs_done
        return Result(metrics, best_epoch, files, tuple(notes))

    def close(self, result: Result) -> None:
        """End the events. Raises StorageError."""
        self._events.finish(self.trainer.step, self.trainer.seconds, result.metrics)
