"""Samplers: axes -> the points of a sweep. A new one is one function that yields points."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cnnjobs.config.yaml import Node
from cnnjobs.registry import register

Point = dict[str, Node]
"""One value for each parameter."""


@dataclass(frozen=True)
class Axis:
    """One parameter, or several that move together; `rows` are all its values, None where a grid cannot list them.

    `at` gives the value below which a share of all draws lies, None where its values have no order.
    """

    names: tuple[str, ...]
    line: int | None
    rows: Sequence[tuple[Node, ...]] | None
    draw: Callable[[random.Random], tuple[Node, ...]]
    why_no_grid: str = ""
    at: Callable[[float], tuple[Node, ...]] | None = None

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
def grid(axes: Sequence[Axis]) -> Iterator[Point]:
    """Every combination, in W&B's order: names sorted, the last one fastest. Raises SamplerRefusal."""
    remedy = "a grid takes value, values, whole-number min and max, or q_uniform; or use method: random"
    unfit = [(axis.line, axis.key, axis.why_no_grid, remedy) for axis in axes if axis.rows is None]
    if unfit:
        raise SamplerRefusal(unfit)
    combinations = itertools.product(*(axis.points() for axis in axes))
    return ({name: node for part in parts for name, node in part.items()} for parts in combinations)


@register("sampler", "random")
def random_search(axes: Sequence[Axis], seed: int) -> Iterator[Point]:
    """Independent draws without end; those that repeat an earlier one are passed over where they are used.

    Every axis has a generator of its own: a larger run_cap keeps the draws so far, a new parameter those of the others.
    """
    generators = [random.Random(f"{seed} {' '.join(axis.names)}") for axis in axes]
    while True:
        yield {
            name: node
            for axis, generator in zip(axes, generators, strict=True)
            for name, node in zip(axis.names, axis.draw(generator), strict=True)
        }
