"""RunConfig: everything that changes the numbers of one run, and nothing else."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Strict,
    ValidationError,
)

from cnnjobs import registry
from cnnjobs.config.choice import Choice, chosen, component, listed, resolved
from cnnjobs.config.habits import no_part, our_name, written
from cnnjobs.config.intervals import Steps, choose_interval
from cnnjobs.config.mistakes import KeyMistake, key_mistakes
from cnnjobs.config.transfer import Freeze, choose_frozen, choose_weights
from cnnjobs.errors import InputError, suggest

__all__ = [
    "COMPONENTS",
    "Choice",
    "KeyMistake",
    "RunConfig",
    "flatten",
    "our_name",
    "read_choice",
    "read_config",
    "read_options",
    "suggest_key",
]

# The fields that hold a component by name, each with options of its own.
COMPONENTS: Final = ("dataset", "model", "loss", "optimizer", "schedule")


class RunConfig(BaseModel):
    """One run: its data, network, training recipe and seed, with every default resolved."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)

    dataset: chosen("dataset")  # type: ignore[valid-type]
    augment: Annotated[
        tuple[chosen("augmentation"), ...],  # type: ignore[valid-type]
        Strict(strict=False),
        listed("augmentation"),
    ] = ()
    model: chosen("model")  # type: ignore[valid-type]
    weights: Annotated[str | None, AfterValidator(choose_weights)] = None
    freeze: Annotated[Freeze | None, BeforeValidator(choose_frozen)] = None
    loss: chosen("loss") = "cross_entropy"  # type: ignore[valid-type]
    optimizer: chosen("optimizer") = "sgd"  # type: ignore[valid-type]
    lr: registry.PositiveFloat = 0.05
    weight_decay: registry.NonNegativeFloat = 0.0
    schedule: chosen("schedule") = "constant"  # type: ignore[valid-type]
    batch_size: registry.PositiveInt = 64
    drop_last: bool = True
    epochs: registry.PositiveInt = 10
    validate_every: Annotated[registry.PositiveFloat | Steps, BeforeValidator(choose_interval)] = 1.0
    print_every: registry.PositiveInt | None = None
    early_stopping: registry.PositiveInt | None = None
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    seed: registry.NonNegativeInt = 0

    @property
    def kind_name(self) -> str:
        """The name of its network."""
        name: str = self.model.name
        return name

    @property
    def budget(self) -> int:
        """The epochs that it may take."""
        return self.epochs

    def loose(self) -> dict[str, Any]:
        """Settings that a later start of the same run may change, as plain values."""
        return {"print_every": self.print_every} if self.print_every else {}

    def nested(self) -> dict[str, Any]:
        """Identity of the run as plain values: all but what it prints."""
        plain: dict[str, Any] = self.model_dump(mode="json", exclude={"print_every"})
        return plain

    def flat(self) -> dict[str, Any]:
        """Dotted key -> plain value; a component's name stands under its bare key: `model`, `model.dropout`."""
        nested = self.nested()
        # One value, however it is written.
        whole = {key: nested.pop(key) for key in ("freeze", "validate_every")}
        if isinstance(nested["dataset"].get("subset"), Mapping):
            whole["dataset.subset"] = nested["dataset"].pop("subset")
        return {**flatten(nested), **whole}

    @cached_property
    def run_id(self) -> str:
        """A readable part and 8 hex digits of SHA-256 over the whole configuration, defaults included."""
        parts = {kind: getattr(self, kind).identity for kind in COMPONENTS}
        parts["augment"] = [choice.identity for choice in self.augment]
        text = json.dumps({**self.nested(), **parts}, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        words = (self.model.name, self.dataset.name, self.optimizer.name, f"lr{self.lr:g}", f"s{self.seed}")
        readable = "-".join(re.sub(r"[^A-Za-z0-9_.]+", "_", word) for word in words)
        return f"{readable[:80]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mapping -> dotted keys; `name` of a mapping stands under the mapping's own key."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        dotted = prefix.removesuffix(".") if key == "name" and prefix else f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{dotted}."))
        else:
            flat[dotted] = value
    return flat


def read_config(nested: Mapping[str, Any]) -> RunConfig | list[KeyMistake]:
    """The RunConfig that a nested mapping stands for, or every mistake in it."""
    try:
        return RunConfig.model_validate(dict(nested))
    except ValidationError as error:
        return key_mistakes(error, nested, lambda path: _unknown(nested, path), lambda path: _missing(nested, path))


def read_options(kind: str, name: str, options: Mapping[str, Any]) -> dict[str, Any] | list[KeyMistake]:
    """The options of one component with defaults filled in, or every mistake in them. Raises UnknownNameError."""
    found = component(kind, name)
    try:
        return resolved(kind, name, options)
    except ValidationError as error:
        return key_mistakes(
            error, options, lambda path: _unknown_option(found, path), lambda path: _missing_option(found, path)
        )


def read_choice(kind: str, value: str | Mapping[str, Any]) -> Choice:
    """The component that a name or `{name: ..., option: ...}` stands for. Raises InputError with every mistake."""
    options = {} if isinstance(value, str) else {key: option for key, option in value.items() if key != "name"}
    name = value if isinstance(value, str) else value.get("name")
    if not isinstance(name, str):
        raise InputError(f"{kind}: found a mapping without `name`; write {{name: ..., option: ...}}")
    found = read_options(kind, name, options)
    if isinstance(found, list):
        raise InputError("\n".join(f"{kind} {name}: {each.key}: {each.found}; {each.remedy}" for each in found))
    return Choice(kind=kind, name=name, options=found)


def _unknown(nested: Mapping[str, Any], path: Sequence[str]) -> KeyMistake:
    if len(path) == 1:
        return KeyMistake(path[0], "unknown key", suggest_key(path[0]))
    return _unknown_option(_chosen_component(nested, path), path)


def _data_sets() -> list[str]:
    return sorted(name for name in registry.components("dataset") if name != "image_folder")


def _missing(nested: Mapping[str, Any], path: Sequence[str]) -> KeyMistake:
    if path == ["dataset"]:
        return KeyMistake("dataset", "missing", f"name a data set: {', '.join(_data_sets())}, or a folder of images")
    if len(path) == 1:
        return KeyMistake(path[0], "missing", f"choose one: {', '.join(sorted(registry.allowed_names(path[0])))}")
    return _missing_option(_chosen_component(nested, path), path)


def _unknown_option(component: registry.Component, path: Sequence[str]) -> KeyMistake:
    found = f"{component.kind} `{component.name}` has no `{path[-1]}`"
    remedy = suggest(path[-1], component.parameters) if component.parameters else f"`{component.name}` has no options"
    if component.name == "image_folder" and path[-1] in ("root", "path", "dir", "folder", "data_dir"):
        remedy = "a folder of images is named itself: dataset: flowers for data/flowers/train/<class>/, see --data-dir"
    if path[-1] in RunConfig.model_fields:
        remedy = f"`{path[-1]}` is a key of the run: write it beside `{path[0]}`, not in it"
    return KeyMistake(".".join(path), found, remedy)


def _missing_option(component: registry.Component, path: Sequence[str]) -> KeyMistake:
    remedy = f"{component.kind} `{component.name}` needs it: give it a value"
    if ":" in component.name and not component.is_librarys:
        remedy += f", or name what makes the {component.kind} (docs/own-parts.md)"
    return KeyMistake(".".join(path), "missing", remedy)


def _chosen_component(nested: Mapping[str, Any], path: Sequence[str]) -> registry.Component:
    """The component whose options the last key of `path` stands among."""
    value = nested[path[0]]
    if path[0] == "augment":
        value = value[int(path[1])]
    kind = "augmentation" if path[0] == "augment" else path[0]
    return component(kind, value if isinstance(value, str) else value["name"])


@cache
def suggest_key(name: str) -> str:
    """Allowed keys in place of an unknown key of a run: also by its name elsewhere, or as a component's option."""
    if no_part(name):
        return no_part(name)
    fields = RunConfig.model_fields
    habit = our_name(name) if our_name(name) != name else None
    owners = [
        f"{kind}.{name}"
        for kind in COMPONENTS
        if any(name in component.parameters for component in registry.components(kind).values())
    ]
    listed = suggest(name, fields)
    near = f"`{written(name)}`" if habit else " or ".join(f"`{owner}`" for owner in owners)
    return f"did you mean {near}? {listed[listed.index('allowed:') :]}" if near else listed
