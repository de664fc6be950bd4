"""A small batch before the first step: one check, which the plan and every worker make alike.

It runs on a copy, so that the weights, the running averages and the random generators stay as they are.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from cnnjobs.errors import CnnjobsError, InputError, RunError, concerning
from cnnjobs.training.data.preprocessing import Preprocessing
from cnnjobs.training.data.random_state import random_state, restore_random_state
from cnnjobs.training.networks.evaluate import Loss, autocast, evaluating
from cnnjobs.training.networks.memory import in_order, lay_out, spread_out
from cnnjobs.training.networks.outputs import check_logits, strangeness
from cnnjobs.training.networks.shape_errors import misfit, other_type

FASTER: Final = "channels_last: convolutions on a CPU are 1.1 to 1.7 times as fast"
_CLOSE: Final = 1e-4
_LIKE: Final = 1e-2
_IMAGES, _SEED = 2, 7
_NAMED: Final = 3


@dataclass(frozen=True)
class Trial:
    """The memory format in which a network works, `why` it is that one, and what else the batch has shown."""

    memory_format: torch.memory_format
    why: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """A network that is to be tried: what it is called, what it sees, and what becomes of its logits.

    `trained` and `evaluated` are the images of the smallest batch of either kind.
    """

    name: str
    preprocessing: Preprocessing
    num_classes: int
    precision: str = "float32"
    loss: Loss | None = None
    trained: int = _IMAGES
    evaluated: int = _IMAGES
    batch_size: int = _IMAGES


def try_out(model: nn.Module, asked: Question) -> Trial:
    """Train and evaluate a copy of `model` with a few random images.

    Raises RunError that tells what is wrong with it, or whatever its own code raises.
    """
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    before = random_state(device)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            return _in_the_format_that_works(model, asked, device)
    finally:
        restore_random_state(before, device)


def working_format(model: nn.Module, asked: Question) -> torch.memory_format:
    """The memory format in which the network works; what is wrong with it otherwise, its use tells.

    Raises InputError for one that fails since it is of another type than images.
    """
    try:
        return try_out(model, asked).memory_format
    except Exception as error:
        if told := other_type(model):
            raise InputError(f"model `{asked.name}`: {told}") from error
        return torch.channels_last


def recorded_format(choices: Mapping[str, str]) -> torch.memory_format | None:
    """The memory format in which a run was trained, by its record; None where that is not recorded."""
    if "memory_format" not in choices:
        return None
    was_contiguous = choices["memory_format"].startswith("contiguous")
    return torch.contiguous_format if was_contiguous else torch.channels_last


def _in_the_format_that_works(model: nn.Module, asked: Question, device: torch.device) -> Trial:
    try:
        return Trial(torch.channels_last, FASTER, _notes(model, torch.channels_last, asked, device))
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        failed = " ".join(str(error.__cause__ or error).split())
    notes = _notes(model, torch.contiguous_format, asked, device)
    why = f"contiguous: in channels_last, which is faster, the network fails ({failed})"
    return Trial(torch.contiguous_format, why, (f"memory format {why}", *notes))


def _notes(model: nn.Module, form: torch.memory_format, asked: Question, device: torch.device) -> tuple[str, ...]:
    """Notes on a network that works in this memory format. Raises what it raises in it."""
    # As many images as classes would let a loss take one for the other.
    several = _IMAGES if asked.num_classes != _IMAGES else _IMAGES + 1
    with concerning("model"):
        told = ["", ""]
        if asked.batch_size > 1:
            told = _trained(model, form, asked, _images(asked, several, device))
        if asked.trained == 1:
            with concerning("batch_size"), _explained(asked):
                _trained(model, form, asked, _images(asked, 1, device))
        with _expendable(model, form) as copied, torch.no_grad(), evaluating(copied):
            images = _images(asked, several, device)
            first, again = (_logits(copied, images, asked) for _ in range(2))
            changing = "" if torch.allclose(first, again, rtol=_CLOSE, atol=_CLOSE, equal_nan=True) else _CHANGING
            alone = _alone(copied, images[:1], asked, None if changing else first[:1])
    return tuple(filter(None, (*told, changing, alone)))


_CHANGING: Final = (
    "two evaluations of the same images differ: something random stays on in evaluation mode, such as F.dropout without"
    " training=self.training, so that each evaluation gives other numbers"
)
_MIXING: Final = (
    "the logits of an image depend on the others in its batch: look for a view, reshape or permute that mixes them"
)


def _trained(model: nn.Module, form: torch.memory_format, asked: Question, images: Tensor) -> list[str]:
    """Take a step in training mode but for its change of the weights, and give what is to be said of it."""
    with _expendable(model, form) as copied, torch.enable_grad():
        copied.train()
        logits = _logits(copied, images, asked)
        if not bool(logits.isfinite().all()):
            raise RunError(f"model `{asked.name}` gives {_not_finite(logits)} for random images, before any step")
        if not logits.requires_grad:
            raise RunError(
                f"model `{asked.name}` gives logits without a gradient, so that nothing can be learned; look for"
                " detach(), .data, no_grad() or numpy in its `forward`"
            )
        labels = torch.arange(len(images), device=images.device) % asked.num_classes
        with concerning("loss"):
            loss = logits.sum() if asked.loss is None else _loss(asked.loss, logits.float(), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        return [strangeness(logits), _idle(copied)]


def _idle(model: nn.Module) -> str:
    """Notes on parameters that train, though no gradient reaches them."""
    model = model.model if isinstance(model, _Contiguous) else model
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        # Its parameters show no gradients.
        return ""
    idle = [name for name, each in model.named_parameters() if each.requires_grad and each.grad is None]
    if not idle:
        return ""
    more = f" and {len(idle) - _NAMED} more" if len(idle) > _NAMED else ""
    listed = ", ".join(idle[:_NAMED])
    return f"no gradient reaches {listed}{more}: the logits do not depend on them, and they stay as they are drawn"


def _loss(loss: Loss, logits: Tensor, labels: Tensor) -> Tensor:
    shapes = f"logits {tuple(logits.shape)} and class numbers {tuple(labels.shape)}, int64"
    try:
        found = loss(logits, labels)
    except CnnjobsError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        raise RunError(f"loss fails on {shapes}, as of single-label classification: {said}") from error
    if not isinstance(found, Tensor) or found.ndim or not found.requires_grad:
        shape = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise RunError(f"loss gives {shape} for {shapes}; it has to give their mean, one number with a gradient")
    return found


def _logits(model: nn.Module, images: Tensor, asked: Question) -> Tensor:
    try:
        with autocast(images.device, asked.precision):
            output = model(images)
    except Exception as error:
        told = misfit(model, images, asked.name, error)
        if told is None and isinstance(error, TypeError) and "forward()" in str(error):
            told = RunError(
                f"model `{asked.name}`: {error}; it is given one tensor, images (batch, channels, size, size)"
            )
        if told is None:
            raise
        raise told from error
    logits = check_logits(output, asked.name, len(images), asked.num_classes)
    if logits.device != images.device:
        raise RunError(
            f"model `{asked.name}` gives logits on {logits.device} for images on {images.device}; keep all of it where"
            " its images are"
        )
    return logits


def _alone(model: nn.Module, image: Tensor, asked: Question, expected: Tensor | None) -> str:
    """Notes on a network that fails on one image, or gives it other logits than `expected` (1, classes).

    Raises RunError where an evaluation has such a batch.
    """
    try:
        logits = _logits(model, image, asked)
    except (CnnjobsError, RuntimeError, ValueError, IndexError) as error:
        said = f"a batch of one image fails in evaluation: {error}"
        if asked.evaluated == 1:
            raise RunError(f"{said} (the last batch of a split has one)") from error
        return f"{said}; predict needs two images or more"
    if expected is None or asked.precision != "float32":
        return ""
    return "" if torch.allclose(logits, expected, rtol=_LIKE, atol=_LIKE, equal_nan=True) else _MIXING


@contextmanager
def _explained(asked: Question) -> Iterator[None]:
    """Let what fails on a training batch of one image tell why there is one."""
    try:
        yield
    except (CnnjobsError, RuntimeError, ValueError, IndexError) as error:
        why = "set batch_size to 2 or more"
        if asked.batch_size > 1:
            why = "the last batch of an epoch has one; set drop_last: true, or another batch_size"
        said = " ".join(str(error).split())
        raise RunError(f"model `{asked.name}` fails on a training batch of one image: {said}; {why}") from error


def _images(asked: Question, number: int, device: torch.device) -> Tensor:
    """Random images (number, C, H, W) as the network sees those of a data set, channels last in memory."""
    channels, height, width = asked.preprocessing.image_shape
    draws = torch.Generator().manual_seed(_SEED)
    pixels = torch.randint(0, 256, (number, height, width, channels), generator=draws, dtype=torch.uint8)
    return asked.preprocessing(pixels.to(device).permute(0, 3, 1, 2))


def _not_finite(logits: Tensor) -> str:
    return "NaN" if bool(logits.isnan().any()) else "infinite logits"


@contextmanager
def _expendable(model: nn.Module, form: torch.memory_format) -> Iterator[nn.Module]:
    """A copy in this memory format; of what cannot be copied the model itself, whose tensors are put back."""
    copied = _copy(model)
    if copied is not None:
        yield lay_out(copied, form)
        return
    state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    with ExitStack() as after:
        after.callback(model.zero_grad)
        after.callback(model.load_state_dict, state)
        after.enter_context(evaluating(model))
        if form is torch.contiguous_format:
            yield _Contiguous(model)
        else:
            yield model.to(memory_format=form)


class _Contiguous(nn.Module):
    """A model that is given contiguous images."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        spread_out(model)
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(in_order(images))
        return logits


def _copy(model: nn.Module) -> nn.Module | None:
    copying: Callable[[nn.Module], nn.Module] = deepcopy
    try:
        return copying(model)
    except Exception:
        return None
