"""Attribution of a class to pixels of an image: methods based on gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnjobs.errors import InputError
from cnnjobs.figures.backprop.rules import ReluRule, Rules
from cnnjobs.figures.backprop.trace import trace
from cnnjobs.figures.network.layers import Prefix, called, check_channel, check_spatial, find_layer
from cnnjobs.training.networks.evaluate import undisturbed

_BATCH: Final = 32
# Sums of so many gradients are taken for complete that come this close to what they add up to.
_COMPLETE: Final = 0.01


def logits_of(model: nn.Module, images: Tensor) -> Tensor:
    """images (N, C, H, W) as the model takes them -> logits (N, classes). Raises InputError for a model with others."""
    with torch.no_grad():
        logits = Prefix(model, "")(images)
    if logits.ndim != 2:
        shape = "×".join(map(str, logits.shape[1:]))
        raise InputError(f"the network gives {shape} numbers per image, not one for each class")
    return logits.float()


def _parts(images: Tensor, classes: Tensor, size: int = _BATCH) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(torch.split(images, size), torch.split(classes, size), strict=True)


def class_signals(model: nn.Module, images: Tensor, classes: Tensor, relu: ReluRule = "vanilla") -> Tensor:
    """The logit of one class for each image, classes (N,), taken back to images (N, C, H, W): `vanilla`, its gradient.

    Raises InputError where the network has something that the rule says nothing about.
    """
    parts = []
    for some, wanted in _parts(images, classes):
        traced = trace(model, some, "")
        for number in wanted.tolist():
            check_channel("", traced.output, number)
        seed = F.one_hot(wanted, traced.output.shape[1]).to(traced.output.dtype)
        parts.append(traced.project(seed, Rules(relu)).detach())
    return torch.cat(parts)


def smooth_gradients(
    model: nn.Module, images: Tensor, classes: Tensor, *, samples: int = 50, noise: float = 0.15, seed: int = 0
) -> Tensor:
    """The mean gradient over noisy copies (Smilkov et al. 2017, 1706.03825): (N, C, H, W).

    `noise` is the standard deviation as a share of the range of each image's values.
    """
    generator = torch.Generator().manual_seed(seed)
    means = []
    for image, wanted in _parts(images, classes, 1):
        draws = torch.randn(samples, *image.shape[1:], generator=generator).to(image.device)
        copies = image + noise * (image.max() - image.min()) * draws
        means.append(class_signals(model, copies, wanted.expand(samples)).mean(0))
    return torch.stack(means)


@dataclass(frozen=True, eq=False)
class IntegratedGradients:
    """`values` (N, C, H, W); they should add up to what the logit gains over that of the baseline.

    `errors` (N,) are what is missing, as shares of that gain; `steps` is how many gradients were summed for it.
    """

    values: Tensor
    errors: Tensor
    steps: int

    @property
    def complete(self) -> bool:
        """True if next to nothing is missing."""
        return bool((self.errors < _COMPLETE).all())


def integrated_gradients(
    model: nn.Module, images: Tensor, classes: Tensor, baseline: Tensor, *, steps: int = 50, most: int = 800
) -> IntegratedGradients:
    """Gradients summed on straight lines from the baseline (C, H, W) (Sundararajan et al. 2017, 1703.01365).

    By midpoints; where the sum is not complete, with twice as many steps, up to `most`.
    """
    gains = _picked(logits_of(model, images), classes) - _picked(logits_of(model, baseline[None]), classes)
    while True:
        values = torch.stack([
            _line_mean(model, image, baseline, wanted, steps) * (image - baseline)
            for image, wanted in zip(images, classes, strict=True)
        ])  # fmt: skip
        missing = (values.double().sum((1, 2, 3)) - gains).abs()
        errors = torch.where(missing > 0, missing / gains.abs().clamp(min=torch.finfo(torch.float32).tiny), 0)
        found = IntegratedGradients(values, errors, steps)
        if found.complete or 2 * steps > most:
            return found
        steps *= 2


def _picked(logits: Tensor, classes: Tensor) -> Tensor:
    """logits (N, K) or (1, K), classes (N,) -> (N,)."""
    return logits.double().expand(len(classes), -1).gather(1, classes[:, None])[:, 0]


def _line_mean(model: nn.Module, image: Tensor, baseline: Tensor, wanted: Tensor, steps: int) -> Tensor:
    shares = (torch.arange(steps, device=image.device) + 0.5) / steps
    points = baseline + shares.view(-1, 1, 1, 1) * (image - baseline)
    return class_signals(model, points, wanted.expand(steps)).mean(0)


def grad_cam(model: nn.Module, images: Tensor, layer: str, classes: Tensor) -> Tensor:
    """Weight of each place of a layer for the class (N,) (Selvaraju et al. 2017, 1610.02391): (N, h, w).

    The channels' maps, weighted with their mean gradient; what speaks against the class is 0. Raises InputError for a
    layer without maps, or one that the class does not depend on.
    """
    parts = []
    for some, wanted in _parts(images, classes):
        with torch.inference_mode(False), torch.enable_grad(), _opened(model, layer) as opened:
            logits = Prefix(model, "")(some.detach().clone())
        maps, opening = opened()
        check_spatial(layer, maps)
        for number in wanted.tolist():
            check_channel("", logits, number)
        chosen = logits.gather(1, wanted[:, None]).sum()
        (slopes,) = torch.autograd.grad(chosen, [opening], allow_unused=True) if logits.requires_grad else (None,)
        if slopes is None:
            raise InputError(f"{called(layer)}: no class depends on it")
        weights = slopes.mean((2, 3), keepdim=True)
        parts.append((weights * maps).sum(1).clamp(min=0).float())
    return torch.cat(parts)


@contextmanager
def _opened(model: nn.Module, layer: str) -> Iterator[Callable[[], tuple[Tensor, Tensor]]]:
    """The layer's last output (N, K, h, w), and zeros that are added to it: a place where gradients end."""
    calls: list[tuple[Tensor, Tensor]] = []

    def hook(_module: nn.Module, _arguments: tuple[Any, ...], output: Any) -> Any:
        if not isinstance(output, Tensor):
            raise InputError(f"{called(layer)} gives no single tensor; name another layer, --list-layers shows them")
        opening = torch.zeros_like(output, requires_grad=True)
        calls.append((output.detach().clone(), opening))
        return output + opening

    def last() -> tuple[Tensor, Tensor]:
        if not calls:
            raise InputError(f"{called(layer)} is never called by the network; --list-layers shows what is")
        return calls[-1]

    handle = find_layer(model, layer).register_forward_hook(hook)
    try:
        with undisturbed(model):
            yield last
    finally:
        handle.remove()
