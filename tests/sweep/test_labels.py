from __future__ import annotations

from typing import Any

import pytest

from cnnjobs.config.run import RunConfig, read_config
from cnnjobs.sweep.labels import name_runs, short_names


def configs(*changes: dict[str, Any]) -> list[RunConfig]:
    found = [read_config({"dataset": "mnist", "model": "cnn", **change}) for change in changes]
    assert all(isinstance(config, RunConfig) for config in found), found
    return found  # type: ignore[return-value]


def labels(*changes: dict[str, Any]) -> list[str]:
    return [run.label for run in name_runs(configs(*changes), [None] * len(changes), [None] * len(changes))]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([{}], [""]),
        ([{"seed": 0}, {"seed": 1}], ["", ""]),
        ([{"lr": 1e-5}, {"lr": 0.123456789}], ["lr=1e-05", "lr=0.123457"]),
        ([{"lr": 0.1234567}, {"lr": 0.1234568}], ["lr=0.1234567", "lr=0.1234568"]),
        ([{"drop_last": True}, {"drop_last": False}], ["drop_last=true", "drop_last=false"]),
        ([{"early_stopping": None}, {"early_stopping": 3}], ["early_stopping=null", "early_stopping=3"]),
        ([{"model": {"name": "cnn", "filters": [8]}}, {}], ["filters=[8]", "filters=[32,64,128]"]),
        (
            [{"dataset": {"name": "mnist", "subset": size}} for size in (90, {"train": 90, "test": 50})],
            ["subset=90", "subset=train:90+test:50"],
        ),
        ([{"augment": []}, {"augment": ["flip", "crop"]}], ["augment=[]", "augment=flip+crop"]),
        ([{"model": "lenet5"}, {"model": {"name": "cnn", "dropout": 0.5}}], ["model=lenet5", "model=cnn"]),
    ],
)
def test_a_label_shows_what_differs(changes: list[dict[str, Any]], expected: list[str]) -> None:
    assert labels(*changes) == expected


def test_augmentations_that_differ_in_an_option_are_told_apart() -> None:
    changes = [{"augment": [{"name": "flip", "probability": share}]} for share in (0.25, 0.75)]
    assert labels(*changes) == [
        'augment=[{"name":"flip","probability":0.25}]',
        'augment=[{"name":"flip","probability":0.75}]',
    ]


def test_names_that_end_alike_stay_whole() -> None:
    changes = [{"dataset": {"name": "mnist", "validation": share}, "validate_every": share} for share in (0.1, 0.5)]
    assert labels(*changes) == ["validation=0.1 validate_every=0.1", "validation=0.5 validate_every=0.5"]
    assert short_names(["model.rate", "optimizer.rate", "lr"]) == {
        "model.rate": "model.rate",
        "optimizer.rate": "optimizer.rate",
        "lr": "lr",
    }


def test_a_variant_stands_first_and_needs_only_what_differs_within_it() -> None:
    runs = name_runs(
        configs({"lr": 0.1, "epochs": 1}, {"lr": 0.1, "epochs": 2}, {"lr": 0.2, "epochs": 3}),
        ["a", "a", "b"],
        [None] * 3,
    )
    assert [run.label for run in runs] == ["a epochs=1", "a epochs=2", "b"]
    assert runs[2].overrides == {"epochs": 3, "lr": 0.2}
    assert runs[2].run_id == runs[2].config.run_id
