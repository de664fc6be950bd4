"""torch's classes as components: known by their source text, refused where they cannot work."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

from cnnjobs import registry
from cnnjobs.components.torch_parts import catalogue
from cnnjobs.config.run import RunConfig, read_config
from cnnjobs.errors import UnknownNameError

KNOWN = [
    (home.kind, home.module, name) for home in catalogue.HOMES for name in catalogue.class_names(home.kind, home.module)
]
BASE = {"dataset": "mnist", "model": "lenet5"}


@pytest.mark.parametrize(("kind", "module", "name"), KNOWN, ids=str)
def test_the_source_tells_what_the_constructor_takes(kind: str, module: str, name: str) -> None:
    component = registry.find(kind, f"{module}:{name}")
    parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters
    assert set(component.parameters) - {"step"} <= set(parameters)
    for key, each in component.parameters.items():
        default = parameters[key].default if key in parameters else "step"
        if each.default is not None and key != "step":
            assert each.default == (registry.REQUIRED if default is inspect.Parameter.empty else default)


def test_all_that_people_try_first_is_known() -> None:
    found = {name for _, _, name in KNOWN}
    wanted = "SGD Adagrad Adadelta NAdam RAdam StepLR CosineAnnealingLR ExponentialLR OneCycleLR ReduceLROnPlateau"
    wanted += " CosineAnnealingWarmRestarts MultiStepLR CrossEntropyLoss RandomHorizontalFlip RandomCrop ColorJitter"
    assert set(wanted.split()) <= found
    assert not {"LBFGS", "SparseAdam", "LRScheduler", "AveragedModel", "BCELoss", "ToTensor"} & found


def test_reading_them_loads_no_torch() -> None:
    program = (
        "import sys\nfrom cnnjobs.config.run import read_config\n"
        "run = read_config({'dataset': 'mnist', 'model': 'lenet5', 'optimizer': {'name': 'torch.optim:SGD',"
        " 'nesterov': True, 'momentum': 0.9}, 'augment': ['torchvision.transforms:RandomHorizontalFlip']})\n"
        "assert run.optimizer.options['momentum'] == 0.9, run\nassert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("optimizer", "torch.optim.Adagrad", "did you mean `torch.optim:Adagrad`?"),
        ("optimizer", "adagrad", "did you mean `torch.optim:Adagrad`?"),
        ("optimizer", "SGD", "did you mean `sgd`?"),
        ("schedule", "StepLR", "did you mean `torch.optim.lr_scheduler:StepLR`?"),
        ("model", "mine.nets.Net", "did you mean `mine.nets:Net`?"),
        ("optimizer", "torch.optim:Adagard", "no such class; did you mean `Adagrad`? allowed: ASGD, "),
        ("optimizer", "torch.optim:LBFGS", "runs the network several times a step (a closure)"),
        ("optimizer", "torch.optim:SparseAdam", "takes sparse gradients alone"),
        ("optimizer", "torch.optim.lr_scheduler:StepLR", "write schedule: torch.optim.lr_scheduler:..."),
        ("schedule", "torch.optim.lr_scheduler:LambdaLR", "needs a function, which YAML cannot write"),
        ("loss", "torch.nn:MSELoss", "the labels of images are classes; use `cross_entropy`"),
        ("loss", "torch.nn.functional:cross_entropy", "write `torch.nn:CrossEntropyLoss`"),
        ("augmentation", "torchvision.transforms:ToTensor", "images are tensors already; leave it out"),
        ("augmentation", "torchvision.transforms.v2:Normalize", "{name: normalise, mean: ..., std: ...}"),
        ("augmentation", "torchvision.transforms.v2:MixUp", "changes labels"),
    ],
)
def test_what_cannot_work_is_answered_with_what_can(kind: str, name: str, told: str) -> None:
    with pytest.raises(UnknownNameError) as error:
        registry.find(kind, name)
    assert told in str(error.value)


def test_an_option_that_the_class_lacks_is_answered_with_those_it_has() -> None:
    found = read_config({**BASE, "optimizer": {"name": "torch.optim:SGD", "nesterof": True}})
    assert isinstance(found, list)
    assert found[0].remedy.startswith("did you mean `nesterov`? allowed: dampening, foreach, fused, maximize, momentum")


def test_a_default_that_is_written_out_is_the_same_run_and_a_loss_keeps_its_id() -> None:
    runs = [
        read_config({**BASE, "optimizer": {"name": "torch.optim:SGD", "momentum": 0.9, **more}})
        for more in ({}, {"dampening": 0}, {"dampening": 0.1})
    ]
    loss = read_config({**BASE, "loss": "torch.nn:CrossEntropyLoss"})
    assert isinstance(loss, RunConfig)
    assert loss.run_id == "lenet5-mnist-sgd-lr0.05-s0-7e4e6780"
    ids = [run.run_id for run in runs if isinstance(run, RunConfig)]
    assert ids[0] == ids[1] != ids[2]
