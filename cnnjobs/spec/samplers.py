"""Samplers: axes -> the points of a sweep. A new one is one function that yields points."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cnnjobs.registry import register
from cnnjobs.spec.reading import Node

Point = dict[str, Node]
"""One value for each parameter."""

MOST_CONFIGURATIONS: Final = 100_000


@dataclass(frozen=True)
class Axis:
    """One parameter, or several that move together; `rows` are all its values, None where a grid cannot list them."""

    names: tuple[str, ...]
    line: int | None
    rows: Sequence[tuple[Node, ...]] | None
    draw: Callable[[random.Random], tuple[Node, ...]]
    why_no_grid: str = ""

    @property
    def key(self) -> str:
        """Where it stands in the file."""
        return f"parameters.{'+'.join(self.names)}"

    def points(self) -> Iterator[Point]:
        """Every value of this axis alone."""
        for row in self.rows or ():
            yield dict(zip(self.names, row, strict=True))


class SamplerRefusal(Exception):  # noqa: N818
    """Why a sampler cannot work with what it was given: (line, key, found, remedy) of each mistake."""

    def __init__(self, mistakes: Sequence[tuple[int | None, str, str, str]]) -> None:
        self.mistakes = mistakes
        super().__init__(mistakes)


@register("sampler", "grid")
def grid(axes: Sequence[Axis], run_cap: int | None) -> Iterator[Point]:
    """Every combination, in W&B's order: names sorted, the last one fastest. Raises SamplerRefusal."""
    remedy = "a grid takes value, values, whole-number min and max, or q_uniform; or use method: random"
    unfit = [(axis.line, axis.key, axis.why_no_grid, remedy) for axis in axes if axis.rows is None]
    if unfit:
        raise SamplerRefusal(unfit)
    count = math.prod(len(axis.rows or ()) for axis in axes)
    if count > MOST_CONFIGURATIONS and run_cap is None:
        found = f"the grid has {count:,} configurations"
        raise SamplerRefusal([(None, "parameters", found, "leave values out, set run_cap, or use method: random")])
    combinations = itertools.product(*(axis.points() for axis in axes))
    return ({name: node for part in parts for name, node in part.items()} for parts in combinations)


@register("sampler", "random")
def random_search(axes: Sequence[Axis], run_cap: int | None, seed: int) -> Iterator[Point]:
    """`run_cap` independent draws. Raises SamplerRefusal.

    Every axis has a generator of its own: a larger run_cap keeps the draws so far, a new parameter those of the others.
    """
    if run_cap is None:
        remedy = "say how many configurations to draw, for example run_cap: 20"
        raise SamplerRefusal([(None, "run_cap", "missing, and method: random needs it", remedy)])
    generators = [random.Random(f"{seed} {' '.join(axis.names)}") for axis in axes]
    return (
        {
            name: node
            for axis, generator in zip(axes, generators, strict=True)
            for name, node in zip(axis.names, axis.draw(generator), strict=True)
        }
        for _ in range(run_cap)
    )
