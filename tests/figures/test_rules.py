"""Each rule on its own: unpooling, batch norm, the routes of residuals; and that the network stays as it is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from cnnjobs.components.models.resnet18 import resnet18
from cnnjobs.errors import InputError
from cnnjobs.figures.backprop.routes import residual_additions
from cnnjobs.figures.backprop.rules import Rules
from cnnjobs.figures.backprop.trace import back_project, trace

VANILLA = Rules("vanilla")


def images(count: int = 2, channels: int = 3, size: int = 64) -> Tensor:
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 2, 0), (3, 1, 1), (2, 3, 0)])
def test_switches_write_and_sums_add(kernel: int, stride: int, padding: int) -> None:
    pooling = nn.MaxPool2d(kernel, stride, padding)
    # Many windows share their maximum, and values occur twice.
    inputs = images(size=13).mul(3).round()
    traced = trace(pooling, inputs, "")
    seed = 1 + torch.arange(traced.output.numel()).view_as(traced.output).float()
    _, switches = F.max_pool2d(inputs, kernel, stride, padding, return_indices=True)
    assert torch.equal(
        traced.project(seed, Rules(unpool="switch")),
        F.max_unpool2d(seed, switches, kernel, stride, padding, output_size=inputs.shape),
    )
    added = torch.zeros_like(inputs).flatten(2).scatter_add(2, switches.flatten(2), seed.flatten(2)).view_as(inputs)
    assert torch.equal(traced.project(seed), added)
    overlapping = kernel > stride
    assert torch.equal(traced.project(seed), traced.project(seed, Rules(unpool="switch"))) is not overlapping


@pytest.mark.parametrize("unpool", ["sum", "switch"])
def test_pooling_what_was_unpooled_gives_it_again(unpool: Any) -> None:
    traced = trace(nn.MaxPool2d(2), images(size=12), "")
    answer = traced.output.relu()
    assert torch.equal(F.max_pool2d(traced.project(answer, Rules(unpool=unpool)), 2), answer)


def test_norms_multiply_by_their_scale_by_nothing_or_by_its_inverse() -> None:
    norm = nn.BatchNorm2d(3, eps=0).eval()
    norm.weight.data, norm.running_var = torch.tensor([3.0, -0.5, 0.0]), torch.tensor([4.0, 1.0, 1.0])
    traced, scale = trace(norm, images(), ""), torch.tensor([1.5, -0.5, 0.0]).view(1, 3, 1, 1)
    seed = images()
    assert torch.allclose(traced.project(seed), seed * scale)
    assert torch.equal(traced.project(seed, Rules(norm="skip")), seed)
    inverse = traced.project(seed, Rules(norm="inverse"))
    assert torch.allclose(inverse[:, :2] * scale[:, :2], seed[:, :2])
    assert not inverse[:, 2].any()
    assert traced.notes(Rules(norm="inverse")) == ("1 channels of batch norms have scale 0 and give nothing back",)
    assert traced.notes(Rules()) == ()
    norm.weight.data[1] = 1e-3
    assert "up to 1e+03" in trace(norm, images(), "").notes(Rules(norm="inverse"))[0]


def test_norms_without_statistics_have_the_gradient_only() -> None:
    traced = trace(nn.BatchNorm2d(3, track_running_stats=False), images(), "")
    assert traced.project(images(count=2, size=64)).shape == (2, 3, 64, 64)
    for rule in ("skip", "inverse"):
        with pytest.raises(InputError, match=r"batch norm without running statistics .* use the norm rule vjp"):
            traced.project(traced.output, Rules(norm=rule))


def signals(model: nn.Module, layer: str, rules: Rules, blocks: Any, size: int = 64) -> dict[str, Tensor]:
    traced = trace(model, images(size=size), layer)
    routes: Any = ("full", "trunk", "shortcut")
    return {route: traced.project(traced.output, Rules(rules.relu, route=route, blocks=blocks)) for route in routes}


@pytest.mark.parametrize("build", [torchvision.models.resnet18, lambda num_classes: resnet18(3, num_classes)])
def test_trunk_and_shortcut_add_up_to_all_of_the_gradient_but_not_of_deconv(build: Any) -> None:
    model = build(num_classes=10)
    gradient = signals(model, "layer4", VANILLA, "last")
    difference = (gradient["full"] - gradient["trunk"] - gradient["shortcut"]).abs().max()
    assert difference <= 2e-6 * gradient["full"].abs().max()
    deconv = signals(model, "layer4", Rules("deconv"), "last")
    difference = (deconv["full"] - deconv["trunk"] - deconv["shortcut"]).abs().max()
    assert difference >= 0.02 * deconv["full"].abs().max()


def test_the_shortcuts_alone_reach_one_place_in_64() -> None:
    """Three 1x1 convolutions of stride 2 are all that is on this way, from layer4 to the pooling's output."""
    model = resnet18(3, 10)
    after_pooling = model[4:]
    traced = trace(after_pooling, images(1, 64, 56), "layer4")
    reached = traced.project(torch.ones_like(traced.output), Rules(route="shortcut", blocks="all"))
    assert (reached[0].abs().sum(0) != 0).float().mean() == 1 / 64
    pixels = signals(model, "layer4", Rules(), "all", size=224)["shortcut"]
    assert 0.08 < (pixels != 0).float().mean() < 0.12


