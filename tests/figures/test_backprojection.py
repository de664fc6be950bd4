"""Back-projection against captum, against explicit pipelines, and against what must hold for any network."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from cnnjobs.components.models.lenet5 import lenet5
from cnnjobs.components.models.resnet18 import resnet18
from cnnjobs.errors import InputError
from cnnjobs.figures.backprop.rules import Rules
from cnnjobs.figures.backprop.trace import back_project, trace

VANILLA, DECONV, GUIDED = Rules("vanilla"), Rules("deconv"), Rules("guided")


def images(count: int = 2, channels: int = 3, size: int = 64) -> Tensor:
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(1))


def with_statistics(model: nn.Module) -> nn.Module:
    """Batch norms as training leaves them, with statistics and scales of their own."""
    generator = torch.Generator().manual_seed(2)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight.data, module.running_var):
                values.copy_(0.5 + torch.rand(values.shape, generator=generator))
            for values in (module.bias.data, module.running_mean):
                values.copy_(0.3 * torch.randn(values.shape, generator=generator))
    return model.eval()


def class_seed(labels: list[int], count: int) -> Tensor:
    return F.one_hot(torch.tensor(labels), count).float()


def captum_attribution(model: nn.Module, inputs: Tensor, labels: list[int], rules: Rules) -> Tensor:
    attribution = pytest.importorskip("captum.attr", reason="needs captum")
    method = attribution.Deconvolution if rules.relu == "deconv" else attribution.GuidedBackprop
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return method(model).attribute(inputs.clone().requires_grad_(), target=torch.tensor(labels)).detach()


@pytest.mark.parametrize("rules", [DECONV, GUIDED], ids=lambda rules: rules.relu)
def test_it_equals_captum_on_torchvision_resnet18(rules: Rules) -> None:
    model = with_statistics(torchvision.models.resnet18(num_classes=10))
    ours = back_project(model, images(), "", class_seed([3, 7], 10), rules)
    theirs = captum_attribution(model, images(), [3, 7], rules)
    assert (ours - theirs).abs().max() < 1e-6
    assert ours.abs().max() > 1e-3


def test_vanilla_is_the_gradient() -> None:
    model = with_statistics(torchvision.models.resnet18(num_classes=10))
    leaf = images().requires_grad_()
    (gradient,) = torch.autograd.grad(model(leaf)[:, 4].sum(), leaf)
    assert torch.equal(back_project(model, images(), "", class_seed([4, 4], 10), VANILLA), gradient)


# What a ReLU gives back for the signal, the ReLU's input being x.
RELU: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "vanilla": lambda signal, x: signal * (x > 0),
    "deconv": lambda signal, x: F.relu(signal),
    "guided": lambda signal, x: F.relu(signal) * (x > 0),
}


@pytest.mark.parametrize("rule", RELU)
def test_it_equals_an_explicit_unpooling_pipeline_on_lenet5(rule: str) -> None:
    """Unpooling by switches, exchanged ReLU, transposed convolution, twice (Zeiler and Fergus 2014, Fig. 1)."""
    model = lenet5(3, 10, 32)
    first = model.conv1(images(size=32))
    pooled, switches = F.max_pool2d(first, 2, return_indices=True)
    second = model.conv2(F.relu(pooled))
    twice_pooled, second_switches = F.max_pool2d(second, 2, return_indices=True)
    seed = F.relu(twice_pooled)

    signal = F.max_unpool2d(RELU[rule](seed, twice_pooled), second_switches, 2, output_size=second.shape)
    signal = RELU[rule](F.conv_transpose2d(signal, model.conv2.weight), pooled)
    signal = F.conv_transpose2d(F.max_unpool2d(signal, switches, 2, output_size=first.shape), model.conv1.weight)

    traced = trace(model, images(size=32), "relu2")
    assert torch.equal(traced.output, seed)
    for unpool in ("sum", "switch"):
        ours = traced.project(seed, Rules(rule, unpool=unpool))
        assert (ours - signal).abs().max() <= 1e-6 * signal.abs().max()


def convolution_back(conv: nn.Conv2d, signal: Tensor, size: torch.Size) -> Tensor:
    """A convolution's signal at its input of this size: what is left over of the stride is computed, not tabulated."""
    stride, padding, kernel = conv.stride[0], conv.padding[0], conv.kernel_size[0]
    rest = size[-1] - ((signal.shape[-1] - 1) * stride - 2 * padding + kernel)
    return F.conv_transpose2d(signal, conv.weight, None, stride, padding, rest, conv.groups, conv.dilation)


