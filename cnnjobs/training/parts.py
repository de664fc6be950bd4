"""The loss and the optimizer of a run, built; and parts of the user's own tried out before the first step.

What is missing in one of them is told by its name, not by an error of the first step that meets it. No draw of the run
is used up.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from cnnjobs import registry
from cnnjobs.components.augment import Augmentation
from cnnjobs.components.splits import DataSet, Part, Split
from cnnjobs.errors import CnnjobsError, InputError, concerning
from cnnjobs.spec.run import Choice, RunConfig
from cnnjobs.training.evaluate import Loss
from cnnjobs.training.random_state import random_state, restore_random_state

_PAGE: Final = "docs/own-parts.md has one that works"
_TRIED: Final = 4


def build_loss(config: RunConfig, num_classes: int, device: torch.device) -> Loss:
    """The loss on its device. Raises InputError for one that gives no mean over logits and labels."""
    with concerning("loss"):
        loss: Any = config.loss.build()
    if _is_foreign(config.loss):
        with _trying(config.loss):
            _try_loss(copy.deepcopy(loss), num_classes)
    built: Loss = loss.to(device) if isinstance(loss, nn.Module) else loss
    return built


def build_optimizer(config: RunConfig, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer of these parameters. Raises InputError for what is none."""
    given = {"lr": config.lr, "weight_decay": config.weight_decay}
    if _is_foreign(config.optimizer):
        with _trying(config.optimizer):
            weights = [nn.Parameter(torch.ones(2, 3, 3, 3)), nn.Parameter(torch.ones(2))]
            _try_optimizer(config.optimizer.build(parameters=weights, params=weights, **given), weights)
    with concerning("optimizer"):
        built: torch.optim.Optimizer = config.optimizer.build(parameters=parameters, params=parameters, **given)
    return built


def build_schedule(config: RunConfig, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> Any:
    """The schedule of this optimizer. Raises InputError for what cannot be stepped and saved."""
    given = {"epochs": config.epochs, "steps_per_epoch": steps_per_epoch}
    if _is_foreign(config.schedule):
        with _trying(config.schedule):
            tried = torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=config.lr, momentum=0.9)
            _try_schedule(config.schedule.build(optimizer=tried, **given))
    with concerning("schedule"):
        return config.schedule.build(optimizer=optimizer, **given)


def build_augmentations(choices: Sequence[Choice]) -> list[Augmentation]:
    """The augmentations in their order. Raises InputError for one that lacks what an augmentation has."""
    built = []
    for choice in choices:
        augmentation: Any = choice.build()
        if _is_foreign(choice):
            with _trying(choice):
                _require(isinstance(getattr(augmentation, "random", None), bool), "has no `random`: True or False")
                _require(callable(augmentation), "cannot be called with (images, generator)")
                _require(callable(getattr(augmentation, "shape", None)), "has no `shape(channels, size)`")
        built.append(augmentation)
    return built


def try_augmentations(
    choices: Sequence[Choice], augmentations: Sequence[Augmentation], image_shape: tuple[int, int, int]
) -> None:
    """Put a small batch of images (C, H, W) through, where one is the user's own. Raises InputError."""
    if not any(map(_is_foreign, choices)):
        return
    pixels = torch.arange(_TRIED * image_shape[0] * image_shape[1] * image_shape[2]) % 251
    images = pixels.to(torch.uint8).view(_TRIED, *image_shape)
    for choice, augmentation in zip(choices, augmentations, strict=True):
        with _trying(choice):
            told = augmentation.shape(images.shape[1], images.shape[2])
            made = _augmented(augmentation, images)
            if _is_foreign(choice):
                _check_images(made, images, (told[0], told[1], told[1]))
                again = _augmented(augmentation, images)
                _require(
                    torch.equal(made, again), "draws from elsewhere than the `generator` that it is given: runs differ"
                )
        images = made


def check_data(choice: Choice, data: Any) -> None:
    """Look at what a data set of the user's own has given. Raises InputError."""
    if not _is_foreign(choice):
        return
    with _trying(choice):
        _require(isinstance(data, DataSet), f"gives {_kind(data)}, not a cnnjobs.components.datasets.DataSet")
        names = [*data.classes]
        distinct = len(set(names)) == len(names) > 0 and all(isinstance(name, str) for name in names)
        _require(distinct, f"has the classes {names[:5]}; give each a name of its own, a text")
        shapes = {name: _check_split(name, getattr(data, name), len(names)) for name in ("train", "validation", "test")}
        _require(len({*shapes.values()}) == 1, f"has images of different shapes (height, width, channels): {shapes}")
        channels = shapes["train"][-1]
        for name in ("mean", "std"):
            numbers = getattr(data, name)
            told = f"`{name}` has {len(numbers)} numbers, its images {channels} channels"
            _require(len(numbers) == channels, told)
        _require(all(number > 0 for number in data.std), "has a `std` that is not above 0")


