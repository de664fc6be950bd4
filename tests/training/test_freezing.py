from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import nn

from cnnjobs import registry
from cnnjobs.config.run import RunConfig
from cnnjobs.config.transfer import Freeze
from cnnjobs.errors import InputError
from cnnjobs.training.networks.freezing import freeze, train_mode


def network(name: str) -> nn.Module:
    given = {"in_channels": 3, "num_classes": 10, "image_size": 32}
    model: nn.Module = registry.find("model", name).build(given=given, options={})
    return model


def counts(model: nn.Module) -> tuple[int, int]:
    """Trainable and frozen parameters."""
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return trained, sum(parameter.numel() for parameter in model.parameters()) - trained


@pytest.mark.parametrize("name", ["resnet18", "torchvision/resnet18"])
def test_resnet18_with_layer4_and_fc_to_train(name: str) -> None:
    model = network(name)
    freeze(model, Freeze(patterns=("layer4", "fc"), all_but=True))
    assert counts(model) == (8_398_858, 2_782_784)
    trained = [key for key, each in model.named_modules() if isinstance(each, nn.Conv2d) and each.weight.requires_grad]
    assert trained == [
        "layer4.0.conv1", "layer4.0.conv2", "layer4.0.downsample.0", "layer4.1.conv1", "layer4.1.conv2",
    ]  # fmt: skip


def test_patterns_and_names_of_modules_and_parameters() -> None:
    def frozen(*patterns: str) -> set[str]:
        model = network("resnet18")
        freeze(model, Freeze(patterns=patterns))
        return {name for name, parameter in model.named_parameters() if not parameter.requires_grad}

    assert frozen("conv1", "fc.bias") == {"conv1.weight", "fc.bias"}
    assert frozen("layer1.*") == frozen("layer1")
    assert {name.split(".")[0] for name in frozen("layer[12]")} == {"layer1", "layer2"}


def test_what_a_network_freezes_itself_stays_frozen() -> None:
    model = network("resnet18")
    model.get_submodule("fc").requires_grad_(False)
    freeze(model, Freeze(patterns=("conv1",)))
    assert counts(model)[1] == 3 * 64 * 49 + 5130


def test_frozen_batch_norm_stays_in_evaluation_mode_with_and_without_parameters() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, affine=False), nn.Dropout(0.5), nn.BatchNorm2d(2))
    still = freeze(model, Freeze(patterns=("0", "1", "2")))
    train_mode(model, still)
    assert [module.training for module in model] == [True, False, True, True]


def test_modules_to_train_inside_frozen_ones_are_trained() -> None:
    model = network("resnet18")
    train_mode(model, freeze(model, Freeze(patterns=("layer4.1",), all_but=True)))
    assert [model.get_submodule(f"layer4.{block}.bn1").training for block in (0, 1)] == [False, True]


@pytest.mark.parametrize(
    ("patterns", "all_but", "told"),
    [
        (
            ["layr4"],
            False,
            "`layr4` matches no module; did you mean `layer4` or `layer4.1`? there is: conv1, bn1, relu, ",
        ),
        (
            ["layer4.0.cnv"],
            True,
            "`layer4.0.cnv` matches no module; did you mean `layer4.0.conv2` or `layer4.0.conv1`? ",
        ),
        (
            ["features.*"],
            False,
            "`features.*` matches no module; there is: conv1, bn1, relu, maxpool, layer1, layer2, ",
        ),
        (["*"], False, "all 11,181,642 parameters would be frozen; leave some modules to train, as the head"),
        (["relu"], True, "all 11,181,642 parameters would be frozen; leave some modules to train, as the head"),
        (["relu"], False, "nothing would be frozen: what it names has no parameters; leave `freeze` out"),
    ],
)
def test_what_cannot_be_meant_is_refused(patterns: list[str], all_but: bool, told: str) -> None:
    with pytest.raises(InputError) as refused:
        freeze(network("resnet18"), Freeze(patterns=tuple(patterns), all_but=all_but))
    assert str(refused.value).startswith(f"freeze: {told}")


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_every_frozen_tensor_is_the_same_to_the_bit_after_training(toy: Any, optimizer: str) -> None:
    run: RunConfig = toy.config(freeze={"all_but": ["6"]}, optimizer=optimizer, weight_decay=0.1, epochs=2)
    trainer = toy.trainer(run)
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    half: list[dict[str, Any]] = []
    trainer.train(lambda line: None, lambda: half.append(_copy(trainer.state())))
    assert [id(each) for group in trainer.optimizer.param_groups for each in group["params"]] == [
        id(each) for each in trainer.model[6].parameters()
    ]
    resumed = toy.trainer(run)
    resumed.restore(half[0])
    resumed.train(lambda line: None, lambda: None)
    for after in (trainer, resumed):
        after.final_metrics()
        changed = {name for name, tensor in after.model.state_dict().items() if not torch.equal(tensor, before[name])}
        assert changed == {"6.weight", "6.bias"}
        assert all(parameter.grad is None for parameter in after.model.parameters() if not parameter.requires_grad)
    for name, tensor in trainer.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name


def _copy(state: dict[str, Any]) -> dict[str, Any]:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    copied: dict[str, Any] = torch.load(buffer, weights_only=True)
    return copied
