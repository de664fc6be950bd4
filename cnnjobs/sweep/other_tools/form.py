"""A sweep of another tool on its way into our form: what it spans, and what of its file has no place here."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cnnjobs.config.run import COMPONENTS, RunConfig, our_name

# What a range is drawn for, where the file does not say how often.
USUAL_DRAWS: Final = 20
MOST_DRAWS: Final = 10_001
# How many runs at once, in the words of other tools, as `plainly` has them.
PARALLEL: Final = (
    "maxparalleltrainingjobs", "maxparalleljobs", "paralleltrialcount", "trialconcurrency", "maxconcurrenttrials",
    "maxconcurrent", "maxparallel", "concurrency", "maxnumberofconcurrenttasks", "maxconcurrentruns", "paralleltrials",
)  # fmt: skip


@dataclass(frozen=True)
class Range:
    """Values that can only be drawn: our form of them, and a draw."""

    form: str
    low: float
    high: float
    logarithmic: bool = False
    whole: bool = False
    is_normal: bool = False

    def draw(self, generator: random.Random) -> float | int:
        """One value; of a normal distribution `low` is the mean, `high` the deviation."""
        if self.is_normal:
            value = generator.normalvariate(self.low, self.high)
            return rounded(math.exp(value) if self.logarithmic else value)
        if self.whole and not self.logarithmic:
            return generator.randint(int(self.low), int(self.high))
        if self.logarithmic:
            value = math.exp(generator.uniform(math.log(self.low), math.log(self.high)))
        else:
            value = generator.uniform(self.low, self.high)
        return round(value) if self.whole else rounded(value)


Place = tuple[str, ...]
"""The keys that lead to a value."""

Form = Range | list[Any]
"""What a parameter is drawn from, or all its values."""


@dataclass
class Foreign:
    """A sweep in our form, as far as the other tool's file says it; `zipped` are parameters that move together."""

    base: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Form] = field(default_factory=dict)
    zipped: list[list[str]] = field(default_factory=list)
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)
    exclude: list[dict[str, Any]] = field(default_factory=list)
    run_cap: int | None = None
    max_parallel: int | None = None
    seed: int | None = None
    at_random: bool = False
    ablate: bool = False
    left_out: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def share(self, settings: Mapping[str, Any], prefix: str = "") -> None:
        """Settings that every run shares; mappings become dotted names."""
        for key, value in settings.items():
            if isinstance(value, dict) and value:
                self.share(value, f"{prefix}{key}.")
            elif isinstance(value, str) and "${" in value:
                self.left_out[f"{prefix}{key}"] = f"{value} is known to the other tool alone"
            else:
                self.base[f"{prefix}{key}"] = value

    def draw(self, names: list[str], count: int) -> None:
        """Write these ranges out as `count` draws that move together: the others stand in a grid with them."""
        for name in names:
            form = self.parameters[name]
            generator = random.Random(f"{self.seed or 0} {name}")
            choose = form.draw if isinstance(form, Range) else lambda each, form=form: each.choice(form)
            self.parameters[name] = [choose(generator) for _ in range(min(count, MOST_DRAWS))]
        self.zipped += [names] if len(names) > 1 else []
        self.said.append(f"{', '.join(names)}: drawn here, {count} times, and written out")

    def text(self) -> str:
        """The YAML, and below it what it leaves out."""
        ranges = [name for name, form in self.parameters.items() if isinstance(form, Range)]
        is_random = self.at_random or bool(ranges)
        lines = [f"method: {'random' if is_random else 'grid'}"]
        if is_random and self.run_cap is None:
            self.said.append(f"run_cap: {USUAL_DRAWS} is a guess, since the file does not say how many to draw")
        run_cap = self.run_cap or (USUAL_DRAWS if is_random else None)
        lines += [f"run_cap: {run_cap}"] if run_cap is not None else []
        lines += [f"sampling_seed: {self.seed}"] if isinstance(self.seed, int) and is_random else []
        lines += _block("base", {name: flow(value) for name, value in self.base.items()})
        lines += _block("variants", {name: _settings(changes) for name, changes in self.variants.items()}, named=False)
        lines += _block("parameters", {name: _written(form) for name, form in self.parameters.items()})
        if self.zipped:
            groups = (", ".join(map(_name, group)) for group in self.zipped)
            lines.append(f"zip: [{', '.join(f'[{group}]' for group in groups)}]")
        lines += ["exclude:", *(f"  - {_settings(each)}" for each in self.exclude)] if self.exclude else []
        lines += ["ablate: true"] if self.ablate else []
        lines += [f"job: {{max_parallel: {self.max_parallel}}}"] if self.max_parallel else []
        return "\n".join((*lines, *(f"# {each}" for each in self.said), *self._left_out()))

    def _left_out(self) -> list[str]:
        varied = (name for changes in self.variants.values() for name in changes)
        names = dict.fromkeys(name for name in (*self.base, *self.parameters, *varied) if not _is_ours(name))
        unknown = [f"# no keys of a run here, to be renamed or dropped: {', '.join(names)}"] if names else []
        reasons = dict.fromkeys(self.left_out.values())
        alike = {why: ", ".join(key for key, its in self.left_out.items() if its == why) for why in reasons}
        return [*unknown, *(f"# left out: {keys}: {why}" for why, keys in alike.items())]