def _check_split(name: str, split: Any, num_classes: int) -> tuple[int, ...]:
    """The shape (height, width, channels) of a split's images."""
    _require(isinstance(split, Split), f"`{name}` is {_kind(split)}, not a cnnjobs.components.datasets.Split")
    images, labels = split.whole if isinstance(split, Part) else split.images, split.labels
    found = f"{getattr(images, 'dtype', type(images).__name__)} {tuple(getattr(images, 'shape', ()))}"
    fits = isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.ndim == 4
    _require(fits, f"`{name}` has images {found}; they are a NumPy array (N, H, W, C) of uint8, 0 to 255")
    _require(images.shape[1] == images.shape[2], f"`{name}` has images {found}; they have to be square")
    fits = isinstance(labels, np.ndarray) and labels.dtype == np.int64 and labels.ndim == 1
    found = f"{getattr(labels, 'dtype', type(labels).__name__)} {tuple(getattr(labels, 'shape', ()))}"
    _require(fits, f"`{name}` has labels {found}; they are a NumPy array (N,) of int64")
    if not isinstance(split, Part):
        _require(len(labels) == len(images), f"`{name}` has {len(images)} images and {len(labels)} labels")
    inside = not len(labels) or (labels.min() >= 0 and labels.max() < num_classes)
    _require(inside, f"`{name}` has labels outside of 0 to {num_classes - 1}, the places of its classes")
    return tuple(images.shape[1:])


def _augmented(augmentation: Augmentation, images: Tensor) -> Tensor:
    before = images.clone()
    generator = (torch.Generator().manual_seed(0),) if augmentation.random else ()
    made = augmentation(images, *generator)
    _require(torch.equal(before, images), "changes the images that it is given; change a copy")
    return made


def _check_images(made: Any, given: Tensor, shape: tuple[int, int, int]) -> None:
    _require(isinstance(made, Tensor), f"gives {_kind(made)}, not a tensor of images (N, C, H, W)")
    wanted, found = (len(given), *shape), tuple(made.shape)
    _require(found == wanted, f"makes images {found} of {tuple(given.shape)}, and its `shape` tells {wanted}")
    fits = made.dtype == given.dtype or made.is_floating_point()
    _require(fits, f"makes {made.dtype} of {given.dtype}; keep the type, or give floats in [0, 1]")


def _try_loss(loss: Any, num_classes: int) -> None:
    _require(callable(loss), f"is {_kind(loss)}, which cannot be called with (logits, labels)")
    # As many images as classes would let it take one for the other.
    count = _TRIED + (num_classes == _TRIED)
    logits = torch.linspace(-1, 1, count * num_classes).view(count, num_classes).requires_grad_()
    shapes = f"logits ({count}, {num_classes}) and class numbers ({count},), int64"
    try:
        value = loss(logits, torch.arange(count) % num_classes)
    except CnnjobsError:
        raise
    except Exception as error:
        raise InputError(f"fails on {shapes}, as of single-label classification: {error}") from error
    _require(isinstance(value, Tensor), f"gives {_kind(value)}, not a tensor ()")
    _require(value.ndim == 0, f"gives {tuple(value.shape)}, not one mean () over the batch")
    _require(value.requires_grad, "has no gradient: it has to be computed from the logits by torch")
    value.backward()


def _try_optimizer(optimizer: Any, weights: Sequence[nn.Parameter]) -> None:
    _require(isinstance(optimizer, torch.optim.Optimizer), f"gives {_kind(optimizer)}, not a torch.optim.Optimizer")
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    before = weights[0].detach().clone()
    optimizer.step()
    _require(not torch.equal(before, weights[0]), "leaves the weights as they are: `step()` has to change them")
    _check_state(optimizer)


def _try_schedule(schedule: Any) -> None:
    for name in ("step", "state_dict", "load_state_dict"):
        _require(callable(getattr(schedule, name, None)), f"gives {_kind(schedule)}, which has no `{name}()`")
    optimizer = getattr(schedule, "optimizer", None)
    if isinstance(optimizer, torch.optim.Optimizer):
        optimizer.step()
    schedule.step(*((1.0,) if isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau) else ()))
    _check_state(schedule)


def _check_state(part: Any) -> None:
    """Raises InputError for what no checkpoint may hold."""
    buffer = io.BytesIO()
    try:
        torch.save(part.state_dict(), buffer)
        buffer.seek(0)
        torch.load(buffer, weights_only=True)
    except Exception as error:
        raise InputError("has a state that holds more than tensors and plain values: it cannot be saved") from error


@contextmanager
def _trying(choice: Choice) -> Iterator[None]:
    """What a part raises in here names it, and where the contract stands; the draws of the run are as before."""
    before = random_state(torch.device("cpu"))
    key = "augment" if choice.kind == "augmentation" else choice.kind
    try:
        with concerning(key):
            yield
    except Exception as error:
        said = str(error) if isinstance(error, CnnjobsError) else f"{type(error).__name__}: {error}"
        said = " ".join(said.split())
        if said.startswith(f"{choice.kind} {choice.name}:") or isinstance(error, torch.OutOfMemoryError):
            raise
        found = said if isinstance(error, InputError) else f"fails when it is tried: {said}"
        with concerning(key):
            raise InputError(f"{choice.kind} `{choice.name}` {found}; {_PAGE}") from error
    finally:
        with suppress(RuntimeError):
            restore_random_state(before, torch.device("cpu"))


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise InputError(otherwise)


def _kind(value: Any) -> str:
    return f"a `{type(value).__name__}`"


def _is_foreign(choice: Choice) -> bool:
    return registry.is_foreign(choice.kind, choice.name)