def norm_back(norm: nn.BatchNorm2d, signal: Tensor) -> Tensor:
    return signal * (norm.weight / (norm.running_var + norm.eps).sqrt()).view(1, -1, 1, 1)


def block_back(block: nn.Module, x: Tensor, signal: Tensor, relu: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    inner = block.bn1(block.conv1(x))
    trunk = block.bn2(block.conv2(F.relu(inner)))
    shortcut = x if block.downsample is None else block.downsample(x)
    signal = relu(signal, trunk + shortcut)
    through = convolution_back(block.conv2, norm_back(block.bn2, signal), inner.shape)
    through = convolution_back(block.conv1, norm_back(block.bn1, relu(through, inner)), x.shape)
    if block.downsample is not None:
        signal = convolution_back(block.downsample[0], norm_back(block.downsample[1], signal), x.shape)
    return through + signal


@torch.no_grad()
def explicit_resnet18(model: nn.Module, inputs: Tensor, rule: str) -> Tensor:
    """The output of layer4 taken back by hand, block by block."""
    relu = RELU[rule]
    normed = model.bn1(model.conv1(inputs))
    pooled, switches = F.max_pool2d(F.relu(normed), 3, 2, 1, return_indices=True)
    blocks = [block for stage in (model.layer1, model.layer2, model.layer3, model.layer4) for block in stage]
    entering = [pooled]
    for block in blocks:
        entering.append(block(entering[-1]))
    signal = entering[-1]
    for block, x in zip(reversed(blocks), reversed(entering[:-1]), strict=True):
        signal = block_back(block, x, signal, relu)
    # Windows overlap: what they give back is added.
    spread = torch.zeros_like(normed).flatten(2).scatter_add(2, switches.flatten(2), signal.flatten(2))
    signal = norm_back(model.bn1, relu(spread.view_as(normed), normed))
    return convolution_back(model.conv1, signal, inputs.shape)


@pytest.mark.parametrize("rule", RELU)
def test_it_equals_an_explicit_pipeline_on_a_resnet_with_functional_relus(rule: str) -> None:
    model = with_statistics(resnet18(3, 10))
    traced = trace(model, images(), "layer4")
    explicit = explicit_resnet18(model, images(), rule)
    assert (traced.project(traced.output, Rules(rule)) - explicit).abs().max() <= 1e-5 * explicit.abs().max()


def test_captum_misses_functional_relus() -> None:
    model = with_statistics(resnet18(3, 10))
    ours = back_project(model, images(), "", class_seed([3, 7], 10), DECONV)
    theirs = captum_attribution(model, images(), [3, 7], DECONV)
    assert (ours - theirs).abs().max() > 0.2 * theirs.abs().max()


class Spelled(nn.Module):
    """A convolution, a ReLU in some spelling, a convolution."""

    def __init__(self, relu: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.relu(self.first(x)))


SPELLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "F.relu": F.relu,
    "F.relu in place": lambda x: F.relu(x, inplace=True),
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "Tensor.relu": lambda x: x.relu(),
    "Tensor.relu_": lambda x: x.relu_(),
    "clamp": lambda x: x.clamp(min=0),
    "clamp_": lambda x: x.clamp_(min=0),
    "clamp_min": lambda x: x.clamp_min(0),
    "threshold": lambda x: F.threshold(x, 0, 0),
    "leaky_relu": lambda x: F.leaky_relu(x, 0.0),
    "module in place": nn.ReLU(inplace=True),
    "Threshold": nn.Threshold(0.0, 0.0),
    "relu6": lambda x: F.relu6(x / 100) * 100,
}


