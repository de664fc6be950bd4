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
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Any, Final

from cnnjobs import registry
from cnnjobs.config.kinds import AnyConfig
from cnnjobs.config.mistakes import KeyMistake
from cnnjobs.config.yaml import Findings
from cnnjobs.sweep.overrides import Layer
from cnnjobs.sweep.space.coherence import MOST_RUNS, are_too_many, check_use, conflicts
from cnnjobs.sweep.space.conditions import same
from cnnjobs.sweep.space.samplers import Axis, Point, SamplerRefusal
from cnnjobs.sweep.space.space import Reader, Space, read_network

_MOST_COVERED: Final = 1000
_IN_VAIN: Final = 1000

BASE: Final = "base"
"""The name of the unchanged configuration in an ablation."""


@dataclass(frozen=True)
class Candidate:
    """The settings of one run, before they are checked; `changed` are the keys that its point sets."""

    settings: Layer
    variant: str | None
    changed: tuple[str, ...]
    read: Reader = read_network

    @cached_property
    def config(self) -> AnyConfig | list[KeyMistake]:
        """The run that these settings make, or what is wrong with them."""
        return self.read(self.settings)


def expand(space: Space, unread: frozenset[str], findings: Findings) -> tuple[list[Candidate], bool]:
    """Every run of the space in order, and whether these are all that the file asks for.

    Where it cannot be expanded, there are just enough runs to check every value. Conditions that hold nowhere and a
    space without runs are mistakes. `unread` are parameters that have no axis because of a mistake.
    """
    before = findings.num_mistakes
    for line, key, found in conflicts(space):
        findings.mistake(line, key, found, "set it in one of the two")
    if are_too_many(space, findings):
        space = replace(space, method="", ablate=False, seeds=space.seeds[:1])
    used: set[str] = set()
    kept: list[Candidate] = []
    configurations = tried = 0
    for variant, point in _points(space, used, findings):
        if configurations == space.run_cap or tried == MOST_RUNS:
            if not kept:
                break
            left = f"the first {configurations:,} configurations are run, the rest is left out"
            findings.notice(space.lines.get("run_cap"), "run_cap", left)
            break
        tried += 1
        chosen = [run for run in with_seeds(space, variant, point) if not is_excluded(space, run, used)]
        kept += chosen
        configurations += bool(chosen)
    complete = findings.num_mistakes == before and not unread
    if complete:
        check_use(space, used, findings)
    if complete and not kept:
        found = f"leaves no run: all {tried} configurations are excluded" if tried > 1 else "leaves no run"
        findings.mistake(space.exclude[0].line, "exclude", found, "exclude fewer of them")
    elif complete and space.method == "random" and configurations < tried:
        told = f"{tried - configurations} of {tried} draws are excluded and not replaced"
        findings.notice(space.lines.get("exclude"), "exclude", told)
    return kept, complete


def _points(space: Space, used: set[str], findings: Findings) -> Iterator[tuple[str | None, Point]]:
    """(variant, point) of every configuration, each once; `when` has taken its part of the points."""
    try:
        sampled = _ablation(space) if space.ablate else _product(space, used, findings)
        yield from _once(space, used, sampled)
    except SamplerRefusal as refusal:
        for mistake in refusal.mistakes:
            findings.mistake(*mistake)
        yield from _once(space, used, itertools.product(space.sides, _cover(space.axes)))


def _once(
    space: Space, used: set[str], sampled: Iterable[tuple[str | None, Point]]
) -> Iterator[tuple[str | None, Point]]:
    seen = set()
    for variant, point in sampled:
        active = active_part(space, variant, point, used)
        identity = (variant, tuple(sorted((name, id(node)) for name, node in active.items())))
        if identity not in seen:
            seen.add(identity)
            yield variant, active


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


