from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from cnnjobs.components.models.resnet18 import ResidualBlock, resnet18
from cnnjobs.errors import InputError
from cnnjobs.training.networks.layer_table import layer_table


def num_parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def shapes(model: nn.Module, size: int) -> dict[str, tuple[int, ...]]:
    values, found = torch.rand(1, 3, size, size), {}
    with torch.no_grad():
        for name, layer in model.eval().named_children():
            values = layer(values)
            found[name] = tuple(values.shape[1:])
    return found


@pytest.mark.parametrize("position", ["before", "after"])
def test_parameters_of_colour_and_gray_images(position: str) -> None:
    assert num_parameters(resnet18(3, 10, pool_position=position)) == 11_181_642
    assert num_parameters(resnet18(1, 10, pool_position=position)) == 11_175_370
    assert num_parameters(resnet18(3, 1000, pool_position=position)) == 11_689_512


def test_pooling_after_the_first_stage_leaves_it_at_112_pixels() -> None:
    assert shapes(resnet18(3, 10, pool_position="after"), 224) == {
        "conv1": (64, 112, 112), "bn1": (64, 112, 112), "relu": (64, 112, 112), "layer1": (64, 112, 112),
        "maxpool": (64, 56, 56), "layer2": (128, 28, 28), "layer3": (256, 14, 14), "layer4": (512, 7, 7),
        "avgpool": (512, 1, 1), "flatten": (512,), "fc": (10,),
    }  # fmt: skip


def test_multiply_accumulates_per_stage() -> None:
    table = layer_table(resnet18(3, 10), (3, 224, 224))
    stages = {stage.name: stage.macs for stage in table.stages}
    convolution, layer1 = 112 * 112 * 64 * 147, 4 * 56 * 56 * 64 * 576
    assert (layer1, stages["layer1"]) == (462_422_016, 462_422_016)
    assert [stages[name] for name in ("layer2", "layer3", "layer4")] == [411_041_792] * 3
    assert table.macs == convolution + layer1 + 3 * 411_041_792 + 5_120 == 1_813_566_464
    # The same four convolutions on 112 x 112 pixels cost four times as much.
    assert layer_table(resnet18(3, 10, pool_position="after"), (3, 224, 224)).macs == table.macs + 3 * layer1
    assert table.macs + 3 * layer1 == 3_200_832_512


def test_twenty_convolutions_and_one_linear_layer() -> None:
    kinds = [type(module) for module in resnet18(3, 10).modules()]
    assert (kinds.count(nn.Conv2d), kinds.count(nn.Linear), kinds.count(nn.BatchNorm2d)) == (20, 1, 20)


@pytest.mark.parametrize("size", [32, 64, 97, 224])
def test_the_weights_of_torchvision_give_its_values(size: int) -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18(num_classes=10)
    with torch.no_grad():
        theirs(torch.rand(2, 3, 64, 64))
    ours = resnet18(3, 10)
    assert [*ours.state_dict()] == [*theirs.state_dict()]
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(2, 3, size, size)
    with torch.no_grad():
        assert torch.equal(ours.eval()(images), theirs.eval()(images))
        assert torch.equal(ours.train()(images), theirs.train()(images))


def test_weights_start_with_the_spread_of_torchvision() -> None:
    torch.manual_seed(0)
    ours, theirs = dict(resnet18(3, 10).named_parameters()), torchvision.models.resnet18(num_classes=10)
    for name, weight in theirs.named_parameters():
        if weight.numel() > 1000:
            assert ours[name].std().item() == pytest.approx(weight.std().item(), rel=0.05), name


@pytest.mark.parametrize("size", [32, 64, 96, 112, 128, 160, 192, 224, 256, 320])
def test_sizes_at_which_a_fixed_window_of_seven_fails_or_drops_the_border(size: int) -> None:
    layers = {name: layer.eval() for name, layer in resnet18(3, 10).named_children()}
    maps = torch.rand(1, 512, -(-size // 32), -(-size // 32))
    mean = layers["avgpool"](maps)
    assert mean.shape == (1, 512, 1, 1)
    assert torch.allclose(mean.flatten(), maps.mean((0, 2, 3)))
    if size < 224:
        with pytest.raises(RuntimeError, match="Output size is too small"):
            F.avg_pool2d(maps, 7)
    else:
        assert torch.allclose(F.avg_pool2d(maps, 7), mean, atol=1e-6) == (size == 224)


def test_the_small_stem_keeps_the_size_of_the_image() -> None:
    model = resnet18(3, 10, stem="cifar")
    assert num_parameters(model) == 11_181_642 - 64 * 3 * (49 - 9) == 11_173_962
    found = shapes(model, 32)
    assert "maxpool" not in found
    assert (found["layer1"], found["layer4"]) == ((64, 32, 32), (512, 4, 4))


def test_a_stem_without_pooling_has_none_to_put_elsewhere() -> None:
    with pytest.raises(InputError) as raised:
        resnet18(3, 10, stem="cifar", pool_position="after")
    told = "`stem: cifar` has no pooling that could stand after layer1; drop one of the two"
    assert str(raised.value) == f"model resnet18: {told}"


def test_the_shortcut_is_the_input_or_a_projection() -> None:
    def block(*arguments: Any) -> Tensor:
        made = ResidualBlock(*arguments).eval()
        with torch.no_grad():
            for weight in (made.conv1.weight, made.conv2.weight):
                weight.zero_()
            return made(images)

    images = torch.randn(2, 8, 6, 6)
    assert torch.equal(block(8, 8, 1), images.relu())
    assert block(8, 16, 2).shape == (2, 16, 3, 3)
    assert isinstance(ResidualBlock(8, 8, 2).downsample, nn.Sequential)
