from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR, OneCycleLR, StepLR

from cnnjobs import registry
from cnnjobs.errors import InputError

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "step": [{"every": 1}, {"every": 0.5, "factor": 0.5}],
    "multistep": [{"milestones": (1, 2)}, {"milestones": (0.5,), "factor": 0.3}],
    "cosine": [{}, {"final": 0.1, "warmup": 0.5}],
    "one_cycle": [{}, {"warmup": 0.1, "start": 0.5, "final": 0.01}],
}
CASES = [(name, options) for name in registry.components("schedule") for options in OPTIONS.get(name, [{}])]
LR, EPOCHS, STEPS_PER_EPOCH = 0.4, 3, 10


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)


def build(name: str, built: torch.optim.Optimizer | None = None, epochs: int = EPOCHS, **options: Any) -> LRScheduler:
    given = {"optimizer": built or optimizer(), "epochs": epochs, "steps_per_epoch": STEPS_PER_EPOCH}
    schedule: LRScheduler = registry.find("schedule", name).build(given=given, options=options)
    return schedule


def rates(schedule: LRScheduler, count: int = EPOCHS * STEPS_PER_EPOCH) -> list[float]:
    """The learning rate of each step, and the one after the last."""
    found = []
    for _ in range(count):
        found.append(schedule.optimizer.param_groups[0]["lr"])
        schedule.optimizer.step()
        schedule.step()
    return [*found, schedule.get_last_lr()[0]]


@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{name}{options}" for name, options in CASES])
def test_rates_are_positive_and_never_above_the_given_one(name: str, options: dict[str, Any]) -> None:
    found = rates(build(name, **options))
    assert all(0 < rate <= LR * (1 + 1e-12) for rate in found[:-1])
    assert found[-1] >= 0
    assert max(found) == pytest.approx(LR, rel=0.01)


@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{name}{options}" for name, options in CASES])
def test_resumed_schedule_goes_on_where_it_stopped(name: str, options: dict[str, Any]) -> None:
    whole = rates(build(name, **options))
    first = build(name, **options)
    rates(first, 13)
    resumed_optimizer = optimizer()
    resumed = build(name, resumed_optimizer, **options)
    resumed_optimizer.load_state_dict(first.optimizer.state_dict())
    resumed.load_state_dict(first.state_dict())
    assert rates(resumed, 17) == whole[13:]


def test_constant_stays() -> None:
    assert rates(build("constant")) == [LR] * 31


def test_step_multiplies_every_so_many_epochs() -> None:
    found = rates(build("step", every=1, factor=0.5))
    assert found[:-1] == [LR] * 10 + [LR / 2] * 10 + [LR / 4] * 10
    theirs = StepLR(optimizer(), 5, 0.5)
    assert rates(build("step", every=0.5, factor=0.5)) == pytest.approx(rates(theirs), rel=1e-12)


def test_step_halves_every_ten_epochs() -> None:
    schedule = build("step", epochs=30, every=10, factor=0.5)
    found = rates(schedule, 300)
    assert [found[0], found[100], found[200]] == [LR, LR / 2, LR / 4]


def test_two_milestones_end_at_a_hundredth() -> None:
    found = rates(build("multistep", milestones=(1, 2)))
    assert found[-1] == pytest.approx(0.01 * LR, rel=1e-9)
    assert found == pytest.approx(rates(MultiStepLR(optimizer(), [10, 20], 0.1)), rel=1e-12)
    assert [found[9], found[10], found[19]] == pytest.approx([LR, 0.1 * LR, 0.1 * LR])


def test_order_of_milestones_is_free() -> None:
    assert rates(build("multistep", milestones=(2, 1))) == rates(build("multistep", milestones=(1, 2)))


def test_cosine_is_that_of_torch() -> None:
    found = rates(build("cosine", final=0.1))
    assert found == pytest.approx(rates(CosineAnnealingLR(optimizer(), 30, eta_min=0.1 * LR)), rel=1e-9)
    assert found[-1] == pytest.approx(0.1 * LR, rel=1e-12)
    assert rates(build("cosine"))[-1] == pytest.approx(0, abs=1e-15)


def test_cosine_rises_in_its_warmup_and_ends_at_its_final_rate() -> None:
    found = rates(build("cosine", warmup=0.5, final=0.2))
    assert found[:6] == pytest.approx([LR / 5, 2 * LR / 5, 3 * LR / 5, 4 * LR / 5, LR, LR])
    assert found[-1] == pytest.approx(0.2 * LR, rel=1e-12)
    middle = 5 + (30 - 5) // 2
    assert found[middle] == pytest.approx(LR * (0.2 + 0.4 * (1 + math.cos(math.pi * 12 / 25))))


def test_cosine_refuses_a_warmup_as_long_as_the_run() -> None:
    with pytest.raises(InputError) as raised:
        build("cosine", warmup=3.0)
    assert str(raised.value) == "schedule cosine: found warmup 3 in a run of 3 epochs; allowed: below 3"


@pytest.mark.parametrize("options", [{}, {"warmup": 0.1, "start": 0.5, "final": 0.01}, {"warmup": 0.0}])
def test_one_cycle_is_that_of_torch(options: dict[str, float]) -> None:
    start, final = options.get("start", 0.04), options.get("final", 4e-6)
    theirs = OneCycleLR(
        optimizer(), LR, total_steps=30, pct_start=options.get("warmup", 0.3), div_factor=1 / start,
        final_div_factor=start / final, cycle_momentum=False,
    )  # fmt: skip
    expected = rates(theirs, 29)  # torch's may not be stepped after the last step
    found = rates(build("one_cycle", **options))
    assert found[:-1] == pytest.approx(expected, rel=1e-9)
    assert found[-1] == pytest.approx(final * LR, rel=1e-9)


@pytest.mark.parametrize("warmup", [0.0, 0.3, 1.0])
def test_one_cycle_works_on_the_shortest_run(warmup: float) -> None:
    given = {"optimizer": optimizer(), "epochs": 1, "steps_per_epoch": 1}
    schedule = registry.find("schedule", "one_cycle").build(given=given, options={"warmup": warmup})
    assert all(0 < rate <= LR for rate in rates(schedule, 1))