@pytest.mark.parametrize("rules", [DECONV, GUIDED], ids=lambda rules: rules.relu)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_relu_is_seen(spelling: str, rules: Rules) -> None:
    inputs, seed = images(size=9), torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(3))
    expected = back_project(Spelled(nn.ReLU()), inputs, "", seed, rules)
    found = back_project(Spelled(SPELLINGS[spelling]), inputs, "", seed, rules)
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(found, back_project(Spelled(nn.ReLU()), inputs, "", seed, VANILLA))


class Custom(torch.autograd.Function):
    @staticmethod
    def forward(_: object, x: Tensor) -> Tensor:
        return x.clamp(min=0)

    @staticmethod
    def backward(_: object, gradient: Tensor) -> Tensor:
        return gradient


def in_part(x: Tensor) -> Tensor:
    x = x.clone()
    x[:, :2] = x[:, :2].relu()
    return x


@pytest.mark.parametrize(
    ("activation", "name"),
    [
        (nn.LeakyReLU(), "leaky_relu"),
        (nn.ELU(), "elu"),
        (nn.GELU(), "gelu"),
        (nn.SiLU(), "silu"),
        (nn.Tanh(), "tanh"),
        (nn.PReLU(), "prelu"),
        (nn.Hardtanh(), "hardtanh"),
        (torch.sigmoid, "sigmoid"),
        (lambda x: torch.maximum(x, torch.zeros_like(x)), "maximum"),
        (lambda x: torch.where(x > 0, x, 0.0), "where"),
        (Custom.apply, "custom"),
        (in_part, "copy_slices"),
    ],
)
def test_what_has_no_rule_is_refused_by_name(activation: Callable[[Tensor], Tensor], name: str) -> None:
    traced = trace(Spelled(activation), images(size=9), "second")
    assert traced.project(traced.output, VANILLA).abs().sum() > 0
    for rules in (DECONV, GUIDED):
        with pytest.raises(InputError, match=rf"layer `second`: {rules.relu} .*`{name}`.* use vanilla"):
            traced.project(traced.output, rules)
    # It does not lie below the first convolution.
    before = trace(Spelled(activation), images(size=9), "first")
    assert before.project(before.output, DECONV).abs().sum() > 0


def test_an_identity_convolution_gives_its_input_back() -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.ReLU())
    model[0].weight.data = torch.eye(3).view(3, 3, 1, 1)
    inputs = images().abs()
    traced = trace(model, inputs, "1")
    for rules in (VANILLA, DECONV, GUIDED):
        assert torch.equal(traced.project(traced.output, rules), inputs)


@pytest.mark.parametrize("size", [224, 223, 56, 7])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(7, 2, 3), (3, 2, 1), (1, 2, 0)])
def test_a_strided_convolution_goes_back_as_its_transpose(kernel: int, stride: int, padding: int, size: int) -> None:
    convolution = nn.Conv2d(2, 4, kernel, stride, padding)
    traced = trace(convolution, images(1, 2, size), "")
    seed = torch.randn(traced.output.shape, generator=torch.Generator().manual_seed(3))
    expected = convolution_back(convolution, seed, traced.images.shape)
    assert (traced.project(seed) - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("rules", [VANILLA, DECONV, GUIDED], ids=lambda rules: rules.relu)
def test_twice_the_signal_gives_twice_the_picture(rules: Rules) -> None:
    traced = trace(with_statistics(resnet18(3, 10)), images(), "layer3")
    once, twice = traced.project(traced.output, rules), traced.project(2 * traced.output, rules)
    assert torch.equal(2 * once, twice)
    assert torch.equal(once, traced.project(traced.output, rules))
    assert once.abs().sum() > 0
