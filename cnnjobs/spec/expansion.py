"""Base, variants and parameters -> one set of settings for each run.

    seeds: 3                       # every configuration with seeds 0, 1 and 2; or the seeds themselves: [7, 8]
    when:                          # a parameter that exists only where its condition holds
      optimizer.momentum: {optimizer: sgd}
    exclude:                       # runs that are left out
      - {model: lenet5, lr: [0.3, 1]}
    variants:                      # named changes of `base`, each combined with every point of `parameters`
      plain: {model.batch_norm: false}
      wide: {model: {name: cnn, filters: [64, 128, 256]}}
    ablate: true                   # `base` itself, then every variant and every value alone, in place of the product

A key is set by `base` and by one of variants and parameters over it, never by both of these. Order: variants as they
stand in the file, points as the sampler gives them, seeds last.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from cnnjobs import registry
from cnnjobs.spec.conditions import Condition, same
from cnnjobs.spec.layers import Layer, flat, lookup, merge
from cnnjobs.spec.reading import Findings, Node
from cnnjobs.spec.samplers import Axis, Point, SamplerRefusal

_MOST_COVERED: Final = 1000

BASE: Final = "base"
"""The name of the unchanged configuration in an ablation."""


@dataclass(frozen=True)
class Space:
    """What a sweep file spans."""

    method: str
    base: Layer
    variants: Mapping[str, Layer] = field(default_factory=dict)
    axes: Sequence[Axis] = ()
    seeds: Sequence[Node] = ()
    sampling_seed: int = 0
    run_cap: int | None = None
    when: Mapping[str, Condition] = field(default_factory=dict)
    exclude: Sequence[Condition] = ()
    ablate: bool = False


@dataclass(frozen=True)
class Candidate:
    """The settings of one run, before they are checked; `changed` are the keys that its point sets."""

    settings: Layer
    variant: str | None
    changed: tuple[str, ...]


def expand(space: Space, unread: frozenset[str], findings: Findings) -> tuple[list[Candidate], bool]:
    """Every run of the space in order, and whether these are all that the file asks for.

    Where it cannot be expanded, there are just enough runs to check every value. Conditions that hold nowhere and a
    space without runs are mistakes. `unread` are parameters that have no axis because of a mistake.
    """
    before = findings.num_mistakes
    for line, key, found in _conflicts(space):
        findings.mistake(line, key, found, "set it in one of the two")
    used: set[str] = set()
    kept: list[Candidate] = []
    configurations = tried = 0
    for variant, point in _points(space, used, findings):
        if configurations == space.run_cap:
            findings.notice(None, "run_cap", f"the first {space.run_cap} configurations are run, the rest is left out")
            break
        tried += 1
        chosen = [run for run in _with_seeds(space, variant, point) if not _excluded(space, run, used)]
        kept += chosen
        configurations += bool(chosen)
    complete = findings.num_mistakes == before and not unread
    if complete:
        _check_use(space, used, findings)
    if complete and not kept:
        found = f"leaves no run: all {tried} configurations are excluded" if tried > 1 else "leaves no run"
        findings.mistake(space.exclude[0].line, "exclude", found, "exclude fewer of them")
    elif complete and space.method == "random" and configurations < tried:
        findings.notice(None, "exclude", f"{tried - configurations} of {tried} draws are excluded and not replaced")
    return kept, complete


def _points(space: Space, used: set[str], findings: Findings) -> Iterator[tuple[str | None, Point]]:
    """(variant, point) of every configuration, each once; `when` has taken its part of the points."""
    seen = set()
    for variant, point in _sampled(space, findings):
        active = _active(space, variant, point, used)
        identity = (variant, tuple(sorted((name, id(node)) for name, node in active.items())))
        if identity not in seen:
            seen.add(identity)
            yield variant, active


def _sampled(space: Space, findings: Findings) -> Iterator[tuple[str | None, Point]]:
    try:
        yield from _ablation(space) if space.ablate else _product(space)
    except SamplerRefusal as refusal:
        for mistake in refusal.mistakes:
            findings.mistake(*mistake)
        variants: list[str | None] = [*space.variants] or [None]
        yield from itertools.product(variants, _cover(space.axes))


def _cover(axes: Sequence[Axis]) -> Iterator[Point]:
    """Points in which every value occurs."""
    count = max((len(axis.rows) for axis in axes if axis.rows), default=1)
    generator = Random(0)
    for number in range(min(count, _MOST_COVERED)):
        point: Point = {}
        for axis in axes:
            row = axis.rows[number % len(axis.rows)] if axis.rows else axis.draw(generator)
            point.update(zip(axis.names, row, strict=True))
        yield point


def _product(space: Space) -> Iterator[tuple[str | None, Point]]:
    variants: list[str | None] = [*space.variants] or [None]
    # Every variant gets the same draws; run_cap counts them all.
    cap = None if space.run_cap is None else max(1, space.run_cap // len(variants))
    for variant in variants:
        for point in _sample(space, cap if space.method == "random" else space.run_cap):
            yield variant, point


def _sample(space: Space, run_cap: int | None) -> Iterable[Point]:
    if not space.method:
        raise SamplerRefusal([])
    given = {"axes": space.axes, "run_cap": run_cap, "seed": space.sampling_seed}
    points: Iterable[Point] = registry.find("sampler", space.method).build(given=given, options={})
    return points


def _ablation(space: Space) -> Iterator[tuple[str | None, Point]]:
    if space.method != "grid":
        raise SamplerRefusal([(None, "ablate", f"found method: {space.method}", "ablate: true needs method: grid")])
    unfit = [axis for axis in space.axes if axis.rows is None]
    if unfit:
        remedy = "an ablation takes value or values"
        raise SamplerRefusal([(axis.line, axis.key, axis.why_no_grid, remedy) for axis in unfit])
    yield BASE, {}
    for variant in space.variants:
        yield variant, {}
    for axis in space.axes:
        for point in axis.points():
            if not all(same(lookup(space.base, name), node.plain) for name, node in point.items()):
                yield None, point


def _active(space: Space, variant: str | None, point: Point, used: set[str]) -> Point:
    """The part of a point whose conditions hold; `when` is in an order in which none depends on a later one."""
    if not space.when:
        return point
    active = {name: node for name, node in point.items() if name not in space.when}
    for name, condition in space.when.items():
        if (
            name in point
            and not condition.faulty
            and condition.holds(_values(_settings(space, variant, active), variant))
        ):
            active[name] = point[name]
            used.add(f"when.{name}")
    return active


def _settings(space: Space, variant: str | None, point: Point) -> Layer:
    layer: Layer = {}
    for name, node in point.items():
        layer.update(flat(name, node))
    return merge(space.base, space.variants.get(variant or "", {}), layer)


def _values(settings: Layer, variant: str | None) -> Any:
    return lambda key: variant if key == "variant" else lookup(settings, key)


def _with_seeds(space: Space, variant: str | None, point: Point) -> Iterator[Candidate]:
    settings = _settings(space, variant, point)
    changed = tuple(key for name, node in point.items() for key in flat(name, node))
    if not space.seeds:
        yield Candidate(settings, variant, changed)
    for seed in space.seeds:
        yield Candidate({**settings, "seed": seed}, variant, changed)


def _excluded(space: Space, run: Candidate, used: set[str]) -> bool:
    value_of = _values(run.settings, run.variant)
    matching = [f"exclude.{number}" for number, each in enumerate(space.exclude) if each.holds(value_of)]
    used.update(matching)
    return bool(matching)


def _conflicts(space: Space) -> list[tuple[int | None, str, str]]:
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


def _check_use(space: Space, used: set[str], findings: Findings) -> None:
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
