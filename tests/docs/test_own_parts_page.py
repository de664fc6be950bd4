"""docs/own-parts.md: the module and the sweep that it shows train; each part that lacks something is told."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch

from cnnjobs.config.run import RunConfig, read_config
from cnnjobs.errors import InputError
from cnnjobs.sweep.file import read_sweep
from cnnjobs.training.data.pipeline import DataSets
from cnnjobs.training.loop.trainer import Trainer

PAGE = (Path(__file__).parents[2] / "docs" / "own-parts.md").read_text(encoding="utf-8")
CODE = "\n\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
SWEEP, TORCHS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The page's module, importable, with what is wrong in the tests below behind it."""
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("own")
    (path / "mine.py").write_text(CODE + dedent(WRONG), encoding="utf-8")
    sys.path.insert(0, str(path))
    yield path
    sys.path.remove(str(path))
    sys.modules.pop("mine", None)


def trainer(config: RunConfig) -> Trainer:
    return Trainer(config, DataSets((), torch.device("cpu")).get(config))


def test_the_sweep_of_the_page_trains_all_five_parts(folder: Path) -> None:
    path = folder / "own.yaml"
    path.write_text(SWEEP, encoding="utf-8")
    (run,) = read_sweep(path).runs
    ready = trainer(run.config)
    assert ready.model is not None
    lines: list[dict[str, Any]] = []
    ready.train(lines.append, lambda: None)
    assert ready.final_metrics()["test.accuracy"] > 0.9
    assert "schedule mine:rising: stepped after each batch" in ready.notes
    assert type(ready.optimizer).__name__ == "SignDescent"
    # The loss is that of the page: with gamma 0 it would be the cross-entropy.
    logits, labels = torch.tensor([[2.0, 0.0]]), torch.tensor([0])
    plain = torch.nn.functional.cross_entropy(logits, labels)
    assert ready.loss(logits, labels).item() == pytest.approx(((1 - (-plain).exp()) ** 1.5 * plain).item())


def test_torchs_own_parts_of_the_page_are_read(folder: Path) -> None:
    path = folder / "torchs.yaml"
    indented = "".join(f"  {line}\n" for line in TORCHS.splitlines())
    path.write_text(f"base:\n  dataset: mnist\n  model: lenet5\n{indented}", encoding="utf-8")
    (run,) = read_sweep(path).runs
    assert run.config.optimizer.options["nesterov"] is True
    assert [choice.options.get("padding") for choice in run.config.augment] == [4, None]


WRONG = """


class Silent:
    def __call__(self, images, generator=None):
        return images


class Shapeless(Silent):
    random = False


class InPlace(Noise):
    def __call__(self, images, generator=None):
        return images.add_(1)


class Global(Noise):
    def __call__(self, images, generator=None):
        return (images + torch.randint(9, images.shape)).to(images.dtype)


class Cropped(Noise):
    def __call__(self, images, generator=None):
        return images[..., 1:, 1:]


class NoGenerator(Noise):
    def __call__(self, images):
        return images


def per_image():
    return nn.CrossEntropyLoss(reduction="none")


def rounded():
    return lambda logits, labels: (logits.argmax(1) != labels).float().mean()


def bare(logits, labels):
    return F.cross_entropy(logits, labels)


def no_optimizer(parameters, lr):
    return {"lr": lr}


class Lazy(SignDescent):
    def __init__(self, params, lr):
        super().__init__(params, lr, 0.9)

    def step(self, closure=None):
        pass


class Closing(Lazy):
    def step(self, closure):
        closure()


class Keeping(Lazy):
    def step(self, closure=None):
        for group in self.param_groups:
            for weight in group["params"]:
                weight.data.sub_(0.1)
        self.state["all"] = {"me": Noise()}


def no_schedule(optimizer):
    return lambda step: 0.1


def per_epoch(optimizer, *, gamma: float = 0.5):
    return torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma)


def pairs(name, folders):
    return [], []


def floats(name, folders):
    data = bars(name, folders)
    return DataSet(name, Split(data.train.images / 255, data.train.labels), data.validation, data.test, *rest(data))


def first_channel(name, folders):
    data = bars(name, folders)
    return DataSet(name, Split(data.train.images.transpose(0, 3, 1, 2), data.train.labels), data.test, data.test,
                   *rest(data))


def from_one(name, folders):
    data = bars(name, folders)
    return DataSet(name, Split(data.train.images, data.train.labels + 1), data.test, data.test, *rest(data))


def rest(data):
    return data.classes, data.mean, data.std
"""
CASES = [
    ("augment", "Silent", "augmentation `mine:Silent` has no `random`: True or False"),
    ("augment", "Shapeless", "has no `shape(channels, size)`"),
    ("augment", "InPlace", "changes the images that it is given; change a copy"),
    ("augment", "Global", "draws from elsewhere than the `generator` that it is given"),
    ("augment", "Cropped", "makes images (4, 1, 15, 15) of (4, 1, 16, 16), and its `shape` tells (4, 1, 16, 16)"),
    ("augment", "NoGenerator", "fails when it is tried: TypeError: NoGenerator.__call__() takes 2 positional"),
    ("loss", "per_image", "loss `mine:per_image` gives (4,), not one mean () over the batch"),
    ("loss", "rounded", "has no gradient: it has to be computed from the logits by torch"),
    ("optimizer", "no_optimizer", "optimizer `mine:no_optimizer` gives a `dict`, not a torch.optim.Optimizer"),
    ("optimizer", "Lazy", "leaves the weights as they are: `step()` has to change them"),
    ("optimizer", "Closing", "fails when it is tried: TypeError: "),
    ("optimizer", "Keeping", "has a state that holds more than tensors and plain values: it cannot be saved"),
    ("schedule", "no_schedule", "gives a `function`, which has no `step()`"),
    ("dataset", "pairs", "dataset `mine:pairs` gives a `tuple`, not a cnnjobs.components.data.datasets.DataSet"),
    ("dataset", "floats", "`train` has images float64 (192, 16, 16, 1); they are a NumPy array (N, H, W, C) of uint8"),
    ("dataset", "first_channel", "`train` has images uint8 (192, 1, 16, 16); they have to be square"),
    ("dataset", "from_one", "`train` has labels outside of 0 to 1, the places of its classes"),
]