class Residual(nn.Module):
    """One block; `order` says how the branches are added."""

    def __init__(self, order: str) -> None:
        super().__init__()
        self.order = order
        self.trunk, self.shortcut = nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.Conv2d(3, 3, 1, bias=False)
        self.second = nn.Conv2d(3, 3, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        trunk, shortcut = self.second(self.trunk(x)), self.shortcut(x)
        if self.order == "trunk first":
            return trunk + shortcut
        if self.order == "shortcut first":
            return torch.add(shortcut, trunk)
        shortcut += trunk
        return shortcut


@pytest.mark.parametrize("order", ["trunk first", "shortcut first", "in place"])
def test_the_trunk_is_the_longer_branch_in_any_order(order: str) -> None:
    model, seed = Residual(order), images()
    branches = {"trunk": nn.Sequential(model.trunk, model.second), "shortcut": model.shortcut}
    for route, branch in branches.items():
        found = back_project(model, images(), "", seed, Rules("vanilla", route=route))  # type: ignore[arg-type]
        assert torch.allclose(found, back_project(branch, images(), "", seed, VANILLA), atol=1e-6)


def test_the_last_block_is_the_one_before_the_layer() -> None:
    model = resnet18(3, 10)
    for layer, count in (("layer1.0", 1), ("layer2", 4), ("layer4.1.conv1", 7), ("layer4", 8)):
        assert list(residual_additions(trace(model, images(), layer).graph).values()) == [0] * count
    assert torch.equal(*(signals(model, "layer1.0", Rules(), blocks)["trunk"] for blocks in ("last", "all")))
    last, every = (signals(model, "layer1", Rules(), blocks)["trunk"] for blocks in ("last", "all"))
    assert not torch.allclose(last, every)


def test_a_layer_without_residual_additions_has_no_routes() -> None:
    for layer in ("conv1", "layer1.0.conv1"):
        with pytest.raises(InputError, match=f"layer `{layer}` has no trunk: no residual addition .*route full"):
            signals(resnet18(3, 10), layer, VANILLA, "last")


class Disturbing(nn.Module):
    """Draws numbers, writes into its input, and may fail; its parts have modes and hooks of their own."""

    def __init__(self, *, fails: bool) -> None:
        super().__init__()
        self.fails = fails
        self.inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout())
        self.frozen = nn.BatchNorm2d(4).eval()
        self.inner[0].weight.requires_grad_(False)
        self.calls: list[int] = []
        self.inner[2].register_forward_hook(lambda module, inputs, output: self.calls.append(1))

    def forward(self, x: Tensor) -> Tensor:
        x.mul_(2)
        x = self.frozen(self.inner(F.dropout(x, training=True)))
        if self.fails:
            raise RuntimeError("out of order")
        return x


def everything(model: nn.Module) -> list[Any]:
    hooks = [(dict(each._forward_hooks), dict(each._backward_hooks), each.training) for each in model.modules()]
    values = [(name, value.clone()) for name, value in model.state_dict().items()]
    grads = [(each.requires_grad, each.grad) for each in model.parameters()]
    return [hooks, values, grads, torch.get_rng_state()]


def same(before: list[Any], after: list[Any]) -> bool:
    pairs = zip(before[1], after[1], strict=True)
    values = all(name == other and torch.equal(one, two) for (name, one), (other, two) in pairs)
    return bool(before[0] == after[0] and values and before[2] == after[2] and torch.equal(before[3], after[3]))


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_network_is_left_as_it_was(context: Any, fails: bool) -> None:
    model, inputs = Disturbing(fails=fails), images()
    before, kept = everything(model), inputs.clone()
    with context():
        if fails:
            with pytest.raises(RuntimeError, match="out of order"):
                trace(model, inputs, "")
        else:
            traced = trace(model, inputs, "")
            first = traced.project(traced.output)
            with pytest.raises(InputError, match="no trunk"):
                traced.project(traced.output, Rules(route="trunk"))
            assert torch.equal(first, traced.project(traced.output))
    assert same(before, everything(model))
    assert torch.equal(inputs, kept)
    assert bool(model.calls)


def test_a_network_that_cuts_the_gradient_off_is_told() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.body(x).detach())

    traced = trace(Cut(), images(), "head")
    with pytest.raises(InputError, match="layer `head`: no gradient leads from it to the images"):
        traced.project(traced.output)
