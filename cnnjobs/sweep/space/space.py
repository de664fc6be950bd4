"""Space of a sweep file, before any configuration is made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cnnjobs.config.kinds import AnyConfig
from cnnjobs.config.mistakes import KeyMistake
from cnnjobs.config.run import read_config
from cnnjobs.config.yaml import Node
from cnnjobs.sweep.overrides import OF_NETWORKS, Layer, Naming, nest
from cnnjobs.sweep.space.conditions import Condition
from cnnjobs.sweep.space.samplers import Axis

BAYES: Final = "bayes"
"""The method by which configurations are proposed one by one, from results."""

Reader = Callable[[Layer], AnyConfig | list[KeyMistake]]


def read_network(settings: Layer) -> AnyConfig | list[KeyMistake]:
    """The training of a network that these settings make."""
    return read_config(nest(settings))


@dataclass(frozen=True)
class Space:
    """Space of a sweep file."""

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
    startup: int = 0
    """Number of configurations with which a search begins."""
    lines: Mapping[str, int | None] = field(default_factory=dict)
    """Where the keys of the file stand."""
    names: Naming = OF_NETWORKS
    read: Reader = read_network
    """Settings of one run -> its configuration, or what is wrong with them."""

    @property
    def sides(self) -> list[str | None]:
        """The variants, or the one configuration that there is without."""
        return [*self.variants] or [None]
