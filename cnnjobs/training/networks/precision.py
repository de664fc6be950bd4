"""Precision that `precision: auto` stands for: by the network and by what the device does fast."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import torch
from torch import Tensor, nn

from cnnjobs.config.run import RunConfig
from cnnjobs.training.data.ranks import ALONE, Ranks
from cnnjobs.training.networks.evaluate import evaluating

# Multiply-accumulates for an image from which bfloat16 is faster on a CPU (python -m benchmarks.steps): nothing is
# gained with LeNet-5 (0.65 million), half as much again with the network of Table 2 (29 million).
LEAST_PRODUCTS: Final = 25_000_000


def with_precision(
    config: RunConfig,
    model: nn.Module,
    input_shape: tuple[int, int, int],
    device: torch.device,
    ranks: Ranks = ALONE,
) -> RunConfig:
    """The configuration with `auto` made float32 or bfloat16 for this network, whose images are (C, H, W).

    Of several ranks all have the same: bfloat16 only where it is fast for each of them.
    """
    if config.precision != "auto":
        return config
    chosen = "float32"
    if device.type == "cpu" and ranks.total([has_fast_bfloat16()])[0] == ranks.number:
        # What is wrong with a network that takes no such images, its first step tells.
        with suppress(Exception):
            if num_products(model, torch.zeros(1, *input_shape)) >= LEAST_PRODUCTS:
                chosen = "bfloat16"
    return config.model_copy(update={"precision": chosen})


def has_fast_bfloat16() -> bool:
    """Check whether this processor multiplies bfloat16 itself (AVX512-BF16, AMX); others imitate it, slowly."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def num_products(model: nn.Module, images: Tensor) -> int:
    """Multiply-accumulates of the convolutions and linear layers for one image (1, C, H, W)."""
    total = 0

    def add(layer: nn.Module, _: object, result: Tensor) -> None:
        nonlocal total
        total += result.numel() * layer.get_parameter("weight")[0].numel()

    counted = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(add) for layer in counted]
    try:
        with torch.no_grad(), evaluating(model):
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return total
