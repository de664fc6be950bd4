from __future__ import annotations

from typing import Any

import pytest
import torch

from cnnjobs import registry
from cnnjobs.errors import InputError

# Options that each registered model is tried with; a new model is tried with its defaults.
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "cnn": [
        {},
        {"filters": (4, 8)},
        {"filters": ()},
        {"filters": (4, 8, 8, 8)},
        {"kernel_size": 3},
        {"kernel_size": 4},
        {"kernel_size": (5, 4, 3)},
        {"convolutions_per_block": 2, "kernel_size": 3},
        {"convolutions_per_block": 2, "kernel_size": 2, "pooling": "stride"},
        {"batch_norm": True},
        {"pooling": "average"},
        {"pooling": "stride"},
        {"dropout": 0.5},
        *({"activation": name} for name in ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh")),
        {"hidden": ()},
        {"hidden": (32, 16), "batch_norm": True, "dropout": 0.1},
    ],
    "resnet18": [{}, {"stem": "cifar"}],
}
CASES = [(name, options) for name in registry.components("model") for options in OPTIONS.get(name, [{}])]

every_case = pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{name}{options}" for name, options in CASES])


def build(name: str, options: dict[str, Any], channels: int = 3, size: int = 32, classes: int = 10) -> torch.nn.Module:
    torch.manual_seed(0)
    given = {"in_channels": channels, "num_classes": classes, "image_size": size}
    model: torch.nn.Module = registry.find("model", name).build(given=given, options=options)
    return model


@every_case
@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 28), (1, 32), (3, 32)])
def test_logits_come_out_and_every_weight_gets_a_gradient(
    name: str, options: dict[str, Any], channels: int, size: int
) -> None:
    model = build(name, options, channels, size)
    logits = model(torch.rand(4, channels, size, size))
    assert logits.shape == (4, 10)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 3])).backward()
    for key, weight in model.named_parameters():
        assert weight.grad is not None, key
        assert weight.grad.isfinite().all(), key
        assert weight.grad.abs().sum() > 0, key


@every_case
def test_images_are_independent_in_evaluation(name: str, options: dict[str, Any]) -> None:
    model = build(name, options).eval()
    images = torch.rand(6, 3, 32, 32)
    with torch.no_grad():
        whole, parts = model(images), [model(part) for part in images.split(2)]
    assert torch.allclose(whole, torch.cat(parts), atol=1e-5)


@every_case
def test_weights_are_saved_and_loaded(name: str, options: dict[str, Any]) -> None:
    model, images = build(name, options).eval(), torch.rand(2, 3, 32, 32)
    torch.manual_seed(1)
    given = {"in_channels": 3, "num_classes": 10, "image_size": 32}
    other: torch.nn.Module = registry.find("model", name).build(given=given, options=options)
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(other.eval()(images), model(images))


@every_case
def test_too_small_images_are_told_the_smallest_that_work(name: str, options: dict[str, Any]) -> None:
    smallest = 0
    for size in range(1, 33):
        try:
            model = build(name, options, size=size)
        except InputError as error:
            assert not smallest, "one size works, so all larger ones do"
            told = str(error)
            assert told.startswith(f"model {name}: images of {size}×{size} pixels are too small")
            continue
        if not smallest:
            smallest = size
            assert size == 1 or f"the smallest size that works is {size};" in told
            assert model.eval()(torch.rand(1, 3, size, size)).shape == (1, 10)
    assert smallest
