from __future__ import annotations

from typing import Any

import pytest

from cnnjobs.config.resolved_profile import ResolvedProfile
from cnnjobs.config.run import RunConfig
from cnnjobs.disk.submission_folder import Stacks
from cnnjobs.launch.plan.stacks import choose_stacks, gather


def run(**changes: Any) -> RunConfig:
    return RunConfig.model_validate({"dataset": "cifar10", "model": "lenet5", **changes})


def rates(number: int, **changes: Any) -> list[RunConfig]:
    return [run(lr=0.01 * (index + 1), **changes) for index in range(number)]


def sizes(stacks: Stacks) -> list[int]:
    return [len(group) for group in stacks.groups]


@pytest.mark.parametrize(
    ("number", "setting", "workers", "expected"),
    [
        (16, "auto", 2, [8, 8]),
        (16, "auto", 1, [8, 8]),
        (9, "auto", 2, [4, 5]),
        (20, "auto", 2, [5, 5, 5, 5]),
        (40, "auto", 2, [6, 7, 7, 6, 7, 7]),
        (2, "auto", 2, []),
        (3, "auto", 2, [2]),
        (16, "off", 2, []),
        (16, 1, 2, []),
        (16, 12, 2, [8, 8]),
        (16, 16, 2, [16]),
    ],
)
def test_stacks_are_of_about_the_same_size_and_enough_for_all_workers(
    number: int, setting: Any, workers: int, expected: list[int]
) -> None:
    stacks = choose_stacks(rates(number), setting, workers=workers, on_gpu=False)
    assert sizes(stacks) == expected
    assert stacks.if_small == (setting in ("auto", "off", 1))


def test_only_runs_with_the_same_batches_and_shapes_are_together() -> None:
    alike = [run(), run(optimizer={"name": "sgd", "momentum": 0.5}), run(schedule="cosine"), run(early_stopping=2)]
    other = [run(seed=1), run(batch_size=32), run(augment=["flip"]), run(epochs=11), run(dataset="mnist")]
    other += [run(freeze=["conv1"]), run(model="mnist_cnn"), run(precision="bfloat16")]
    stacks = choose_stacks([*alike, *other], 8, workers=1, on_gpu=False)
    assert stacks.groups == (tuple(each.run_id for each in alike),)
    kaiming = [run(model={"name": "cnn", "initialisation": each}) for each in ("kaiming", "xavier")]
    assert sizes(choose_stacks(kaiming, "auto", workers=1, on_gpu=False)) == [2]


def test_without_a_number_only_known_networks_on_a_cpu_are_stacked() -> None:
    assert not choose_stacks(rates(4, model="resnet18"), "auto", workers=1, on_gpu=False).groups
    assert not choose_stacks(rates(4), "auto", workers=1, on_gpu=True).groups
    own = rates(4, loss="cnnjobs.components.losses:cross_entropy")
    assert not choose_stacks(own, "auto", workers=1, on_gpu=False).groups
    assert sizes(choose_stacks(own, 4, workers=1, on_gpu=False)) == [4]
    assert sizes(choose_stacks(rates(4, model="resnet18"), 4, workers=1, on_gpu=True)) == [4]


def test_the_runs_of_a_stack_meet_in_one_job_of_an_array() -> None:
    first, second = rates(4), rates(4, seed=1)
    runs = [each for pair in zip(first, second, strict=True) for each in pair]
    ids = [each.run_id for each in runs]
    dealt = (tuple(ids[:4]), tuple(ids[4:]))
    tasks, stacks = gather(runs, dealt, ResolvedProfile(name="x", runs_per_job=4))
    assert tasks == (tuple(each.run_id for each in first), tuple(each.run_id for each in second))
    assert stacks.groups == tasks
    for profile in (ResolvedProfile(name="x", stack="off"), ResolvedProfile(name="x", runs_at_once=2)):
        assert gather(runs, dealt, profile) == (dealt, Stacks())
    assert gather(runs[:2], ((ids[0],), (ids[1],)), ResolvedProfile(name="x"))[1] == Stacks()


def test_no_stack_is_cut_where_a_job_ends() -> None:
    runs = rates(16)
    ids = [each.run_id for each in runs]
    dealt = tuple(tuple(ids[index::3]) for index in range(3))
    tasks, stacks = gather(runs, dealt, ResolvedProfile(name="x", runs_per_job=6))
    assert [len(task) for task in tasks] == [6, 5, 5]
    assert stacks.groups == tasks
    assert stacks.if_small
    _, halves = gather(runs, (tuple(ids),), ResolvedProfile(name="x", runs_per_job=16, stack=12))
    assert (sizes(halves), halves.if_small) == ([8, 8], False)


def test_what_is_left_of_a_stack_trains_in_its_place() -> None:
    stacks = Stacks(groups=(("b", "d"), ("c", "e", "f")))
    assert stacks.units("abcdef") == [("a",), ("b", "d"), ("c", "e", "f")]
    assert stacks.among("abce").units("abce") == [("a",), ("b",), ("c", "e")]
