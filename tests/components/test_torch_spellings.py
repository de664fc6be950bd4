"""Names as Python programs write them are answered with the name that is accepted here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnjobs import registry
from cnnjobs.config.run import read_config
from cnnjobs.system import own_modules

BASE = {"dataset": "mnist", "model": "lenet5"}
RESNET = "torchvision/resnet18"
NAMES = {
    "model": {
        "torchvision.models.resnet18": RESNET,
        "torchvision.models:resnet18": RESNET,
        "torchvision.models.resnet.resnet18": RESNET,
        "torchvision.resnet18": RESNET,
        "torchvision:resnet18": RESNET,
        "models.resnet18()": RESNET,
        'torchvision.models.get_model("resnet18")': RESNET,
        "torch.hub.load('pytorch/vision', 'resnet18')": RESNET,
        "tf.keras.applications.VGG16": "torchvision/vgg16",
        'timm.create_model("resnet26d")': "timm/resnet26d",
        "timm.models.resnet26d": "timm/resnet26d",
    },
    "dataset": {
        "torchvision.datasets.CIFAR10": "cifar10",
        "datasets.FashionMNIST": "fashion_mnist",
        'torchvision.datasets.MNIST(root="data", train=True)': "mnist",
        'load_dataset("uoft-cs/cifar100")': "cifar100",
        "keras.datasets.mnist.load_data()": "mnist",
    },
    "loss": {
        "nn.CrossEntropyLoss()": "torch.nn:CrossEntropyLoss",
        "F.cross_entropy": "torch.nn:CrossEntropyLoss",
        "torch.nn.functional.nll_loss": "torch.nn:NLLLoss",
    },
    "optimizer": {
        "torch.optim.sgd.SGD": "torch.optim:SGD",
        "optim.Adam": "torch.optim:Adam",
        "Adagrad": "torch.optim:Adagrad",
        "SGD(lr=0.1)": "sgd",
    },
    "schedule": {"lr_scheduler.StepLR": "torch.optim.lr_scheduler:StepLR"},
    "augmentation": {
        "transforms.RandomCrop(32, padding=4)": "torchvision.transforms.v2:RandomCrop",
        "torchvision.transforms.RandomCrop": "torchvision.transforms:RandomCrop",
        "T.ColorJitter": "torchvision.transforms.v2:ColorJitter",
        "RandomErasing": "torchvision.transforms.v2:RandomErasing",
    },
}
ALL = [(kind, name, ours) for kind, names in NAMES.items() for name, ours in names.items()]


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Iterator[Path]:
    with own_modules.used(tmp_path):
        yield tmp_path


def refused(kind: str, value: object) -> str:
    key, value = ("augment", [value]) if kind == "augmentation" else (kind, value)
    found = read_config({**BASE, key: value})
    assert isinstance(found, list), f"{value} is taken for a name of ours"
    (mistake,) = found
    return f"{mistake.found}; {mistake.remedy}"


@pytest.mark.parametrize(("kind", "name", "ours"), ALL, ids=[name for _, name, _ in ALL])
def test_the_name_that_is_accepted_here_is_told(kind: str, name: str, ours: str) -> None:
    message = refused(kind, name)
    assert f" {ours}" in message or f"did you mean `{ours}`" in message
    if not ours.startswith("timm/"):
        assert registry.find(kind, ours).kind == kind


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("model", "timm.create_model", "model: timm/<name>"),
        ("model", "torchvision.models.resnet19", "did you mean `torchvision/resnet18`, "),
        ("model", "torchvision.models.segmentation.fcn_resnet50", "it is no classifier of images"),
        ("model", "torchvision.models.ResNet18_Weights", "write model: torchvision/resnet18 and weights: DEFAULT"),
        ("model", "models.resnet18(pretrained=True)", "torchvision/resnet18, and its weights as weights: DEFAULT"),
        ("model", "nn.Sequential", "it is a layer, and a network is made of several"),
        ("dataset", "torchvision.datasets.ImageFolder", "data/NAME/{train,test}/<class>/* are the data set NAME"),
        ("dataset", "torchvision.datasets.Flowers102", "a folder of images, or one of your own (docs/own-parts.md)"),
        ("loss", "F.mse_loss", "torch's own `MSELoss` cannot be used: it compares with numbers"),
        ("optimizer", "LBFGS", "torch's own `LBFGS` cannot be used: it runs the network several times"),
        ("optimizer", "optim.AdamWW", "did you mean `torch.optim:AdamW`?"),
        ("augmentation", "transforms.ToTensor", "images are tensors already; leave it out"),
        ("augmentation", "transforms.Compose", "which `augment` lists one after the other"),
    ],
)
def test_what_has_no_name_here_is_told_with_its_reason(kind: str, name: str, told: str) -> None:
    assert told in refused(kind, name)


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("model", {"_target_": "torchvision.models.vgg16"}, "write `name: torchvision/vgg16` in its place"),
        ("optimizer", {"class_path": "torch.optim.Adam"}, "write `name: torch.optim:Adam` in its place"),
        ("optimizer", {"type": "SGD", "momentum": 0.9}, "write `name: sgd` in its place"),
        ("model", {"type": "ResNet"}, "write `name` in its place; one of cnn, lenet5, "),
    ],
)
def test_a_class_under_another_tools_key_is_answered_with_ours(kind: str, value: object, told: str) -> None:
    assert told in refused(kind, value)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("flip", "write a list: [flip]"),
        ("transforms.RandomCrop", "write a list: [torchvision.transforms.v2:RandomCrop]"),
        ({"name": "T.RandomCrop", "size": 32}, "write a list: [{name: torchvision.transforms.v2:RandomCrop, ...}]"),
        ("transforms.ToTensor", "images are tensors already; leave it out"),
    ],
)
def test_one_augmentation_alone_is_answered_with_a_list_of_it(value: object, told: str) -> None:
    found = read_config({**BASE, "augment": value})
    assert isinstance(found, list)
    assert found[0].remedy.endswith(told)


def test_modules_of_ones_own_with_such_names_are_ones_own(folder: Path) -> None:
    (folder / "models.py").write_text("def resnet18(num_classes): ...\n")
    assert "did you mean `models:resnet18`?" in refused("model", "models.resnet18")
    assert registry.find("model", "models:resnet18").module == "models"


def test_a_folder_of_images_may_have_dots_and_brackets() -> None:
    for name in ("flowers.v2", "flowers(1)", "mnist.small", "datasets.csv", "datasets.v2"):
        assert not isinstance(read_config({**BASE, "dataset": name}), list)
