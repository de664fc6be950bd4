"""Properties of every sweep, whatever it spans."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnjobs.sweep.file import Sweep, SweepRun
from cnnjobs.sweep.space.conditions import same

CHOICES: dict[str, list[Any]] = {
    "lr": [0.1, 0.01, 1e-3, 5e-4],
    "weight_decay": [0, 1e-4, 0.5],
    "batch_size": [16, 32, 64],
    "epochs": [1, 2, 3],
    "schedule": ["constant", "cosine"],
    "augment": [[], ["flip"], ["flip", "crop"], [{"name": "crop", "padding": 2}]],
    "optimizer.momentum": [0.0, 0.5, 0.9],
    "model.dropout": [0.0, 0.25, 0.5],
    "model.batch_norm": [False, True],
    "model.filters": [[8, 8], [16, 16], [8, 8, 8]],
}


@st.composite
def sweeps(draw: st.DrawFn) -> tuple[dict[str, Any], int]:
    """A grid with dotted and nested names, variants and seeds; and how many runs it has."""
    names = draw(st.lists(st.sampled_from(sorted(CHOICES)), min_size=1, max_size=4, unique=True))
    axes = {
        name: draw(st.lists(st.sampled_from(CHOICES[name]), min_size=1, max_size=3, unique_by=json.dumps))
        for name in names
    }
    parameters: dict[str, Any] = {}
    for name, values in axes.items():
        kind, _, option = name.partition(".")
        if option and draw(st.booleans()):
            parameters.setdefault(kind, {"parameters": {}})["parameters"][option] = {"values": values}
        else:
            parameters[name] = {"values": values}
    sweep: dict[str, Any] = {"method": "grid", "base": {"dataset": "mnist", "model": "cnn"}, "parameters": parameters}
    seeds = draw(st.integers(1, 3))
    num_variants = draw(st.integers(0, 3))
    sweep["seeds"] = seeds
    if num_variants:
        sweep["variants"] = {f"v{number}": {"validate_every": number + 1} for number in range(num_variants)}
    return sweep, math.prod(len(values) for values in axes.values()) * seeds * max(1, num_variants)


def configurations(runs: tuple[SweepRun, ...]) -> set[str]:
    """Each run's configuration without its seed, as a text."""
    return {json.dumps({**run.config.nested(), "seed": None}) for run in runs}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sweeps(), st.randoms())
def test_a_grid_is_the_whole_product_with_one_label_each(
    read: Callable[[str], Sweep], drawn: tuple[dict[str, Any], int], random: Any
) -> None:
    nested, count = drawn
    sweep = read(json.dumps(nested))
    assert len(sweep.runs) == count
    assert len({run.run_id for run in sweep.runs}) == count
    assert len({run.label for run in sweep.runs}) == len(configurations(sweep.runs)) == count // nested["seeds"]
    # The order of the keys in the file decides nothing but the order of the variants.
    keys = list(nested["parameters"].items())
    random.shuffle(keys)
    again = read(json.dumps({**nested, "parameters": dict(keys)}))
    assert [run.run_id for run in again.runs] == [run.run_id for run in sweep.runs]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sweeps())
def test_overrides_are_what_differs_and_tell_every_run_apart(
    read: Callable[[str], Sweep], drawn: tuple[dict[str, Any], int]
) -> None:
    runs = read(json.dumps(drawn[0])).runs
    assert len({json.dumps(run.overrides) for run in runs}) == len(runs)
    for key in {key for run in runs for key in run.overrides}:
        assert len({json.dumps(run.overrides[key]) for run in runs}) > 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sweeps(), st.data())
def test_excluding_one_value_leaves_exactly_the_runs_without_it(
    read: Callable[[str], Sweep], drawn: tuple[dict[str, Any], int], data: st.DataObject
) -> None:
    nested, _ = drawn
    runs = read(json.dumps(nested)).runs
    run = data.draw(st.sampled_from(runs))
    if not run.overrides:
        return
    key = data.draw(st.sampled_from(sorted(run.overrides)))
    # A list in a condition stands for its members, too: within another list it is the value itself.
    value = [run.overrides[key]] if isinstance(run.overrides[key], list) else run.overrides[key]
    left = read(json.dumps({**nested, "exclude": [{key: value}]})).runs
    expected = [other.run_id for other in runs if not same(other.overrides[key], run.overrides[key])]
    assert [other.run_id for other in left] == expected
