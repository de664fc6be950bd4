"""`compare:` pairs runs that differ in one thing.

    compare:
      - title: Batch normalisation
        before: {model: cnn, model.batch_norm: false}      # a partial match, see conditions.py
        after: {model: cnn, model.batch_norm: true}

Each side selects one configuration with all its seeds. The two may differ in nothing but what they name; naming a
component or a variant names what is in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cnnjobs.config.run import COMPONENTS
from cnnjobs.config.yaml import Findings, Node, is_list, known_keys, shown
from cnnjobs.sweep.labels import SweepRun, differing_keys
from cnnjobs.sweep.overrides import ABSENT, Layer
from cnnjobs.sweep.settings import text
from cnnjobs.sweep.space.conditions import Condition, Vocabulary, fits, read_condition

Flat = dict[str, Any]

_KEYS: Final = ("title", "before", "after")


@dataclass(frozen=True)
class Pair:
    """Runs before and after one change, matched by seed; `differing` is dotted key -> (before, after)."""

    title: str
    before: tuple[SweepRun, ...]
    after: tuple[SweepRun, ...]
    differing: dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Comparison:
    """One entry of `compare`, not yet matched with runs."""

    place: str
    line: int | None
    title: str
    before: Condition
    after: Condition


def read_comparisons(node: Node, words: Vocabulary, findings: Findings) -> list[Comparison]:
    """Every entry of `compare`; what is wrong becomes mistakes."""
    comparisons: list[Comparison] = []
    example = "- {title: ..., before: {...}, after: {...}}"
    for number, entry in enumerate(node.value if is_list(node, "compare", findings, example) else ()):
        place = f"compare.{number}"
        keys = known_keys(entry, place, _KEYS, findings)
        missing = [key for key in _KEYS if keys and key not in keys]
        for key in missing:
            findings.mistake(entry.line, f"{place}.{key}", "missing", "an entry has title, before and after")
        title = text(keys["title"], f"{place}.title", findings) if "title" in keys else ""
        sides = [read_condition(keys[side], f"{place}.{side}", words, findings) for side in _KEYS[1:] if side in keys]
        if len(sides) == 2 and not any(side.faulty for side in sides):
            comparisons.append(Comparison(place, entry.line, title, *sides))
    return comparisons


def pair_runs(
    comparisons: Sequence[Comparison], runs: Sequence[SweepRun], variants: Mapping[str, Layer], findings: Findings
) -> tuple[Pair, ...]:
    """The runs of every comparison; sides that match no run, several configurations or differ in more are mistakes."""
    flats = [{**run.config.flat(), "variant": run.variant} for run in runs] if comparisons else []
    pairs = []
    for comparison in comparisons:
        before = _select(comparison.before, f"{comparison.place}.before", runs, flats, findings)
        after = _select(comparison.after, f"{comparison.place}.after", runs, flats, findings)
        if before and after:
            pair = _pair(comparison, (before, after), variants, findings)
            pairs += [pair] if pair else []
    return tuple(pairs)


def _select(
    condition: Condition, place: str, runs: Sequence[SweepRun], flats: Sequence[Flat], findings: Findings
) -> dict[int, SweepRun]:
    """The runs of one configuration by seed; empty after a mistake."""
    chosen = [
        number
        for number, flat in enumerate(flats)
        if condition.holds(lambda key, flat=flat: flat.get(key, ABSENT))  # type: ignore[misc]
    ]
    if not chosen:
        findings.mistake(condition.line, place, *_why_none(condition, flats))
        return {}
    differing = [key for key in differing_keys(flats[number] for number in chosen) if key not in ("seed", "variant")]
    if differing:
        key = differing[0]
        values = list(dict.fromkeys(shown(flats[number][key]) for number in chosen if key in flats[number]))
        found = f"matches configurations that differ in {', '.join(differing)}"
        findings.mistake(condition.line, place, found, f"name the one to compare, for example {key}: {values[0]}")
        return {}
    return {flats[number]["seed"]: runs[number] for number in chosen}


def _value(flat: Flat, key: str) -> Any:
    return flat.get(key, ABSENT)


def _why_none(condition: Condition, flats: Sequence[Flat]) -> tuple[str, str]:
    for key, node in condition.wanted.items():
        values = [flat[key] for flat in flats if key in flat]
        if not any(fits(key, value, node.plain) for value in values):
            there = ", ".join(dict.fromkeys(shown(value) for value in values)) or "no run has this key"
            return f"matches no run: none has {key}: {shown(node.plain)}", f"the runs have: {there}"
    return "matches no run: none has all of these values together", "name fewer of them, or add such a run"


def _pair(
    comparison: Comparison,
    sides: tuple[dict[int, SweepRun], dict[int, SweepRun]],
    variants: Mapping[str, Layer],
    findings: Findings,
) -> Pair | None:
    before, after = sides
    line, place = comparison.line, comparison.place
    seeds = [seed for seed in before if seed in after]
    if not seeds:
        found = f"no seed in common: {', '.join(map(str, before))} before, {', '.join(map(str, after))} after"
        findings.mistake(line, place, found, "compare runs with the same seeds")
        return None
    if len(seeds) < max(len(before), len(after)):
        told = f"only the seeds on both sides are compared: {', '.join(map(str, seeds))}"
        findings.notice(line, place, told)
    one, other = before[seeds[0]], after[seeds[0]]
    differing = _differing(one.config.flat(), other.config.flat())
    if not differing:
        findings.mistake(line, place, "both sides are the same runs", "name what changes")
        return None
    named = _named(comparison, (one, other), variants)
    extra = [key for key in differing if not _is_named(key, named, differing)]
    if extra:
        values = ", ".join(f"{key} ({' and '.join(map(_shown_side, differing[key]))})" for key in extra)
        remedy = "name it on both sides, or compare runs that share it"
        findings.mistake(line, place, f"the runs differ in more than is named: {values}", remedy)
        return None
    shared = {key: values for key, values in differing.items() if ABSENT not in values}
    return Pair(comparison.title, tuple(before[seed] for seed in seeds), tuple(after[seed] for seed in seeds), shared)


def _differing(before: Flat, after: Flat) -> dict[str, tuple[Any, Any]]:
    """Dotted key -> (before, after); ABSENT where a side has no such key."""
    keys = sorted({*before, *after})
    values = {key: (before.get(key, ABSENT), after.get(key, ABSENT)) for key in keys}
    return {
        key: (one, other) for key, (one, other) in values.items() if one is ABSENT or other is ABSENT or one != other
    }


def _shown_side(value: Any) -> str:
    return "none" if value is ABSENT else shown(value)


def _named(comparison: Comparison, runs: tuple[SweepRun, SweepRun], variants: Mapping[str, Layer]) -> dict[str, bool]:
    """Dotted key -> whether it names all options of its component, too."""
    wanted = {**comparison.before.wanted, **comparison.after.wanted}
    named = dict.fromkeys(wanted, False)
    if "variant" in wanted:
        for run in runs:
            named.update(dict.fromkeys(variants.get(run.variant or "", {}), True))
    return named


def _is_named(key: str, named: Mapping[str, bool], differing: Mapping[str, Any]) -> bool:
    kind = key.partition(".")[0]
    return key in named or (kind in COMPONENTS and kind in named and (named[kind] or kind in differing))