def _product(space: Space, used: set[str], findings: Findings) -> Iterator[tuple[str | None, Point]]:
    if space.method in ("", "grid"):
        yield from ((variant, point) for variant in space.sides for point in _sample(space))
        return
    # Every variant gets the same draws; run_cap counts them all.
    sides = len(space.sides)
    cap = None if space.run_cap is None else max(1, space.run_cap // sides)
    if cap is not None and space.run_cap is not None and cap > 1 and cap * sides < space.run_cap:
        told = f"{space.run_cap} configurations are {cap} for each of {sides} variants: {cap * sides} are run"
        findings.notice(space.lines.get("run_cap"), "run_cap", told)
    for variant in space.sides:
        for point in _different(space, variant, cap, used, findings):
            yield variant, point


def _different(
    space: Space, variant: str | None, cap: int | None, used: set[str], findings: Findings
) -> Iterator[Point]:
    """Draws of different configurations, until there are `cap` of them or no other comes any more."""
    drawn: set[str] = set()
    found: set[str] = set()
    listed = [len(axis.rows) for axis in space.axes if axis.rows is not None]
    possible = math.prod(listed) if len(listed) == len(space.axes) else None
    tries, last, sound = 0, 0, not findings.num_mistakes
    for point in _sample(space):
        tries += 1
        active = active_part(space, variant, point, used)
        plain = json.dumps({name: active[name].plain for name in sorted(active)}, default=str)
        if plain not in drawn:
            drawn.add(plain)
            config = next(with_seeds(space, variant, active)).config
            identity = plain if isinstance(config, list) else config.run_id
            sound &= not isinstance(config, list)
            if identity not in found:
                found.add(identity)
                last = tries
                yield point
        if len(found) == cap:
            return
        if len(drawn) == possible or tries - last > _IN_VAIN + 10 * len(found):
            break
    if not sound:
        return
    which = f" of variant {variant}" if variant else ""
    there = f"there are only {len(found)}" if len(drawn) == possible else f"{tries:,} draws gave {len(found)}"
    told = f"{cap} different configurations{which} are asked for, and {there}: these are run"
    findings.notice(space.lines.get("run_cap"), "run_cap", told)


def _sample(space: Space) -> Iterable[Point]:
    if not space.method:
        raise SamplerRefusal([])
    if space.method == "random" and space.run_cap is None:
        remedy = "say how many configurations to draw, for example run_cap: 20"
        line = space.lines.get("method")
        # One that could not be read is a mistake already.
        raise SamplerRefusal(
            [] if "run_cap" in space.lines else [(line, "run_cap", "missing, and method: random needs it", remedy)]
        )
    given = {"axes": space.axes, "run_cap": space.run_cap, "seed": space.sampling_seed}
    points: Iterable[Point] = registry.find("sampler", space.method).build(given=given, options={})
    return points


def _ablation(space: Space) -> Iterator[tuple[str | None, Point]]:
    if space.method != "grid":
        line = space.lines.get("ablate")
        raise SamplerRefusal([(line, "ablate", f"found method: {space.method}", "ablate: true needs method: grid")])
    unfit = [axis for axis in space.axes if axis.rows is None]
    if unfit:
        remedy = "an ablation takes value or values"
        raise SamplerRefusal([(axis.line, axis.key, axis.why_no_grid, remedy) for axis in unfit])
    yield BASE, {}
    for variant in space.variants:
        yield variant, {}
    for axis in space.axes:
        for point in axis.points():
            if not all(same(space.names.lookup(space.base, name), node.plain) for name, node in point.items()):
                yield None, point


def active_part(space: Space, variant: str | None, point: Point, used: set[str]) -> Point:
    """The part of a point whose conditions hold; `when` is in an order in which none depends on a later one."""
    if not space.when:
        return point
    active = {name: node for name, node in point.items() if name not in space.when}
    for name, condition in space.when.items():
        if (
            name in point
            and not condition.faulty
            and condition.holds(_values(space, _settings(space, variant, active), variant))
        ):
            active[name] = point[name]
            used.add(f"when.{name}")
    return active


def _settings(space: Space, variant: str | None, point: Point) -> Layer:
    layer: Layer = {}
    for name, node in point.items():
        layer.update(space.names.flat(name, node))
    return space.names.merge(space.base, space.variants.get(variant or "", {}), layer)


def _values(space: Space, settings: Layer, variant: str | None) -> Any:
    return lambda key: variant if key == "variant" else space.names.lookup(settings, key)


def with_seeds(space: Space, variant: str | None, point: Point) -> Iterator[Candidate]:
    """The runs of a configuration, one for each seed."""
    settings = _settings(space, variant, point)
    changed = tuple(key for name, node in point.items() for key in space.names.flat(name, node))
    if not space.seeds:
        yield Candidate(settings, variant, changed, space.read)
    for seed in space.seeds:
        yield Candidate({**settings, "seed": seed}, variant, changed, space.read)


def is_excluded(space: Space, run: Candidate, used: set[str]) -> bool:
    """Check whether the file leaves a run out; the conditions that do so are `used`."""
    value_of = _values(space, run.settings, run.variant)
    matching = [f"exclude.{number}" for number, each in enumerate(space.exclude) if each.holds(value_of)]
    used.update(matching)
    return bool(matching)
