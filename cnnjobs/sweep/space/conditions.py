"""Partial matches, as `when`, `exclude` and `compare` use them.

`{model: cnn, lr: [0.1, 0.3]}` matches a run whose model is `cnn` and whose lr is one of the two. Keys are those of a
run, nested or dotted, and `variant`. A value that is itself a list (`model.filters: [16, 32]`) matches as a whole, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cnnjobs import registry
from cnnjobs.config.run import COMPONENTS, RunConfig, read_options, suggest_key
from cnnjobs.config.yaml import Findings, Node
from cnnjobs.errors import UnknownNameError, suggest
from cnnjobs.sweep.overrides import OF_NETWORKS, Layer, Naming, read_layer


@dataclass(frozen=True)
class Vocabulary:
    """Keys and values that a condition may name beyond the registered names."""

    variants: tuple[str, ...]
    imported: frozenset[str]
    """Kinds of component that the sweep takes from elsewhere: these may have any option."""
    names: Naming = OF_NETWORKS


@dataclass(frozen=True)
class Condition:
    """Dotted key -> the value that is asked for, each with its line."""

    line: int | None
    wanted: Layer
    faulty: bool = False
    """Whether there was a mistake in it; then it decides nothing."""

    def holds(self, value_of: Callable[[str], Any]) -> bool:
        """Check whether every key has the value, or one of the values, that is asked for."""
        return all(fits(key, value_of(key), node.plain) for key, node in self.wanted.items())


def fits(key: str, value: Any, wanted: Any) -> bool:
    """Check whether a run's value is the wanted one, or one of the wanted list."""
    if key == "augment":
        value, wanted = _in_full(value), _in_full(wanted)
    return same(value, wanted) or (isinstance(wanted, list) and any(same(value, one) for one in wanted))


def _in_full(steps: Any) -> Any:
    """Augmentations with all their options, so that `flip` is `{name: flip, probability: 0.5}`; nested lists too."""
    if isinstance(steps, list):
        return [_in_full(step) for step in steps]
    step = {"name": steps} if isinstance(steps, str) else steps
    if not isinstance(step, dict) or not isinstance(step.get("name"), str):
        return steps
    try:
        options = read_options("augmentation", step["name"], {key: step[key] for key in step if key != "name"})
    except UnknownNameError:
        return step
    # Through JSON, as in config.yaml: tuples become lists.
    return step if isinstance(options, list) else {"name": step["name"], **json.loads(json.dumps(options))}


def same(one: Any, other: Any) -> bool:
    """Equality of plain values: 1 is 1.0, but not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def read_condition(node: Node, place: str, words: Vocabulary, findings: Findings) -> Condition:
    """A partial match; keys and component names that do not exist are mistakes."""
    before = findings.num_mistakes
    wanted = read_layer(node, place, findings, words.names)
    for key, value in wanted.items():
        _check(key, value, f"{place}.{key}", words, findings)
    return Condition(node.line, wanted, faulty=findings.num_mistakes > before)


def _check(key: str, node: Node, place: str, words: Vocabulary, findings: Findings) -> None:
    kind, _, option = key.partition(".")
    choices = node.value if isinstance(node.value, list) else [node]
    if key == "variant":
        for choice in choices:
            if choice.value not in words.variants:
                remedy = suggest(str(choice.value), words.variants) if words.variants else "this sweep has no variants"
                if choice.value == "base" and words.variants:
                    remedy = "`base` itself is no variant: name what it has, for example model.batch_norm: false"
                findings.mistake(choice.line, place, f"no variant is called `{choice.value}`", remedy)
    elif words.names.is_free:
        return
    elif kind not in COMPONENTS and key not in RunConfig.model_fields:
        findings.mistake(node.line, place, "unknown key", suggest_key(key))
    elif option:
        options = [name for component in registry.components(kind).values() for name in component.parameters]
        if option not in options and kind not in words.imported:
            findings.mistake(node.line, place, f"no {kind} has `{option}`", suggest(option, dict.fromkeys(options)))
    elif kind in COMPONENTS and kind != "dataset":
        for choice in choices:
            _check_name(kind, choice, place, findings)


def _check_name(kind: str, choice: Node, place: str, findings: Findings) -> None:
    try:
        registry.find(kind, str(choice.value))
    except UnknownNameError as error:
        found, _, remedy = str(error).partition("; ")
        findings.mistake(choice.line, place, found, remedy)


def order_by_need(when: Mapping[str, Condition], findings: Findings) -> dict[str, Condition]:
    """`when` so that a condition comes after those that decide its keys; a circle is a mistake."""
    ordered: dict[str, Condition] = {}
    left = dict(when)
    while left:
        free = [name for name in left if not any({key, key.partition(".")[0]} & set(left) for key in left[name].wanted)]
        if not free:
            line = next(iter(left.values())).line
            findings.mistake(line, "when", f"{', '.join(left)} wait for each other", "break the circle")
            return ordered
        for name in free:
            ordered[name] = left.pop(name)
    return ordered
