from __future__ import annotations

from typing import Any

import pytest
import torch

from cnnjobs import registry
from cnnjobs.errors import InputError

pytest.importorskip("timm", reason="needs timm: pip install 'cnnjobs[timm]'")


def build(name: str, channels: int = 1, size: int = 32, classes: int = 10, **options: Any) -> torch.nn.Module:
    given = {"in_channels": channels, "num_classes": classes, "image_size": size}
    model: torch.nn.Module = registry.find("model", f"timm/{name}").build(given=given, options=options)
    return model


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224"])
def test_classes_channels_and_size_are_those_of_the_data(name: str) -> None:
    with torch.no_grad():
        assert build(name, classes=7).eval()(torch.rand(2, 1, 32, 32)).shape == (2, 7)


def test_what_timm_refuses_is_told_in_one_line() -> None:
    with pytest.raises(InputError) as refused:
        build("vgg11", drop_path_rate=0.1)
    assert str(refused.value).startswith(
        "model timm/vgg11: timm cannot build it for images of 32×32 pixels with drop_path_rate=0.1: TypeError: "
    )
