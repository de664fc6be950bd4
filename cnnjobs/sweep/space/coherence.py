"""Parts of a sweep file that contradict each other, or that decide nothing."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from cnnjobs.config.yaml import Findings

if TYPE_CHECKING:
    from cnnjobs.sweep.space.space import Space

MOST_RUNS: Final = 10_000
"""Runs of one sweep: configurations, variants among them, times seeds."""


def conflicts(space: Space) -> list[tuple[int | None, str, str]]:
    """Keys that two of variants, parameters and seeds set: (line, key, found)."""
    found: dict[tuple[int | None, str], str] = {}
    owners: dict[str, str] = {}
    for axis in space.axes:
        for row in axis.rows or ():
            for name, node in zip(axis.names, row, strict=True):
                for key, inner in space.names.flat(name, node).items():
                    owner = owners.setdefault(key, name)
                    if owner != name:
                        found[inner.line, f"parameters.{name}"] = f"`{key}` is set by `parameters.{owner}`, too"
    swept = {*owners, *(name for axis in space.axes for name in axis.names)}
    for variant, layer in () if space.ablate else space.variants.items():
        for key, node in layer.items():
            if key in swept or key.partition(".")[0] in swept:
                found[node.line, f"variants.{variant}"] = f"`{key}` is set by `parameters`, too"
    layers = {"base": space.base, **{f"variants.{name}": layer for name, layer in space.variants.items()}}
    for place, layer in layers.items():
        if space.seeds and "seed" in layer:
            found[layer["seed"].line, place] = "`seed` is set by `seeds`, too"
    if space.seeds and "seed" in swept:
        line = next(axis.line for axis in space.axes if "seed" in axis.names)
        found[line, "parameters.seed"] = "`seed` is set by `seeds`, too"
    return [(line, key, text) for (line, key), text in found.items()]


def check_use(space: Space, used: Collection[str], findings: Findings) -> None:
    """A condition that holds nowhere is a mistake in a grid; random draws may miss it by chance."""
    places = {f"when.{name}": each.line for name, each in space.when.items() if not each.faulty}
    places.update({f"exclude.{number}": each.line for number, each in enumerate(space.exclude)})
    for key, line in places.items():
        if key in used:
            continue
        if space.method == "random" or space.run_cap is not None:
            findings.notice(line, key, "holds for none of the runs")
        else:
            findings.mistake(line, key, "holds for none of the runs", "correct it or leave it out")


def are_too_many(space: Space, findings: Findings) -> bool:
    """Check whether there are more runs than a sweep may have: a mistake, before anything is expanded."""
    lengths = [len(axis.rows) for axis in space.axes if axis.rows is not None]
    if space.ablate:
        configurations = 1 + len(space.variants) + sum(lengths)
    elif space.method == "grid":
        configurations = math.prod(lengths) * len(space.sides)
    else:
        configurations = space.run_cap or 1
    configurations = min(configurations, space.run_cap or configurations)
    seeds = max(1, len(space.seeds))
    if configurations * seeds <= MOST_RUNS:
        return False
    key = "seeds" if seeds > configurations else "parameters" if space.method == "grid" else "run_cap"
    many = "1 configuration" if configurations == 1 else f"{_counted(configurations)} configurations"
    each = f" with {seeds:,} seeds each are {_counted(configurations * seeds)} runs" if seeds > 1 else ""
    remedies = {
        "seeds": "give fewer",
        "parameters": "leave values out, set run_cap, or use method: random",
        "run_cap": "ask for fewer",
    }
    remedy = f"a sweep has at most {MOST_RUNS:,} runs: {remedies[key]}"
    findings.mistake(space.lines.get(key), key, f"{many}{each}", remedy)
    return True


def _counted(number: int) -> str:
    return f"{number:,}" if number < 10**12 else "more than 1,000,000,000,000"
