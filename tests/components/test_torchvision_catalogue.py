from __future__ import annotations

import importlib
import inspect
import math
import subprocess
import sys

import pytest
import torchvision

from cnnjobs import registry
from cnnjobs.components.pretrained import torchvision as catalogue
from cnnjobs.errors import UnknownNameError


def test_the_names_are_those_that_torchvision_lists() -> None:
    assert catalogue.names() == sorted(torchvision.models.list_models(module=torchvision.models))


@pytest.mark.parametrize("name", catalogue.names())
def test_weights_are_as_torchvision_has_them(name: str) -> None:
    enum = torchvision.models.get_model_weights(name)
    found = catalogue.architecture(name)
    # Those without classes are of the feature layers alone.
    listed = {weights.name: weights for weights in enum if weights.meta["categories"]}
    assert found.default_weights == enum.DEFAULT.name
    assert {key: each.url for key, each in found.weights.items()} == {key: each.url for key, each in listed.items()}
    for key, each in found.weights.items():
        transforms = listed[key].transforms()
        assert each.size_mb == listed[key].meta["_file_size"]
        assert [each.image_size] == transforms.crop_size
        assert len(each.sha256) >= 8
        if name not in ("googlenet", "inception_v3"):
            assert [[*each.mean], [*each.std]] == [[*transforms.mean], [*transforms.std]]


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_that_normalise_by_themselves_get_what_they_make_of_it(name: str) -> None:
    network = importlib.import_module(f"torchvision.models.{name.removesuffix('_v3')}")
    source = inspect.getsource(network)
    weights = catalogue.architecture(name).weights["IMAGENET1K_V1"]
    for channel, (mean, std) in enumerate(zip(catalogue.IMAGENET_MEAN, catalogue.IMAGENET_STD, strict=True)):
        assert f"x[:, {channel}], 1) * ({std} / 0.5) + ({mean} - 0.5) / 0.5" in source
        value = 0.37
        inside = (value - mean) / std * (std / 0.5) + (mean - 0.5) / 0.5
        assert math.isclose(inside, (value - weights.mean[channel]) / weights.std[channel])


def test_options_are_those_that_the_builder_leaves_open() -> None:
    options = {name: list(catalogue.architecture(name).options) for name in catalogue.names()}
    assert options["resnet18"] == ["zero_init_residual"]
    assert options["densenet121"] == ["drop_rate"]
    assert options["efficientnet_b0"] == ["dropout", "stochastic_depth_prob"]
    assert options["swin_t"] == ["dropout", "attention_dropout"], "its builder sets stochastic_depth_prob itself"
    assert options["regnet_y_400mf"] == []


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"^torchvision has no classifier `resnt18`; did you mean `resnet18`, "):
        registry.find("model", "torchvision/resnt18")
    with pytest.raises(
        UnknownNameError, match=r"^no model is called `resnet50`; did you mean `torchvision/resnet50`\?"
    ):
        registry.find("model", "resnet50")


def test_nothing_is_imported_to_read_a_run() -> None:
    program = """
import sys
from cnnjobs.config.run import RunConfig, read_config
config = read_config({"dataset": "mnist", "model": {"name": "torchvision/vgg11", "dropout": 0.1}, "weights": "DEFAULT"})
assert isinstance(config, RunConfig), config
assert config.weights == "IMAGENET1K_V1"
read_config({"dataset": "mnist", "model": "timm/resnet18"})
assert not {"torch", "torchvision", "timm", "numpy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
