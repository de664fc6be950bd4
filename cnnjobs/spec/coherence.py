"""Parts of a sweep file that contradict each other, or that decide nothing."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from cnnjobs.spec.layers import flat
from cnnjobs.spec.reading import Findings

if TYPE_CHECKING:
    from cnnjobs.spec.expansion import Space


def conflicts(space: Space) -> list[tuple[int | None, str, str]]:
    """Keys that two of variants, parameters and seeds set: (line, key, found)."""
    found: dict[tuple[int | None, str], str] = {}
    owners: dict[str, str] = {}
    for axis in space.axes:
        for row in axis.rows or ():
            for name, node in zip(axis.names, row, strict=True):
                for key, inner in flat(name, node).items():
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
