"""Space of a sweep file: its base, variants, parameters, seeds, and the conditions on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnjobs import registry
from cnnjobs.config.run import COMPONENTS
from cnnjobs.config.yaml import Findings, Node, is_list, is_mapping, number_in, shown
from cnnjobs.errors import InputError, suggest
from cnnjobs.sweep.overrides import Layer, Naming, read_layer
from cnnjobs.sweep.settings import text, whole_number
from cnnjobs.sweep.space.coherence import MOST_RUNS
from cnnjobs.sweep.space.compare import Comparison, read_comparisons
from cnnjobs.sweep.space.conditions import Condition, Vocabulary, order_by_need, read_condition
from cnnjobs.sweep.space.parameters import read_parameters, tie
from cnnjobs.sweep.space.samplers import Axis
from cnnjobs.sweep.space.space import BAYES, Reader, Space, read_network


def read_space(
    keys: dict[str, Node], findings: Findings, names: Naming | None = None, read: Reader = read_network
) -> tuple[Space, list[Comparison], frozenset[str]]:
    """Read the space, its comparisons, and the parameters that could not be read; mistakes go to `findings`."""
    names = names or Naming()
    base = read_layer(keys["base"], "base", findings, names) if "base" in keys else {}
    variants = _read_variants(keys, findings, names)
    axes, unread = read_parameters(keys["parameters"], findings, names) if "parameters" in keys else ([], frozenset())
    words = Vocabulary(tuple(variants), _imported(base, variants, axes), names)
    exclude = [
        read_condition(node, f"exclude.{number}", words, findings)
        for number, node in enumerate(_items(keys, "exclude", "[{model: lenet5, lr: 0.3}]", findings))
    ]
    space = Space(
        method=_read_method(keys, findings),
        base=base,
        variants=variants,
        axes=tie(keys["zip"], axes, findings, names) if "zip" in keys else axes,
        seeds=_read_seeds(keys, findings),
        sampling_seed=_whole(keys, "sampling_seed", 0, findings) or 0,
        run_cap=_whole(keys, "run_cap", 1, findings),
        when=_read_when(keys, axes, unread, words, findings),
        exclude=[condition for condition in exclude if not condition.faulty],
        ablate=_read_ablate(keys, findings),
        lines={key: node.line for key, node in keys.items()},
        names=names,
        read=read,
    )
    comparisons = read_comparisons(keys["compare"], words, findings) if "compare" in keys else []
    return space, comparisons, unread


def _read_when(
    keys: dict[str, Node], axes: Sequence[Axis], unread: frozenset[str], words: Vocabulary, findings: Findings
) -> dict[str, Condition]:
    if "when" not in keys or not is_mapping(keys["when"], "when", findings):
        return {}
    names = [name for axis in axes for name in axis.names]
    when = {}
    for key, node in keys["when"].value.items():
        name, place = words.names.bare(key), f"when.{key}"
        if name not in names and name not in unread:
            findings.mistake(node.line, place, "is not in `parameters`", suggest(name, names))
        else:
            when[name] = read_condition(node, place, words, findings)
    return order_by_need(when, findings)


def _read_variants(keys: dict[str, Node], findings: Findings, names: Naming) -> dict[str, Layer]:
    listed = keys["variants"].value if "variants" in keys else None
    if listed and isinstance(listed, list) and all(isinstance(each.value, dict) for each in listed):
        named = ", ".join(f"{number}: {shown(each.plain)}" for number, each in enumerate(listed, 1))
        findings.mistake(keys["variants"].line, "variants", "found a list", f"give each a name: {{{named[:200]}}}")
        return {}
    if "variants" not in keys or not is_mapping(keys["variants"], "variants", findings):
        return {}
    return {
        # `plain: {}` is `base` as it stands.
        name: {} if node.value in (None, {}) else read_layer(node, f"variants.{name}", findings, names)
        for name, node in keys["variants"].value.items()
    }


def _imported(base: Layer, variants: dict[str, Layer], axes: Sequence[Axis]) -> frozenset[str]:
    """The kinds of component that the file takes from elsewhere: by an import path, or from a package."""
    settings = [*base.items(), *(item for layer in variants.values() for item in layer.items())]
    for axis in axes:
        settings += [(name, node) for row in axis.rows or () for name, node in zip(axis.names, row, strict=True)]
    return frozenset(key for key, node in settings if key in COMPONENTS and registry.is_foreign(key, str(node.plain)))


def _read_method(keys: dict[str, Node], findings: Findings) -> str:
    """The sampler's name; "" after a mistake. Without parameters there is nothing to search, and `grid` is meant."""
    methods = registry.components("sampler")
    if "method" not in keys:
        if "parameters" not in keys:
            return "grid"
        line = keys["parameters"].line
        findings.mistake(line, "method", "missing", f"allowed: {', '.join(sorted({BAYES, *methods}))}")
        return ""
    node = keys["method"]
    if node.value == BAYES:
        return _bayes(keys, findings)
    if isinstance(node.value, str) and node.value.lower() in ("tpe", "bayesian", "optuna", "bo"):
        findings.mistake(node.line, "method", f"found {shown(node.value)}", "write method: bayes")
        return ""
    try:
        return registry.find("sampler", text(node, "method", findings)).name if node.value else ""
    except InputError as error:
        found, _, remedy = str(error).partition("; ")
        findings.mistake(node.line, "method", found, remedy)
        return ""


