"""Layers by name, and what they give."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from cnnjobs.components.models.lenet5 import lenet5
from cnnjobs.components.models.resnet18 import resnet18
from cnnjobs.errors import InputError, UnknownNameError
from cnnjobs.figures.network.layers import NamedLayer, Prefix, check_channel, check_spatial, find_layer, list_layers


def images(count: int = 2, size: int = 64) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def test_layers_have_names_kinds_and_shapes() -> None:
    layers = {layer.name: layer for layer in list_layers(resnet18(3, 10), (3, 224, 224))}
    assert layers["conv1"] == NamedLayer("conv1", "Conv2d", (64, 112, 112))
    assert layers["layer4"] == NamedLayer("layer4", "Sequential", (512, 7, 7))
    assert layers["layer1.0.relu"].output_shape == (64, 56, 56)
    assert [layers[name].spatial for name in ("layer4", "avgpool", "flatten", "fc")] == [True, True, False, False]
    assert list(layers)[:5] == ["conv1", "bn1", "relu", "maxpool", "layer1"]


def test_layers_that_are_not_called_are_not_listed_and_refused() -> None:
    model = lenet5(3, 10, 32)
    model.forward = lambda x: model.conv1(x)  # noqa: PLW0108 (a module would become a part)
    assert [layer.name for layer in list_layers(model, (3, 32, 32))] == ["conv1"]
    with pytest.raises(InputError, match="layer `conv2` is never called by the network; --list-layers"):
        Prefix(model, "conv2")(images(size=32))


@pytest.mark.parametrize(
    ("name", "near"),
    [("layr4", "`layer4`"), ("layer4.1.con2", "`layer4.1.conv2`"), ("downsample", "`layer2.0.downsample`")],
)
def test_a_wrong_name_is_answered_by_near_ones(name: str, near: str) -> None:
    with pytest.raises(UnknownNameError) as told:
        find_layer(resnet18(3, 10), name)
    assert str(told.value).startswith(f"the network has no layer `{name}`; did you mean ")
    assert near in str(told.value)
    assert "--list-layers shows all" in str(told.value)


def test_a_name_like_no_other_is_answered_by_the_list() -> None:
    with pytest.raises(UnknownNameError, match=r"no layer `zzz`; --list-layers shows all 12 of them"):
        find_layer(lenet5(3, 10, 32), "zzz")


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_a_scripted_network_is_refused() -> None:
    scripted = torch.jit.script(lenet5(3, 10, 32))
    with pytest.raises(InputError, match=r"layer `conv1` is compiled by torch\.jit\.script"):
        find_layer(scripted, "conv1")


def test_maps_and_channels_are_checked() -> None:
    maps, numbers = torch.zeros(2, 6, 4, 4), torch.zeros(2, 10)
    check_spatial("conv1", maps)
    check_channel("conv1", maps, 5)
    with pytest.raises(InputError, match=r"layer `fc` is not spatial \(10 per image\).*--list-layers"):
        check_spatial("fc", numbers)
    for channel in (-1, 6):
        with pytest.raises(InputError, match=f"layer `conv1` has no channel {channel}; it has 6, from 0 to 5"):
            check_channel("conv1", maps, channel)


def test_an_output_is_what_the_layer_gave_not_what_was_written_into_it_later() -> None:
    """torchvision adds the shortcut into the batch norm's own output, and rectifies it in place."""
    model = torchvision.models.resnet18().eval()
    block = model.layer4[1]
    with torch.no_grad():
        entering = Prefix(model, "layer4.0")(images())
        expected = block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(entering)))))
        assert torch.equal(Prefix(model, "layer4.1.bn2")(images()), expected)
        assert torch.equal(Prefix(model, "layer4")(images()), torch.relu(expected + entering))
        # The one ReLU of the block is called twice: its last call is meant.
        assert torch.equal(Prefix(model, "layer4.1.relu")(images()), torch.relu(expected + entering))


def test_what_follows_the_layer_is_left_out_from_the_second_use_on() -> None:
    model = resnet18(3, 10)
    calls: list[str] = []
    for name in ("layer1", "layer2"):
        find_layer(model, name).register_forward_hook(lambda *_, name=name: calls.append(name))
    prefix = Prefix(model, "layer1.0.relu")
    first, second = prefix(images()), prefix(images())
    assert torch.equal(first, second)
    assert calls == ["layer1", "layer2"]


@pytest.mark.parametrize("output", [tuple, list, lambda parts: {"maps": parts[0]}])
def test_of_several_outputs_the_first_counts(output: Any) -> None:
    class Several(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return output([2 * x, x])

    assert torch.equal(Prefix(nn.Sequential(Several()), "0")(images()), 2 * images())


def test_a_module_with_two_names_has_both() -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU())
    model.add_module("again", model[1])
    assert find_layer(model, "again") is model[1]
    assert [layer.name for layer in list_layers(model, (3, 8, 8))] == ["0", "1", "again"]
