"""Randomisation test: dependence of pictures of a network on its training."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from cnnjobs.errors import InputError
from cnnjobs.figures.backprop.rules import ReluRule
from cnnjobs.figures.methods.attribution import class_signals, grad_cam, integrated_gradients, smooth_gradients

# Enough for a rank correlation of many pixels; the figures themselves take more.
_SAMPLES: Final = 20

Maps = dict[str, NDArray[np.float64]]


def reinitialised(model: nn.Module, seed: int) -> nn.Module:
    """A copy with the weights and statistics of a network that nobody has trained, in eval mode.

    Layers start again as their own classes do it; weights that none of them sets anew are shuffled.
    """
    fresh = copy.deepcopy(model).eval()
    devices = {parameter.device for parameter in model.parameters() if parameter.device.type == "cuda"}
    with torch.random.fork_rng(devices=list(devices)), torch.no_grad():
        torch.manual_seed(seed)
        for module in fresh.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
        trained = dict(model.named_parameters())
        for name, parameter in fresh.named_parameters():
            if parameter.ndim > 1 and torch.equal(parameter, trained[name]):
                order = torch.randperm(parameter.numel(), device=parameter.device)
                parameter.copy_(parameter.flatten()[order].view_as(parameter))
    return fresh


def pictures(model: nn.Module, images: Tensor, classes: Tensor, layer: str, seed: int = 0) -> tuple[Maps, list[str]]:
    """By method how strongly each pixel (N, H, W) is marked for a class (N,), and why methods are left out.

    `layer` is Grad-CAM's; the others start at the logits. `seed` is that of SmoothGrad's noise.
    """
    mean = torch.zeros_like(images[0])
    found = {
        "gradient": _strength(class_signals(model, images, classes)),
        "SmoothGrad": _strength(smooth_gradients(model, images, classes, samples=_SAMPLES, seed=seed)),
        "integrated": integrated_gradients(model, images, classes, mean, steps=_SAMPLES, most=_SAMPLES)
        .values.sum(1)
        .abs(),
    }
    left_out = []
    rules: tuple[tuple[str, ReluRule], ...] = (("deconvolution", "deconv"), ("guided", "guided"))
    for name, rule in rules:
        try:
            found[name] = _strength(class_signals(model, images, classes, rule))
        except InputError as error:
            left_out.append(f"{name} is left out: {error}")
    cam = grad_cam(model, images, layer, classes)
    found["Grad-CAM"] = F.interpolate(cam[:, None], images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    return {name: values.double().cpu().numpy() for name, values in found.items()}, left_out


def _strength(signals: Tensor) -> Tensor:
    """signals (N, C, H, W) -> the largest of the channels (N, H, W)."""
    return signals.abs().amax(1)


def rank_correlations(some: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """Spearman's coefficient of two maps (N, H, W) each: (N,); NaN where one of them is the same all over."""
    found = np.full(len(some), np.nan)
    for place, pair in enumerate(zip(some, others, strict=True)):
        first, second = (_ranks(each.ravel()) for each in pair)
        spread = first.std() * second.std()
        if spread > 0:
            found[place] = ((first - first.mean()) * (second - second.mean())).mean() / spread
    return found


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """The place of each value (n,) in their order; equal ones share the middle of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse])


def summary(correlations: NDArray[np.float64]) -> Mapping[str, float | int | None]:
    """Mean, deviation and extremes of those correlations that are numbers, and how many there are."""
    known = correlations[~np.isnan(correlations)]
    if not len(known):
        return {"mean": None, "sd": None, "lowest": None, "highest": None, "number": 0}
    return {
        "mean": float(known.mean()),
        "sd": float(known.std(ddof=1)) if len(known) > 1 else None,
        "lowest": float(known.min()),
        "highest": float(known.max()),
        "number": len(known),
    }
