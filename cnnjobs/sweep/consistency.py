"""Settings of a run that contradict one another, and settings that can never act: known from the file alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cnnjobs import registry
from cnnjobs.config.intervals import Steps
from cnnjobs.config.mistakes import KeyMistake
from cnnjobs.config.run import RunConfig
from cnnjobs.config.yaml import Findings, Node
from cnnjobs.errors import InputError
from cnnjobs.sweep.settings import Metric

Told = tuple[str, str]

_MOST_EPOCHS: Final = 1_000_000
_LR: Final = "torch.optim.lr_scheduler:"
_PLATEAU: Final = f"{_LR}ReduceLROnPlateau"
_MORE_IMAGES: Final = "set dataset.validation above 0, or choose another schedule"
# (augmentation, option) -> the value with which every image stays as it is.
_WITHOUT_EFFECT: Final[Mapping[tuple[str, str], float]] = {
    ("flip", "probability"): 0,
    ("erase", "probability"): 0,
    ("crop", "padding"): 0,
    ("rotation", "degrees"): 0,
}


def contradictions(config: RunConfig) -> list[KeyMistake]:
    """Contradictions that keep the run from working, as mistakes."""
    return [
        KeyMistake(*each)
        for each in (
            *_length(config),
            *_early_stopping(config),
            *_optimizer(config),
            *_schedule(config),
            *_augmentations(config),
        )
    ]


def measured_metric(metric: Metric, runs: Sequence[RunConfig], node: Node | None, findings: Findings) -> Metric:
    """Metric that the best run is chosen by; without validation images the same of training, unless `node` names it.

    Own data sets tell what they have when they are read, not before.
    """
    without = [run for run in runs if _has_no_validation(run)]
    if not without or not metric.is_of_validation:
        return metric
    line = node.line if node else None
    if len(without) < len(runs):
        has, is_ = ("has", "is") if len(without) == 1 else ("have", "are")
        told = f"{len(without)} of {len(runs)} runs {has} no validation images (validation: 0) and {is_} not ranked"
        findings.notice(line, "metric", told)
        return metric
    other = metric.in_training
    told = f"no run has validation images (validation: 0), `{metric.name}` is never measured"
    if node is not None and findings.is_started:
        findings.notice(line, "metric", f"{told}: the best is chosen by {other.name}")
    elif node is not None:
        findings.mistake(line, "metric.name", told, f"choose by {other.name}, or set validation above 0")
    return other


def _has_no_validation(config: RunConfig) -> bool:
    return bool(config.dataset.options.get("validation") == 0)


def _length(config: RunConfig) -> Iterator[tuple[str, str, str]]:
    if config.epochs > _MOST_EPOCHS:
        found = f"{config.epochs:,} epochs are more than any run can end"
        yield "epochs", found, f"give at most {_MOST_EPOCHS:,}; early_stopping ends a run sooner"


def _early_stopping(config: RunConfig) -> Iterator[tuple[str, str, str]]:
    if config.early_stopping is not None and _has_no_validation(config):
        found = "it follows the validation loss, and there are no validation images"
        yield "early_stopping", found, "set dataset.validation above 0, or leave it out"


def _optimizer(config: RunConfig) -> Iterator[tuple[str, str, str]]:
    name, options = config.optimizer.name, config.optimizer.options
    given = registry.find("optimizer", name).given
    if config.weight_decay and "weight_decay" not in given:
        yield "weight_decay", f"optimizer `{name}` takes no weight_decay", "leave it out, or choose another optimizer"
    if options.get("nesterov") is True and not options.get("momentum"):
        yield "optimizer.nesterov", "nesterov needs momentum, found 0", "give momentum a value above 0"
    elif options.get("nesterov") is True and options.get("dampening"):
        yield "optimizer.nesterov", f"found dampening {options['dampening']:g}", "nesterov needs dampening: 0"
    betas = options.get("betas")
    own = name in ("adam", "adamw") or name.startswith("torch.optim:")
    if own and isinstance(betas, list | tuple) and any(not 0 <= beta < 1 for beta in betas):
        yield "optimizer.betas", f"found {list(betas)}", "allowed: a list of numbers, each 0 or more and below 1"


def _schedule(config: RunConfig) -> Iterator[tuple[str, str, str]]:
    name, options = config.schedule.name, config.schedule.options
    if name == "cosine" and options["warmup"] >= config.epochs:
        found = f"found warmup {options['warmup']:g} in a run of {_epochs(config)}"
        yield "schedule.warmup", found, f"allowed: below {config.epochs}, epochs of linear rise"
    if name == _PLATEAU and _has_no_validation(config):
        yield "schedule", "it follows the validation loss, and there are no validation images", _MORE_IMAGES


def _augmentations(config: RunConfig) -> Iterator[tuple[str, str, str]]:
    for number, choice in enumerate(config.augment):
        is_filled_in = choice.name == "normalise" and not any(choice.options.values())
        if ":" in choice.name or is_filled_in:
            continue
        try:
            choice.build()
        except InputError as error:
            found, _, remedy = str(error).removeprefix(f"augmentation {choice.name}: ").partition("; ")
            yield f"augment.{number}", f"{choice.name}: {found}", remedy


def idle_settings(config: RunConfig, steps_per_epoch: int | None = None) -> list[Told]:
    """(key, what to tell) of each setting that changes nothing in this run, as far as is known without its data."""
    validations = _validations(config, steps_per_epoch)
    return [*_idle_schedule(config, validations), *_idle_stops(config, validations), *_idle_parts(config)]


def _idle_schedule(config: RunConfig, validations: int | None) -> Iterator[Told]:
    """First changes after the last epoch, and factors that change nothing."""
    name, options = config.schedule.name, config.schedule.options
    by_epoch = options.get("step", "epoch") == "epoch"
    first: float | None = None
    if name in ("step", f"{_LR}StepLR"):
        first = options["every"] if name == "step" else options["step_size"]
    elif name in ("multistep", f"{_LR}MultiStepLR"):
        first = min(options["milestones"], default=math.inf)
        late = [each for each in options["milestones"] if each >= config.epochs]
        if by_epoch and late and first < config.epochs:
            listed = ", ".join(f"{each:g}" for each in late)
            yield "schedule", f"milestones {listed} are never reached: the run has {_epochs(config)}"
    elif name == _PLATEAU:
        patience = options["patience"]
        if validations is not None and validations <= patience + 2:
            told = f"patience {patience} can change nothing in {_counted(validations, 'validation')}"
            yield "schedule", f"{told}: lr falls after {patience + 2} of them at the earliest"
    if by_epoch and first is not None and first >= config.epochs:
        when = f"its first change would come after epoch {first:g}" if first < math.inf else "it has no milestones"
        yield "schedule", f"lr never changes: {when}, and the run has {_epochs(config)}"
    for key in ("factor", "gamma"):
        if options.get(key) == 1 and name != f"{_LR}CyclicLR":
            yield "schedule", f"lr never changes: {key} 1"
    if name == "cosine" and options["final"] == 1 and not options["warmup"]:
        yield "schedule", "lr never changes: final 1"


def _idle_stops(config: RunConfig, validations: int | None) -> Iterator[Told]:
    """Validations and early stopping that lie beyond the run."""
    every = config.validate_every
    if not isinstance(every, Steps) and every > config.epochs:
        yield "validate_every", f"found {every:g}: the run has {_epochs(config)} and is validated once, at its end"
    patience = config.early_stopping
    if patience is not None and validations is not None and validations <= patience + 1:
        told = f"early_stopping {patience} cannot end the run sooner: it has {_counted(validations, 'validation')}"
        yield "early_stopping", f"{told}, and ends after {patience + 1} at the earliest"


def _idle_parts(config: RunConfig) -> Iterator[Told]:
    model, optimizer = config.model, config.optimizer
    if model.name == "cnn" and model.options["activation"] != "leaky_relu" and model.options["negative_slope"] != 0.01:
        yield "model.negative_slope", f"has no effect: the activation is {model.options['activation']}"
    if "lr" not in registry.find("optimizer", optimizer.name).given:
        yield "lr", f"has no effect: optimizer `{optimizer.name}` takes no lr"
    if config.loss.name == "torch.nn:NLLLoss":
        yield "loss", "torch.nn:NLLLoss takes log-probabilities: the network has to end in a log_softmax"
    for number, choice in enumerate(config.augment):
        for (name, option), value in _WITHOUT_EFFECT.items():
            if choice.name == name and choice.options[option] == value:
                yield f"augment.{number}", f"{name} changes no image: {option} {value:g}"


def _validations(config: RunConfig, steps_per_epoch: int | None) -> int | None:
    """Number of validations of the run; None where it depends on its data."""
    every = config.validate_every
    if not isinstance(every, Steps):
        return max(1, math.ceil(config.epochs / every))
    return None if steps_per_epoch is None else math.ceil(config.epochs * steps_per_epoch / every.steps)


def _epochs(config: RunConfig) -> str:
    return _counted(config.epochs, "epoch")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