def _bayes(keys: dict[str, Node], findings: Findings) -> str:
    """The name of the search, or "" where something keeps it from being one."""
    before = findings.num_mistakes
    if "run_cap" not in keys:
        remedy = "say how many configurations to try, for example run_cap: 40"
        findings.mistake(keys["method"].line, "run_cap", "missing, and method: bayes goes on without end", remedy)
    if "parameters" not in keys:
        findings.mistake(keys["method"].line, "method", "found bayes without `parameters`", "give it some to search")
    if "ablate" in keys and keys["ablate"].value:
        findings.mistake(keys["ablate"].line, "ablate", "found method: bayes", "ablate: true needs method: grid")
    if "compare" in keys:
        remedy = "use method: grid, or leave compare out"
        findings.mistake(keys["compare"].line, "compare", "found method: bayes, whose runs come as it goes on", remedy)
    return BAYES if findings.num_mistakes == before else ""


def _read_seeds(keys: dict[str, Node], findings: Findings) -> tuple[Node, ...]:
    if "seeds" not in keys:
        return ()
    node = keys["seeds"]
    if not isinstance(node.value, list):
        return tuple(Node(seed, node.line) for seed in range(_number_of_seeds(node, findings)))
    if not is_list(node, "seeds", findings, "[0, 1, 2]"):
        return ()
    items = enumerate(node.value)
    seeds = [each for number, each in items if whole_number(each, f"seeds.{number}", findings, low=0) is not None]
    if len({each.value for each in seeds}) < len(seeds):
        findings.mistake(node.line, "seeds", f"found {shown(node.plain)}", "give each seed once")
    return tuple(seeds)


def _number_of_seeds(node: Node, findings: Findings) -> int:
    found, remedy = f"found {shown(node.plain)}", ""
    if node.value == 0 and node.value is not False:
        remedy = "write how many, or seeds: [0] for one run with seed 0"
    elif not isinstance(node.value, int | float | None) and number_in(node.value) is None:
        remedy = "write how many, for example 3, or the seeds themselves: [0, 1, 2]"
    elif type(node.value) is int and node.value > MOST_RUNS:
        found = f"found {node.value:,} seeds"
        remedy = f"a sweep has at most {MOST_RUNS:,} runs: give fewer, or the seed itself as a list: [{node.value}]"
    if remedy:
        findings.mistake(node.line, "seeds", found, remedy)
        return 0
    return whole_number(node, "seeds", findings, low=1) or 0


def _read_ablate(keys: dict[str, Node], findings: Findings) -> bool:
    if "ablate" not in keys:
        return False
    value: Any = keys["ablate"].value
    if not isinstance(value, bool):
        findings.mistake(keys["ablate"].line, "ablate", f"found {shown(value)}", "allowed: true or false")
    return value is True


def _whole(keys: dict[str, Node], key: str, low: int, findings: Findings) -> int | None:
    return whole_number(keys[key], key, findings, low=low) if key in keys else None


def _items(keys: dict[str, Node], key: str, example: str, findings: Findings) -> list[Node]:
    """The items of an optional list."""
    return keys[key].value if key in keys and is_list(keys[key], key, findings, example) else []