def config(**changes: Any) -> RunConfig:
    base = {"dataset": "mine:bars", "model": {"name": "cnn", "filters": [4], "kernel_size": 3}, "epochs": 2}
    return RunConfig.model_validate({**base, **changes})


@pytest.mark.parametrize(("key", "name", "told"), CASES, ids=[name for _, name, _ in CASES])
def test_what_a_part_lacks_is_told_by_its_name(folder: Path, key: str, name: str, told: str) -> None:
    chosen = [f"mine:{name}"] if key == "augment" else f"mine:{name}"
    with pytest.raises(InputError) as error:
        trainer(config(**{key: chosen}))
    assert told in str(error.value)
    assert str(error.value).endswith("; docs/own-parts.md has one that works")


def test_a_function_that_is_the_loss_itself_is_told_when_the_file_is_read(folder: Path) -> None:
    nested = {"dataset": "mine:bars", "model": "lenet5", "loss": "mine:bare"}
    found = read_config(nested)
    assert isinstance(found, list)
    assert [each.key for each in found] == ["loss.logits", "loss.labels"]
    assert found[0].remedy.endswith("or name what makes the loss (docs/own-parts.md)")


def test_a_schedule_that_does_not_take_steps_per_epoch_goes_by_epochs(folder: Path) -> None:
    ready = trainer(config(schedule="mine:per_epoch"))
    lines: list[dict[str, Any]] = []
    ready.train(lines.append, lambda: None)
    assert [line["lr"] for line in lines] == [0.05, 0.025]
    assert "schedule mine:per_epoch: stepped after each epoch" in ready.notes


def test_trying_parts_uses_up_no_draw(folder: Path) -> None:
    plain, tried = (trainer(config(**own)) for own in ({}, {"loss": "mine:Focal", "augment": ["mine:Noise"]}))
    assert torch.equal(plain.state()["random"]["torch"], tried.state()["random"]["torch"])


@pytest.mark.parametrize(
    ("key", "name", "told"),
    [
        ("dataset", "torchvision.datasets:CIFAR10", "write dataset: cifar10"),
        ("dataset", "torchvision.datasets:FashionMNIST", "write dataset: fashion_mnist"),
        ("model", "torchvision.models:resnet18", "write model: torchvision/resnet18"),
    ],
)
def test_data_sets_and_networks_of_torchvision_are_answered_with_their_names(key: str, name: str, told: str) -> None:
    found = read_config({"dataset": "mnist", "model": "lenet5", key: name})
    assert isinstance(found, list)
    assert told in found[0].remedy
