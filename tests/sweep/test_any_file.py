"""Whatever stands in a file: it is read, or refused in words."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnjobs.config.run import RunConfig
from cnnjobs.errors import InputError
from cnnjobs.sweep.file import Sweep

TOP = re.findall(
    r"\S+",
    """
    name description method metric parameters early_terminate run_cap base seeds sampling_seed zip when exclude
    variants ablate compare report job sweep hydra defaults seml fixed grid random program
""",
)
INNER = re.findall(
    r"\S+",
    """
    name goal target value values probabilities min max distribution mu sigma q a b parameters title before after
    variant targets figures titles ylim notes profile max_parallel data_dir type min_iter model.dropout
    optimizer.momentum model.name dropout filters momentum test.accuracy low high steps params sweeper samples
""",
)
WORDS = re.findall(
    r"\S+",
    """
    grid random bayes cnn lenet5 mnist sgd adam flip crop uniform normal q_uniform log_uniform validation.loss
""",
)

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 5), st.floats(), st.sampled_from([*WORDS, "", "1e-4", "a:b", "1,2"])
)
keys = st.sampled_from([*INNER, *RunConfig.model_fields])
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=8,
)
files = st.dictionaries(st.sampled_from(TOP), values, max_size=6)


def merged(one: Any, other: Any) -> Any:
    """`other` over `one`, mapping by mapping."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{key: merged(one.get(key), value) for key, value in other.items()}}
    return other


SOUND = {
    "method": "grid",
    "base": {"dataset": "mnist", "model": "cnn"},
    "parameters": {"lr": {"values": [0.1, 0.2]}, "model.dropout": {"values": [0, 0.5]}},
}

never_anything_else = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@never_anything_else
@given(files)
def test_any_mapping_is_read_or_refused(read: Callable[[str], Sweep], nested: dict[str, Any]) -> None:
    with contextlib.suppress(InputError):
        assert read(json.dumps(nested)).runs


@never_anything_else
@given(files)
def test_any_change_of_a_sound_file_is_read_or_refused(read: Callable[[str], Sweep], nested: dict[str, Any]) -> None:
    with contextlib.suppress(InputError):
        assert read(json.dumps(merged(SOUND, nested))).runs


@never_anything_else
@given(st.text(st.sampled_from("ab:-[]{}&*!|>'\"#%@,? \n\t1"), max_size=30))
def test_any_text_is_read_or_refused(read: Callable[[str], Sweep], text: str) -> None:
    with contextlib.suppress(InputError):
        read(text)
