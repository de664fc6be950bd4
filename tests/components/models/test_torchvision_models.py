from __future__ import annotations

from typing import Any

import pytest
import torch

from cnnjobs import registry
from cnnjobs.errors import InputError

# The smallest of each family, at the smallest size that it takes; maxvit is too slow for a test of a moment.
FAMILIES = {
    "alexnet": 63, "convnext_tiny": 32, "densenet121": 29, "efficientnet_b0": 32, "efficientnet_v2_s": 32,
    "googlenet": 32, "inception_v3": 75, "mnasnet0_5": 32, "mobilenet_v2": 32, "mobilenet_v3_small": 32,
    "regnet_y_400mf": 32, "resnet18": 32, "resnext50_32x4d": 32, "shufflenet_v2_x0_5": 32, "squeezenet1_1": 17,
    "swin_t": 32, "swin_v2_t": 32, "vgg11_bn": 32, "vit_b_16": 32, "wide_resnet50_2": 32,
}  # fmt: skip


def build(name: str, channels: int = 1, size: int = 32, classes: int = 10, **options: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    given = {"in_channels": channels, "num_classes": classes, "image_size": size}
    model: torch.nn.Module = registry.find("model", f"torchvision/{name}").build(given=given, options=options)
    return model


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_takes_gray_images_and_any_number_of_classes(name: str) -> None:
    size = FAMILIES[name]
    with torch.no_grad():
        assert build(name, 1, size, 7).eval()(torch.rand(2, 1, size, size)).shape == (2, 7)


def test_resnet18_for_gray_images_and_ten_classes_has_its_parameters() -> None:
    assert sum(parameter.numel() for parameter in build("resnet18").parameters()) == 11_175_370


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1"])
def test_gray_images_give_what_they_gave_in_all_three_channels(name: str) -> None:
    images = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        gray, colour = build(name, 1).eval()(images), build(name, 3).eval()(images.expand(2, 3, 32, 32))
    assert torch.allclose(gray, colour, atol=1e-4)
    assert not torch.allclose(gray, torch.zeros_like(gray), atol=1e-3)


def test_options_reach_the_network_and_null_leaves_torchvisions_own() -> None:
    for given, expected in ((0.25, 0.25), (None, 0.5)):
        model = build("squeezenet1_1", dropout=given)
        assert [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)] == [expected]


@pytest.mark.parametrize(
    ("name", "size", "told"),
    [
        ("vgg11", 28, "images of 28×28 pixels are too small; the smallest size that works is 32; enlarge"),
        ("inception_v3", 74, "images of 74×74 pixels are too small; the smallest size that works is 75; enlarge"),
        ("vit_b_16", 28, "images of 28×28 pixels cannot be cut into patches; allowed: multiples of 16; add {name: res"),
        ("maxvit_t", 112, "images of 112×112 pixels cannot be cut into patches; allowed: multiples of 224; add {name"),
    ],
)
def test_sizes_that_do_not_fit_are_told_before_anything_is_built(name: str, size: int, told: str) -> None:
    with pytest.raises(InputError) as refused:
        build(name, size=size)
    assert str(refused.value).startswith(f"model torchvision/{name}: {told}")
