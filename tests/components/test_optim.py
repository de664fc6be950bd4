from __future__ import annotations

import copy
import inspect
import sys
from typing import Any

import pytest
import torch

from cnnjobs import registry
from cnnjobs.errors import InputError

TORCH = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "sgd": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
    "adam": [{}, {"betas": (0.5, 0.9), "eps": 1e-3}],
    "adamw": [{}, {"betas": (0.5, 0.9), "eps": 1e-3}],
    "rmsprop": [{}, {"alpha": 0.5, "eps": 1e-3, "momentum": 0.9, "centered": True}],
}
CASES = [(name, options) for name in registry.components("optimizer") for options in OPTIONS.get(name, [{}])]


def build(name: str, parameters: Any, options: dict[str, Any], weight_decay: float = 0.0) -> torch.optim.Optimizer:
    given = {"parameters": parameters, "lr": 0.05, "weight_decay": weight_decay}
    built: torch.optim.Optimizer = registry.find("optimizer", name).build(given=given, options=options)
    return built


def steps(optimizer: torch.optim.Optimizer, weight: torch.nn.Parameter, count: int = 5) -> torch.Tensor:
    target = torch.linspace(-1, 1, 12).view(3, 4)
    for _ in range(count):
        optimizer.zero_grad()
        ((weight - target) ** 2).sum().backward()
        optimizer.step()
    return weight.detach().clone()


def weight() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.linspace(1, 2, 12).view(3, 4))


@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{name}{options}" for name, options in CASES])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_steps_are_those_of_torch(name: str, options: dict[str, Any], weight_decay: float) -> None:
    ours, theirs = weight(), weight()
    found = steps(build(name, [ours], options, weight_decay), ours)
    expected = steps(TORCH[name]([theirs], lr=0.05, weight_decay=weight_decay, **options), theirs)
    assert torch.allclose(found, expected, atol=1e-6)
    assert not torch.equal(found, weight().detach())


@pytest.mark.parametrize("name", registry.components("optimizer"))
def test_the_compiler_of_torch_is_not_loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)
    trained = weight()
    with pytest.raises(ImportError):
        steps(TORCH[name]([trained], lr=0.05), trained)
    optimizer = build(name, [trained], {})
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.9**step)
    steps(optimizer, trained)
    schedule.step()
    optimizer.load_state_dict(optimizer.state_dict())


@pytest.mark.parametrize("name", registry.components("optimizer"))
def test_defaults_are_those_of_torch(name: str) -> None:
    theirs = inspect.signature(TORCH[name]).parameters
    for key, parameter in registry.find("optimizer", name).parameters.items():
        assert parameter.default == theirs[key].default, key


@pytest.mark.parametrize("name", registry.components("optimizer"))
def test_state_is_saved_and_loaded(name: str) -> None:
    first = weight()
    optimizer = build(name, [first], {})
    steps(optimizer, first, 3)
    state, second = copy.deepcopy(optimizer.state_dict()), torch.nn.Parameter(first.detach().clone())
    expected = steps(optimizer, first, 3)
    resumed = build(name, [second], {})
    resumed.load_state_dict(state)
    assert torch.equal(steps(resumed, second, 3), expected)


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(InputError) as raised:
        build("sgd", [weight()], {"nesterov": True})
    told = "nesterov needs momentum, found 0; give momentum a value above 0"
    assert str(raised.value) == f"optimizer sgd: {told}"


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_betas_of_one_never_forget(name: str) -> None:
    with pytest.raises(InputError) as raised:
        build(name, [weight()], {"betas": (0.9, 1.0)})
    assert str(raised.value) == f"optimizer {name}: found betas [0.9, 1.0]; allowed: 0 or more, below 1"