def beside(keys: Mapping[str, Any], places: Collection[Place], above: Place = ()) -> list[str]:
    """The dotted names of all that stands at none of these places, nor on the way to one or below it."""
    names: list[str] = []
    for key, value in keys.items():
        here = (*above, str(key))
        leads = [place for place in places if place[: len(here)] == here]
        if not leads:
            names.append(".".join(here))
        elif here not in leads and isinstance(value, dict):
            names += beside(value, places, here)
    return names


def places_of(keys: Any, names: Collection[str], above: Place = ()) -> list[Place]:
    """Where keys of these names stand, at whatever depth and in whatever spelling."""
    if not isinstance(keys, dict):
        return []
    here = [(*above, str(key)) for key in keys if plainly(key) in names]
    return here + [place for key, inner in keys.items() for place in places_of(inner, names, (*above, str(key)))]


def plainly(key: Any) -> str:
    """A key without the signs between its words, in small letters: tools spell the same one in several ways."""
    return re.sub(r"[-_]", "", str(key)).lower()


def unused(name: str, taken: Collection[str]) -> str:
    """The name of one of several sweeps; numbered where it is taken or empty."""
    numbered = (f"{name} {number}".strip() for number in range(len(taken) + 1, 2 * len(taken) + 3))
    return name if name and name not in taken else next(each for each in numbered if each not in taken)


def _is_ours(name: str) -> bool:
    field_name, dot, _ = our_name(name).partition(".")
    return field_name in RunConfig.model_fields and (not dot or field_name in COMPONENTS)


def _name(name: str) -> str:
    ours = our_name(name)
    return ours if ours.replace(".", "").replace("_", "").replace("-", "").isalnum() else json.dumps(ours)


def _block(key: str, entries: Mapping[str, str], *, named: bool = True) -> list[str]:
    if not entries:
        return []
    return [f"{key}:", *(f"  {_name(name) if named else flow(name)}: {form}" for name, form in entries.items())]


def _settings(changes: Mapping[str, Any]) -> str:
    return f"{{{', '.join(f'{_name(name)}: {flow(value)}' for name, value in changes.items())}}}"


def _written(form: Form) -> str:
    if isinstance(form, Range):
        return form.form
    return f"{{value: {flow(form[0])}}}" if len(form) == 1 else f"{{values: {flow(form)}}}"


def flow(value: Any) -> str:
    """A value in YAML's flow style, whole: an offer that is cut is another sweep."""
    return json.dumps(value, ensure_ascii=False, default=str)


