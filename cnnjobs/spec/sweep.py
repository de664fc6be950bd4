"""A sweep file -> every run of it, checked before anything is started.

The format is W&B's, read strictly: `name description method metric parameters early_terminate run_cap`. Beside it stand
our own keys, each optional: `base seeds sampling_seed zip when exclude variants ablate compare report job`. Each is
described where it is read: parameters.py, expansion.py, comparison.py, settings.py.

    name: task3
    method: grid                       # or random, with run_cap and sampling_seed
    base: {dataset: cifar10, model: cnn, optimizer: {name: sgd, momentum: 0.9}, epochs: 10}
    parameters:
      lr: {values: [5e-2, 1e-2]}
      model.batch_norm: {values: [false, true]}
    seeds: 3
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from cnnjobs import registry
from cnnjobs.errors import InputError, suggest
from cnnjobs.spec.comparison import Comparison, Pair, pair_runs, read_comparisons
from cnnjobs.spec.conditions import Condition, Vocabulary, order_by_need, read_condition
from cnnjobs.spec.conventions import recognise
from cnnjobs.spec.documents import read_yaml
from cnnjobs.spec.expansion import MOST_RUNS, Space, expand
from cnnjobs.spec.labels import SweepRun
from cnnjobs.spec.layers import Layer, bare, read_layer
from cnnjobs.spec.parameters import read_parameters, tie
from cnnjobs.spec.reading import Findings, Node, is_list, is_mapping, shown
from cnnjobs.spec.run import COMPONENTS, RunConfig, our_name
from cnnjobs.spec.samplers import Axis
from cnnjobs.spec.settings import (
    JobSettings,
    Metric,
    ReportSettings,
    read_early_terminate,
    read_job,
    read_metric,
    read_report,
    text,
    whole_number,
)
from cnnjobs.spec.text_files import read_text, yaml_files
from cnnjobs.spec.validation import check_base, check_runs

__all__ = ["JobSettings", "Metric", "Pair", "ReportSettings", "Sweep", "SweepRun", "read_sweep"]

_KEYS: Final = (
    "name", "description", "method", "metric", "parameters", "early_terminate", "run_cap",
    "base", "seeds", "sampling_seed", "zip", "when", "exclude", "variants", "ablate", "compare", "report", "job",
)  # fmt: skip

_ELSEWHERE: Final = {
    **dict.fromkeys(("slurm", "resources"), "resources stand in a file of jobs/: write job: {profile: its name}"),
    **dict.fromkeys(("fixed", "defaults", "config"), "what every run shares stands in `base`"),
    "seed": "write seeds: [0], or base: {seed: 0}",
}

_PASSED_OVER: Final = {
    "program": "runs are trained by cnnjobs itself",
    "command": "runs are trained by cnnjobs itself",
    "project": "results go to results/<name>",
    "entity": "results go to results/<name>",
    "controller": "no server is needed",
    "apiVersion": "no server is needed",
    "kind": "no server is needed",
}


@dataclass(frozen=True)
class Sweep:
    """One sweep file and every run that it asks for."""

    name: str
    path: Path
    text: str
    description: str
    method: str
    metric: Metric
    runs: tuple[SweepRun, ...]
    pairs: tuple[Pair, ...]
    report: ReportSettings
    job: JobSettings
    notices: tuple[str, ...]


def read_sweep(path: Path) -> Sweep:
    """Read a sweep file. Raises InputError where there is no text to read, SpecError with every mistake in it."""
    findings = Findings(path)
    content = read_text(path, yaml_files(path.parent, Path("sweeps")), findings.tell)
    keys = _top_level(read_yaml(content, findings), findings)
    name = _read_name(keys, path, findings)
    description = text(keys["description"], "description", findings) if "description" in keys else ""
    metric = read_metric(keys["metric"], findings) if "metric" in keys else Metric()
    if "early_terminate" in keys:
        read_early_terminate(keys["early_terminate"], findings)
    report = read_report(keys["report"], path.parent, findings) if "report" in keys else ReportSettings()
    if metric.target is not None:
        report = replace(report, targets={metric.name: (metric.target,), **report.targets})
    job = read_job(keys["job"], findings) if "job" in keys else JobSettings()
    space, comparisons, unread = _read_space(keys, findings)
    check_base(space.base, findings)
    candidates, complete = expand(space, unread, findings)
    runs = check_runs(space, candidates, unread, findings)
    pairs = pair_runs(comparisons, runs, space.variants, findings) if runs and complete else ()
    findings.stop_at_mistakes()
    return Sweep(name, path, content, description, space.method, metric, runs, pairs, report, job, findings.notices)


def _top_level(root: Node, findings: Findings) -> dict[str, Node]:
    """The keys of the file that are ours. Raises SpecError for what is no sweep file at all."""
    if isinstance(root.value, dict) and list(root.value) == ["sweep"]:
        findings.notice(root.value["sweep"].line, "sweep", "read as if its content stood at the top of the file")
        return _top_level(root.value["sweep"], findings)
    _refuse_other_files(root, findings)
    for key, node in root.value.items():
        if key in _PASSED_OVER:
            findings.notice(node.line, key, f"passed over: {_PASSED_OVER[key]}")
        elif key in _ELSEWHERE:
            findings.mistake(node.line, key, "unknown key", _ELSEWHERE[key])
        elif our_name(key) in RunConfig.model_fields:
            findings.mistake(node.line, key, "stands at the top of the file", f"write base: {{{our_name(key)}: ...}}")
        elif key not in _KEYS:
            findings.mistake(node.line, key, "unknown key", suggest(key, _KEYS))
    return {key: node for key, node in root.value.items() if key in _KEYS}


def _refuse_other_files(root: Node, findings: Findings) -> None:
    """Raise SpecError for an empty file, for what is no mapping, and for another tool's file."""
    if isinstance(root.value, dict) and root.value:
        foreign = recognise(root, frozenset({*_KEYS, *_PASSED_OVER}))
        if not foreign:
            return
        findings.mistake(root.line, "", foreign[0], f"the same sweep in the form that is read here:\n{foreign[1]}")
    elif root.value in (None, {}):
        findings.mistake(root.line, "", "no key in it", "a sweep has at least base: {dataset: ..., model: ...}")
    else:
        found = "a list" if isinstance(root.value, list) else shown(root.plain)
        findings.mistake(root.line, "", f"found {found}", f"a sweep is a mapping of keys: {', '.join(_KEYS)}")
    findings.stop_at_mistakes()


