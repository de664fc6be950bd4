"""A run's network, ready for its first step: built, given its weights, frozen, tried on a small batch, laid out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torch import nn

from cnnjobs.config.run import RunConfig
from cnnjobs.errors import concerning
from cnnjobs.training.networks.building import build_model, left_out, refuse_shared_weights
from cnnjobs.training.networks.freezing import freeze, frozen_by_itself
from cnnjobs.training.networks.memory import lay_out
from cnnjobs.training.networks.parts import build_loss
from cnnjobs.training.networks.precision import with_precision
from cnnjobs.training.networks.trial import Question, Trial, try_out

if TYPE_CHECKING:
    from cnnjobs.training.data.pipeline import DeviceData, Pipeline
    from cnnjobs.training.data.ranks import Ranks
    from cnnjobs.training.networks.evaluate import Loss
    from cnnjobs.training.weights.initial import InitialWeights


@dataclass(frozen=True, eq=False)
class Prepared:
    """A network on its device, which modules of it training keeps still, what its trial found, and what to note.

    `config` is the run's, with its precision chosen.
    """

    model: nn.Module
    still: tuple[nn.Module, ...]
    loss: Loss
    config: RunConfig
    trial: Trial
    notes: tuple[str, ...]


def prepare(
    config: RunConfig, data: DeviceData, pipeline: Pipeline, weights: InitialWeights | None, ranks: Ranks
) -> Prepared:
    """The network and the loss of a run. Raises what is wrong with them, with the key of the run that it concerns."""
    shape, classes = pipeline.input_shape, len(data.classes)
    notes: tuple[str, ...] = ()
    with concerning("model"):
        model = build_model(config, shape, classes)
        refuse_shared_weights(model, config, shape, classes)
        lost = left_out(model)
    if weights is not None:
        with concerning("weights"):
            notes += weights.fill(model, config.model.name, classes)
        notes += (f"images are normalised by the mean and std of {pipeline.normalised_by}",)
    with concerning("model"):
        still, frozen = frozen_by_itself(model, config.model.name, lost)
    told = (lost, frozen)
    if config.freeze:
        with concerning("freeze"):
            still += freeze(model, config.freeze)
    config = with_precision(config, model, shape, data.device, ranks)
    loss = build_loss(config, classes, data.device)
    model = model.to(data.device)
    trial = try_out(model, _question(config, data, pipeline, loss, ranks))
    trial = replace(trial, notes=(*filter(None, told), *trial.notes))
    return Prepared(lay_out(model, trial.memory_format), still, loss, config, trial, notes + trial.notes)


def _question(config: RunConfig, data: DeviceData, pipeline: Pipeline, loss: Loss, ranks: Ranks) -> Question:
    return Question(
        config.model.name,
        pipeline.preprocessing,
        len(data.classes),
        precision=config.precision,
        loss=loss,
        # What several ranks have of a batch of one is their own affair.
        trained=min(pipeline.batch_sizes) if ranks.number == 1 else config.batch_size,
        evaluated=min(pipeline.smallest_evaluated(split) for split in data.splits.values()),
        batch_size=config.batch_size,
    )