def uniform(low: float, high: float, *, logarithmic: bool = False, whole: bool = False, step: Any = None) -> Range:
    """A range between two values, both included. Raises TypeError or ValueError for what are no bounds."""
    if not 0 < high - low < math.inf:
        raise ValueError(low, high)
    if step is not None:
        kind = "q_log_uniform_values" if logarithmic else "q_uniform"
        form = f"{{distribution: {kind}, min: {flow(low)}, max: {flow(high)}, q: {flow(step)}}}"
        return Range(form, low, high, logarithmic)
    if logarithmic and whole:
        form = f"{{distribution: q_log_uniform_values, min: {flow(low)}, max: {flow(high)}}}"
    elif logarithmic:
        form = f"{{distribution: log_uniform_values, min: {flow(low)}, max: {flow(high)}}}"
    elif whole:
        form = f"{{min: {int(low)}, max: {int(high)}}}"
    else:
        form = f"{{distribution: uniform, min: {flow(low)}, max: {flow(high)}}}"
    return Range(form, low, high, logarithmic, whole)


def normal(mu: float, sigma: float, *, logarithmic: bool = False, step: Any = None) -> Range:
    """Normal with this mean and deviation, or e to the power of such a number."""
    kind = f"{'' if step is None else 'q_'}{'log_' if logarithmic else ''}normal"
    quantised = "" if step is None else f", q: {flow(step)}"
    form = f"{{distribution: {kind}, mu: {flow(mu)}, sigma: {flow(sigma)}{quantised}}}"
    return Range(form, float(mu), float(sigma), logarithmic, is_normal=True)


def exponents(low: float, high: float, *, step: Any = None) -> Range:
    """A range whose bounds are exponents of e."""
    kind, quantised = ("log_uniform", "") if step is None else ("q_log_uniform", f", q: {flow(step)}")
    form = f"{{distribution: {kind}, min: {flow(low)}, max: {flow(high)}{quantised}}}"
    return Range(form, math.exp(low), math.exp(high), logarithmic=True)


def spread(low: float, high: float, count: int, *, logarithmic: bool = False) -> list[Any]:
    """`count` values from low to high, both included, at equal distances or equal ratios."""
    count = min(int(count), MOST_DRAWS)
    steps = [number / max(1, count - 1) for number in range(count)]
    if logarithmic:
        return [rounded(math.exp(math.log(low) + step * math.log(high / low))) for step in steps]
    return [rounded(low + step * (high - low)) for step in steps]


def stepped(low: float, high: float, step: float, *, closed: bool = False) -> list[Any]:
    """From low in steps, before `high`, or up to it where it is `closed`."""
    count = max(0, math.floor((high - low) / step + 1e-9) + 1 if closed else math.ceil((high - low) / step - 1e-9))
    whole = isinstance(low, int) and isinstance(step, int)
    return [low + number * step if whole else rounded(low + number * step) for number in range(min(count, MOST_DRAWS))]


def guarded(read: Callable[[Any], Form | None], form: Any) -> Form | None:
    """Form that is read; None for a form that its tool would not read either, or that is code."""
    try:
        return read(form)
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, IndexError):
        return None


def rounded(value: float) -> float:
    """Six digits: the ends of a range come out as they were written."""
    return float(f"{value:.6g}")


def split(text: str) -> list[str]:
    """The parts between commas that stand in no bracket and no quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        depth += (letter in "[({") - (letter in "])}") if not quote else 0
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def parsed(text: str) -> Any:
    """The value that a text is in the grammar."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    if text.startswith("[") and text.endswith("]"):
        return [parsed(part) for part in split(text[1:-1])] if text[1:-1].strip() else []
    if text.startswith("{") and text.endswith("}") and all(":" in part for part in split(text[1:-1])):
        pairs = (part.partition(":") for part in split(text[1:-1]))
        return {str(parsed(key)): parsed(inner) for key, _, inner in pairs}
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "null": None}.get(text.lower(), text)