def _read_name(keys: dict[str, Node], path: Path, findings: Findings) -> str:
    if "name" not in keys:
        return path.stem
    name = text(keys["name"], "name", findings)
    if name and (name.startswith(".") or "/" in name or len(name) > 100 or not name.isprintable()):
        remedy = "it becomes a folder's name: no `/`, no dot in front, at most 100 characters"
        findings.mistake(keys["name"].line, "name", f"found {shown(name)}", remedy)
    return name


def _read_space(keys: dict[str, Node], findings: Findings) -> tuple[Space, list[Comparison], frozenset[str]]:
    """What the file spans, its comparisons, and the parameters that could not be read; mistakes go to `findings`."""
    base = read_layer(keys["base"], "base", findings) if "base" in keys else {}
    variants = _read_variants(keys, findings)
    axes, unread = read_parameters(keys["parameters"], findings) if "parameters" in keys else ([], frozenset())
    words = Vocabulary(tuple(variants), _imported(base, variants, axes))
    exclude = [
        read_condition(node, f"exclude.{number}", words, findings)
        for number, node in enumerate(_items(keys, "exclude", "[{model: lenet5, lr: 0.3}]", findings))
    ]
    space = Space(
        method=_read_method(keys, findings),
        base=base,
        variants=variants,
        axes=tie(keys["zip"], axes, findings) if "zip" in keys else axes,
        seeds=_read_seeds(keys, findings),
        sampling_seed=_whole(keys, "sampling_seed", 0, findings) or 0,
        run_cap=_whole(keys, "run_cap", 1, findings),
        when=_read_when(keys, axes, unread, words, findings),
        exclude=[condition for condition in exclude if not condition.faulty],
        ablate=_read_ablate(keys, findings),
        lines={key: node.line for key, node in keys.items()},
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
        name, place = bare(key), f"when.{key}"
        if name not in names and name not in unread:
            findings.mistake(node.line, place, "is not in `parameters`", suggest(name, names))
        else:
            when[name] = read_condition(node, place, words, findings)
    return order_by_need(when, findings)


def _read_variants(keys: dict[str, Node], findings: Findings) -> dict[str, Layer]:
    if "variants" not in keys or not is_mapping(keys["variants"], "variants", findings):
        return {}
    return {
        # `plain: {}` is `base` as it stands.
        name: {} if node.value in (None, {}) else read_layer(node, f"variants.{name}", findings)
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
        findings.mistake(line, "method", "missing", f"allowed: {', '.join(sorted(methods))}")
        return ""
    node = keys["method"]
    if node.value == "bayes":
        remedy = "use method: random with the same parameters, and run_cap for how many to draw"
        findings.mistake(node.line, "method", "`bayes` comes later", remedy)
        return ""
    try:
        return registry.find("sampler", text(node, "method", findings)).name if node.value else ""
    except InputError as error:
        found, _, remedy = str(error).partition("; ")
        findings.mistake(node.line, "method", found, remedy)
        return ""


def _read_seeds(keys: dict[str, Node], findings: Findings) -> tuple[Node, ...]:
    if "seeds" not in keys:
        return ()
    node = keys["seeds"]
    if not isinstance(node.value, list):
        if node.value == 0 and node.value is not False:
            findings.mistake(node.line, "seeds", "found 0", "write how many, or seeds: [0] for one run with seed 0")
            return ()
        count = whole_number(node, "seeds", findings, low=1) or 0
        if count > MOST_RUNS:
            remedy = f"a sweep has at most {MOST_RUNS:,} runs: give fewer, or the seed itself as a list: [{count}]"
            findings.mistake(node.line, "seeds", f"found {count:,} seeds", remedy)
            return ()
        return tuple(Node(seed, node.line) for seed in range(count))
    if not is_list(node, "seeds", findings, "[0, 1, 2]"):
        return ()
    items = enumerate(node.value)
    seeds = [each for number, each in items if whole_number(each, f"seeds.{number}", findings, low=0) is not None]
    if len({each.value for each in seeds}) < len(seeds):
        findings.mistake(node.line, "seeds", f"found {shown(node.plain)}", "give each seed once")
    return tuple(seeds)


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
