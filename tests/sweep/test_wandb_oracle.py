"""W&B's own engine (PyPI `sweeps`) as the oracle: its schema, and the order of its grid."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnjobs.sweep.file import Sweep

with warnings.catch_warnings():
    # It was written for pydantic 1 and says so once.
    warnings.simplefilter("ignore")
    from sweeps.grid_search import grid_search_next_runs

SCHEMA = json.loads((files("sweeps") / "config" / "schema.json").read_text(encoding="utf-8"))
CHECKER = jsonschema.FormatChecker(formats=())
CHECKER.checks("float")(lambda value: isinstance(value, float))
CHECKER.checks("integer")(lambda value: isinstance(value, int))

BASE = {"dataset": "mnist", "model": "cnn"}

NUMBERS = {
    "lr": st.sampled_from([0.1, 0.05, 1e-3, 1, 0.5]),
    "weight_decay": st.sampled_from([0, 1e-4, 0.1]),
    "epochs": st.sampled_from([1, 2, 5]),
    "batch_size": st.sampled_from([16, 32, 64]),
    "seed": st.integers(0, 3),
    "model.dropout": st.sampled_from([0.0, 0.25, 0.5]),
    "optimizer.momentum": st.sampled_from([0, 0.5, 0.9]),
}


def is_valid(sweep: dict[str, Any]) -> bool:
    return bool(jsonschema.Draft7Validator(SCHEMA, format_checker=CHECKER).is_valid(sweep))


@st.composite
def grids(draw: st.DrawFn) -> dict[str, Any]:
    """The parameters of a grid that W&B takes, for keys that exist here."""
    names = draw(st.lists(st.sampled_from(sorted(NUMBERS)), min_size=1, max_size=4, unique=True))
    parameters: dict[str, Any] = {}
    for name in names:
        whole = name in ("epochs", "batch_size", "seed")
        forms: list[st.SearchStrategy[dict[str, Any]]] = [
            st.lists(NUMBERS[name], min_size=1, max_size=3, unique=True).map(lambda values: {"values": values}),
            NUMBERS[name].map(lambda value: {"value": value}),
        ]
        if whole:
            forms.append(st.integers(1, 3).map(lambda low: {"min": low, "max": low + 2}))
        else:
            forms.append(st.just({"distribution": "q_uniform", "min": 0.125, "max": 1.0, "q": 0.25}))
        parameters[name] = draw(st.one_of(forms))
    return parameters


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grids())
def test_a_grid_has_the_order_of_wandbs_engine(read: Callable[[str], Sweep], parameters: dict[str, Any]) -> None:
    theirs = {"method": "grid", "parameters": parameters}
    assert is_valid(theirs)
    runs = [run for run in grid_search_next_runs([], theirs, validate=False, n=500) if run is not None]
    ours = read(json.dumps({**theirs, "base": BASE}))
    expected = [{name: run.config[name]["value"] for name in parameters} for run in runs]
    found = [{name: run.config.flat()[name] for name in parameters} for run in ours.runs]
    assert found == expected


FORMS: list[dict[str, Any]] = [
    {"value": 0.1},
    {"value": 0.1, "distribution": "constant"},
    {"values": [0.1, 0.2]},
    {"values": [0.1, 0.2], "distribution": "categorical"},
    {"values": [0.1, 0.2], "probabilities": [0.25, 0.75]},
    {"values": [0.1, 0.2], "probabilities": [0.25, 0.75], "distribution": "categorical_w_probabilities"},
    {"min": 1, "max": 3},
    {"min": 1, "max": 3, "distribution": "int_uniform"},
    {"min": 0.1, "max": 3},
    {"min": 1, "max": 3, "distribution": "uniform"},
    {"min": 1, "max": 3, "q": 0.5, "distribution": "q_uniform"},
    {"min": -3, "max": -1, "distribution": "log_uniform"},
    {"min": 0.1, "max": 3, "distribution": "log_uniform_values"},
    {"min": 1, "max": 3, "q": 1, "distribution": "q_log_uniform"},
    {"min": 1, "max": 3, "q": 1, "distribution": "q_log_uniform_values"},
    {"min": 1, "max": 3, "distribution": "inv_log_uniform"},
    {"min": 1, "max": 3, "distribution": "inv_log_uniform_values"},
    {"distribution": "log_normal", "mu": 0.1, "sigma": 0.2},
    {"distribution": "q_log_normal", "mu": 3, "sigma": 0.2, "q": 0.5},
    {"distribution": "beta"},
    {"distribution": "beta", "a": 2, "b": 3},
]
WRONG: list[dict[str, Any]] = [
    {},
    {"vales": [1]},
    {"values": []},
    {"values": 1},
    {"value": 1, "values": [1]},
    {"min": 1},
    {"min": 1, "max": 3, "distribution": "unifrom"},
    {"min": "1", "max": 3},
    {"min": 1, "max": 3.5, "distribution": "int_uniform"},
    {"min": 0, "max": 3, "distribution": "log_uniform_values"},
    {"distribution": "normal", "sigma": -1},
    {"distribution": "normal", "mean": 1},
    {"min": 1, "max": 3, "q": 0, "distribution": "q_uniform"},
    {"values": [1, 2], "probabilities": [-0.5, 1.5]},
]


def random_sweep(form: dict[str, Any]) -> dict[str, Any]:
    return {"method": "random", "parameters": {"lr": form}}


@pytest.mark.parametrize("form", FORMS, ids=json.dumps)
def test_what_wandb_takes_is_read(form: dict[str, Any], read: Callable[[str], Sweep]) -> None:
    assert is_valid(random_sweep(form))
    assert len(read(json.dumps({**random_sweep(form), "run_cap": 3, "base": BASE})).runs) >= 1


@pytest.mark.parametrize("form", WRONG, ids=json.dumps)
def test_what_wandb_refuses_is_refused(form: dict[str, Any], mistakes: Callable[[str], list[str]]) -> None:
    assert not is_valid(random_sweep(form))
    lines = mistakes(json.dumps({**random_sweep(form), "run_cap": 3, "base": BASE}))
    assert all(line.startswith("1: parameters.lr") for line in lines)


def test_a_whole_file_of_wandb_needs_only_what_is_trained(read: Callable[[str], Sweep]) -> None:
    theirs = {
        "entity": "me",
        "project": "mnist",
        "controller": {"type": "local"},
        "apiVersion": "1",
        "kind": "sweep",
        "name": "their sweep",
        "description": "as W&B reads it",
        "method": "grid",
        "metric": {"name": "validation.loss", "goal": "minimize", "target": 0.1, "impute": "worst"},
        "early_terminate": {"type": "hyperband", "min_iter": 3, "eta": 2, "s": 2},
        "parameters": {
            "dataset": {"value": "mnist"},
            "model": {"values": ["cnn", "lenet5"]},
            "optimizer": {"parameters": {"momentum": {"values": [0, 0.9]}}},
        },
    }
    assert is_valid(theirs)
    sweep = read(json.dumps(theirs, indent=1))
    assert [run.label for run in sweep.runs] == [
        "model=cnn momentum=0",
        "model=cnn momentum=0.9",
        "model=lenet5 momentum=0",
        "model=lenet5 momentum=0.9",
    ]
    assert sweep.notices == (
        "sweep.yaml:2: entity: passed over: results go to results/<name>",
        "sweep.yaml:3: project: passed over: results go to results/<name>",
        "sweep.yaml:4: controller: passed over: no server is needed",
        "sweep.yaml:7: apiVersion: passed over: no server is needed",
        "sweep.yaml:8: kind: passed over: no server is needed",
        "sweep.yaml:16: metric.impute: passed over: failed runs are listed and never ranked",
        "sweep.yaml:15: metric.target: shown in the report; every run trains to its end, also when it is reached",
        "sweep.yaml:22: early_terminate.s: passed over: min_iter counts; these two go together, as with W&B",
    )
