"""What a sweep file spans, before any configuration is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cnnjobs.config.yaml import Node
from cnnjobs.sweep.overrides import Layer
from cnnjobs.sweep.space.conditions import Condition
from cnnjobs.sweep.space.samplers import Axis


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
    lines: Mapping[str, int | None] = field(default_factory=dict)
    """Where the keys of the file stand."""

    @property
    def sides(self) -> list[str | None]:
        """The variants, or the one configuration that there is without."""
        return [*self.variants] or [None]
