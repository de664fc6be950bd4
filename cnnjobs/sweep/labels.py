"""Labels of the runs of a sweep: the keys that differ, and a short label of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnnjobs.config.kinds import AnyConfig, network
from cnnjobs.config.run import RunConfig


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep; `overrides` are its values of the dotted keys that differ between the runs.

    `lines` are those of the sweep file that set its dotted keys.
    """

    config: AnyConfig
    overrides: dict[str, Any]
    variant: str | None
    label: str
    lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """The run's folder name."""
        return self.config.run_id

    @property
    def network(self) -> RunConfig:
        """The training of a network that it is. Raises InputError where it is a program."""
        return network(self.config)

    def line(self, key: str) -> int | None:
        """The line that sets a key, or an option of it."""
        own = (line for name, line in self.lines.items() if name == key or name.startswith(f"{key}."))
        return next(own, None)


def differing_keys(flats: Iterable[Mapping[str, Any]]) -> list[str]:
    """The dotted keys with more than one value among the runs that have them, sorted."""
    first: dict[str, Any] = {}
    differing: set[str] = set()
    for flat in flats:
        for key, value in flat.items():
            if key not in differing and first.setdefault(key, value) != value:
                differing.add(key)
    return sorted(differing)


def name_runs(
    configs: Sequence[AnyConfig], variants: Sequence[str | None], changed: Sequence[Iterable[str] | None]
) -> tuple[SweepRun, ...]:
    """Every run with its overrides and its label; `changed` are the keys to show where only these matter."""
    flats = [config.flat() for config in configs]
    differing = differing_keys(flats)
    shown_keys = _shown_keys(flats, variants, changed)
    short = short_names(differing)
    for write in (brief, _full):
        labels = [
            " ".join(filter(None, (variant, *(f"{short.get(key, key)}={write(flat[key])}" for key in keys))))
            for flat, variant, keys in zip(flats, variants, shown_keys, strict=True)
        ]
        configurations = [(label, flat.pop("seed", None)) for label, flat in zip(labels, map(dict, flats), strict=True)]
        if len(set(configurations)) == len(configurations):
            break
    return tuple(
        SweepRun(config, {key: flat[key] for key in differing if key in flat}, variant, label)
        for config, flat, variant, label in zip(configs, flats, variants, labels, strict=True)
    )


def _shown_keys(
    flats: Sequence[Mapping[str, Any]], variants: Sequence[str | None], changed: Sequence[Iterable[str] | None]
) -> list[list[str]]:
    """For each run the keys of its label: those that differ among the runs of its variant, without the seed."""
    groups: dict[str | None, list[Mapping[str, Any]]] = {}
    for flat, variant in zip(flats, variants, strict=True):
        groups.setdefault(variant, []).append(flat)
    differing = {variant: differing_keys(group) for variant, group in groups.items()}
    return [
        [key for key in (sorted(keys) if keys is not None else differing[variant]) if key in flat and key != "seed"]
        for flat, variant, keys in zip(flats, variants, changed, strict=True)
    ]


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """`optimizer.momentum` -> `momentum`, where no other key ends so."""
    last = {key: key.rpartition(".")[2] for key in keys}
    counts = Counter(last.values())
    return {key: name if counts[name] == 1 else key for key, name in last.items()}


def brief(value: Any) -> str:
    """A value in a few characters: floats with six digits, components by their names."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict) and list(value) == ["all_but"]:
        return f"all_but:{'+'.join(value['all_but'])}"
    if isinstance(value, dict) and value.keys() <= {"train", "validation", "test"}:
        return "+".join(f"{split}:{size}" for split, size in value.items())
    if isinstance(value, dict) and list(value) == ["steps"]:
        return f"{value['steps']}steps"
    if isinstance(value, list) and value and all(isinstance(one, dict) and "name" in one for one in value):
        return "+".join(one["name"] for one in value)
    return _full(value)


def _full(value: Any) -> str:
    """A value in full, as YAML's flow style writes it."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
