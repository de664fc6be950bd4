"""Configurations of a space by their coordinates, for a search that proposes them one by one.

A parameter whose values have an order has the share of all draws below its value, in [0, 1], as W&B's own search has
it; any other one, and the variant, has the number of its value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from random import Random
from typing import Final

from cnnjobs.config.yaml import Findings
from cnnjobs.sweep.space.coherence import are_too_many, conflicts
from cnnjobs.sweep.space.expansion import Candidate, active_part, is_excluded, with_seeds
from cnnjobs.sweep.space.samplers import Point
from cnnjobs.sweep.space.space import Space

Coordinates = dict[str, float]

VARIANT: Final = "variant"
_IN_VAIN: Final = 1000


@dataclass(frozen=True)
class Dimension:
    """One coordinate: a number below `count`, or any share where that is None."""

    key: str
    count: int | None = None


@dataclass(frozen=True)
class Located:
    """A configuration, its runs by seed, and the coordinates that count: not those of what `when` leaves out."""

    coordinates: Coordinates
    candidates: tuple[Candidate, ...]


def dimensions(space: Space) -> list[Dimension]:
    """The coordinates that are free."""
    found = [Dimension(VARIANT, len(space.variants))] if len(space.variants) > 1 else []
    for axis in space.axes:
        if axis.at is not None:
            found.append(Dimension(axis.key))
        elif len(axis.rows or ()) > 1:
            found.append(Dimension(axis.key, len(axis.rows or ())))
    return found


def locate(space: Space, coordinates: Mapping[str, float]) -> Located | None:
    """The configuration at these coordinates; None where it is excluded."""
    used: set[str] = set()
    variant = space.sides[int(coordinates.get(VARIANT, 0))]
    point: Point = {}
    for axis in space.axes:
        place = coordinates.get(axis.key, 0)
        nodes = axis.at(place) if axis.at is not None else (axis.rows or ())[int(place)]
        point.update(zip(axis.names, nodes, strict=True))
    active = active_part(space, variant, point, used)
    candidates = tuple(run for run in with_seeds(space, variant, active) if not is_excluded(space, run, used))
    if not candidates:
        return None
    names = {axis.key: axis.names for axis in space.axes}
    counting = {
        each.key: coordinates[each.key]
        for each in dimensions(space)
        if each.key == VARIANT or any(name in active for name in names[each.key])
    }
    return Located(counting, candidates)


def drawn(free: Sequence[Dimension], seed: int, number: int) -> Coordinates:
    """Random coordinates, with a generator for each of them: a new parameter keeps those of the others."""
    found = {}
    for each in free:
        generator = Random(f"{seed} {number} {each.key}")
        found[each.key] = generator.random() if each.count is None else float(generator.randrange(each.count))
    return found


def first_configurations(space: Space, unread: Collection[str], findings: Findings) -> list[Located]:
    """Different configurations at random, with which a search begins; fewer, and said, where no more come."""
    for line, key, told in conflicts(space):
        findings.mistake(line, key, told, "set it in one of the two")
    if are_too_many(space, findings) or unread:
        return list(islice(_different(space), 1))
    number = min(space.startup, space.run_cap or 1)
    found = list(islice(_different(space), number))
    if len(found) < number:
        told = f"there are only {len(found)} different configurations: these are run"
        findings.notice(space.lines.get("run_cap"), "run_cap", told)
    return found


def _different(space: Space) -> Iterator[Located]:
    free, seen, in_vain = dimensions(space), set[str](), 0
    for number in count():
        located = locate(space, drawn(free, space.sampling_seed, number))
        names = _names(located, str(number))
        if located is not None and not names <= seen:
            seen |= names
            in_vain = 0
            yield located
        else:
            in_vain += 1
        if in_vain > _IN_VAIN:
            return


def _names(located: Located | None, own: str) -> set[str]:
    """The run ids of a configuration; its `own` name where it is faulty: it is told, too."""
    configs = [each.config for each in located.candidates] if located else []
    return {own if isinstance(config, list) else config.run_id for config in configs}
