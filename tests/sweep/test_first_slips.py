"""Slips that are obvious to a reader of the file: the answer is what was meant, and following it is enough."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cnnjobs.sweep.file import Sweep

BASE = "base: {dataset: mnist, model: lenet5}\n"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("lr: {values: [0.1, 0.2]}\n", 'parameters: {lr: {"values": [0.1, 0.2]}}'),
        ("learning_rate: {values: [0.1, 0.2]}\n", 'parameters: {lr: {"values": [0.1, 0.2]}}'),
        ("batch_size: {value: 8}\n", 'parameters: {batch_size: {"value": 8}}'),
    ],
)
def test_values_without_parameters_are_answered_with_them(
    written: str, meant: str, mistakes: Callable[[str], list[str]], read: Callable[[str], Sweep]
) -> None:
    (told,) = mistakes(BASE + written)
    assert told.endswith(f"stands at the top of the file; write {meant}")
    assert read(f"{BASE}method: grid\n{meant}\n").runs


@pytest.mark.parametrize("written", ["range(5)", "{min: 0, max: 4}", "many"])
def test_seeds_are_a_number_or_a_list(written: str, mistakes: Callable[[str], list[str]]) -> None:
    remedy = "write how many, for example 3, or the seeds themselves: [0, 1, 2]"
    assert mistakes(f"{BASE}seeds: {written}\n")[0].endswith(remedy)


def test_a_mapping_in_place_of_tied_names_is_answered_with_a_list_of_them(mistakes: Callable[[str], list[str]]) -> None:
    told = mistakes(f"{BASE}method: grid\nparameters: {{lr: {{values: [0.1]}}}}\nzip: {{lr: batch_size}}\n")
    assert told == ['4: zip: found {"lr": "batch_size"}; allowed: a list, for example zip: [[lr, batch_size]]']


def test_a_share_is_told_as_one(mistakes: Callable[[str], list[str]]) -> None:
    told = mistakes("base: {dataset: {name: mnist, validation: 5000}, model: lenet5}\n")
    assert told == ["1: dataset.validation: found 5000; allowed: a share, from 0 to 1"]


def test_drawn_values_of_the_wrong_type_are_one_mistake(mistakes: Callable[[str], list[str]]) -> None:
    drawn = "{distribution: log_uniform_values, min: 16, max: 128}"
    told = mistakes(f"{BASE}method: random\nrun_cap: 9\nparameters: {{batch_size: {drawn}}}\n")
    assert len(told) == 1
    assert told[0].endswith(
        "a whole number; min and max that are whole draw such, or a distribution whose name begins with q_"
    )


@pytest.mark.parametrize("name", ["log_normal", "q_log_normal"])
def test_a_normal_exponent_is_told_with_the_values_that_it_gives(name: str, read: Callable[[str], Sweep]) -> None:
    drawn = f"{{distribution: {name}, mu: 0.001, sigma: 0.1{', q: 0.1' if name[0] == 'q' else ''}}}"
    sweep = read(f"{BASE}method: random\nrun_cap: 2\nparameters: {{lr: {drawn}}}\n")
    (told,) = [str(each) for each in sweep.notices]
    assert told.endswith("half of the values are below 1.001, most between 0.8195 and 1.223")


def test_an_exponent_beyond_all_numbers_is_refused(mistakes: Callable[[str], list[str]]) -> None:
    drawn = "{distribution: log_normal, mu: 900, sigma: 1}"
    (told,) = mistakes(f"{BASE}method: random\nrun_cap: 2\nparameters: {{lr: {drawn}}}\n")
    assert "mu 900 and sigma 1 are those of exponents of e; no number is larger than" in told


def test_more_epochs_than_a_run_can_end_are_refused(mistakes: Callable[[str], list[str]]) -> None:
    assert mistakes("base: {dataset: mnist, model: lenet5, epochs: 1000000000}\n") == [
        "1: epochs: 1,000,000,000 epochs are more than any run can end; give at most 1,000,000; early_stopping ends a"
        " run sooner"
    ]
