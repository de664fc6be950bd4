"""RunConfig: everything that changes the numbers of one run, and nothing else."""

from __future__ import annotations

import hashlib
import json
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    Strict,
    ValidationError,
    create_model,
    model_serializer,
)
from pydantic_core import PydanticCustomError

from cnnjobs import registry
from cnnjobs.errors import UnknownNameError, suggest


@dataclass(frozen=True)
class KeyMistake:
    """One mistake in a configuration: the dotted key, what was found, what is allowed."""

    key: str
    found: str
    remedy: str


class Choice(BaseModel):
    """A component by name with all its options resolved; written flat: `{name: cnn, batch_norm: true}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: str
    name: str
    options: dict[str, Any] = Field(default_factory=dict)

    @model_serializer(mode="wrap")
    def _flat(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"name": self.name, **handler(self)["options"]}

    def build(self, **given: Any) -> Any:
        """Import the builder and call it; `given` is what the program supplies (see `registry.KINDS`)."""
        return _component(self.kind, self.name).build(given=given, options=self.options)


def _component(kind: str, name: str) -> registry.Component:
    # Any folder of images is a data set by its own name: the same options as `image_folder`, found when the run is planned.
    if kind == "dataset" and ":" not in name and name not in registry.components(kind):
        return registry.find(kind, "image_folder")
    return registry.find(kind, name)


def _strict(annotation: Any) -> Any:
    """The annotation with no conversions but int -> float and list -> tuple, at every depth."""
    if annotation in (int, float, bool, str):
        return Annotated[annotation, Strict()]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return Annotated[_strict(arguments[0]), *arguments[1:]]
    if origin in (types.UnionType, typing.Union):
        return typing.Union[tuple(_strict(argument) for argument in arguments)]  # noqa: UP007
    if origin in (tuple, list, dict):
        return origin[tuple(argument if argument is ... else _strict(argument) for argument in arguments)]
    return annotation


@cache
def _schema(kind: str, name: str) -> type[BaseModel]:
    component = _component(kind, name)
    fields: dict[str, Any] = {
        key: (_strict(parameter.annotation), ... if parameter.default is registry.REQUIRED else parameter.default)
        for key, parameter in component.parameters.items()
    }
    # Defaults are validated too, so that a default and the same value written out are one identity.
    config = ConfigDict(extra="forbid", allow_inf_nan=False, validate_default=True, protected_namespaces=())
    return create_model(f"{kind} {name}", __config__=config, **fields)


def _choose(kind: str, value: Any) -> Any:
    """`name` or `{name: ..., option: ...}` -> Choice."""
    if isinstance(value, Choice):
        return value
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        found = "a mapping without `name`" if isinstance(value, Mapping) else f"found {value!r}"
        names = ", ".join(sorted(registry.components(kind)))
        raise PydanticCustomError("choice", "{why}", {"why": f"{found}; write a name ({names}) or a mapping with `name`"})
    name, options = value["name"], {key: option for key, option in value.items() if key != "name"}
    try:
        schema = _schema(kind, name)
    except UnknownNameError as error:
        raise PydanticCustomError("unknown_name", "{why}", {"why": str(error)}) from None
    checked = schema.model_validate(options)
    return Choice(kind=kind, name=name, options=checked.model_dump())


def _chosen(kind: str) -> Any:
    return Annotated[Choice, BeforeValidator(lambda value: _choose(kind, value))]


class RunConfig(BaseModel):
    """One run: its data, network, training recipe and seed, with every default resolved."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)

    dataset: _chosen("dataset")  # type: ignore[valid-type]
    augment: Annotated[tuple[_chosen("augmentation"), ...], Strict(strict=False)] = ()  # type: ignore[valid-type]
    model: _chosen("model")  # type: ignore[valid-type]
    loss: _chosen("loss") = "cross_entropy"  # type: ignore[valid-type]
    optimizer: _chosen("optimizer") = "sgd"  # type: ignore[valid-type]
    lr: registry.PositiveFloat = 0.05
    weight_decay: registry.NonNegativeFloat = 0.0
    schedule: _chosen("schedule") = "constant"  # type: ignore[valid-type]
    batch_size: registry.PositiveInt = 64
    drop_last: bool = True
    epochs: registry.PositiveInt = 10
    validate_every: registry.PositiveFloat = 1.0
    early_stopping: registry.PositiveInt | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: registry.NonNegativeInt = 0

    def nested(self) -> dict[str, Any]:
        """The configuration as plain values, as it stands in config.yaml."""
        plain: dict[str, Any] = self.model_dump(mode="json")
        return plain

    def flat(self) -> dict[str, Any]:
        """Dotted key -> plain value; a component's name stands under its bare key: `model`, `model.dropout`."""
        return flatten(self.nested())

    @property
    def run_id(self) -> str:
        """A readable part and 8 hex digits of SHA-256 over the whole configuration, defaults included."""
        text = json.dumps(self.nested(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
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
        return [_mistake(dict(nested), details) for details in error.errors(include_url=False)]


def _mistake(nested: dict[str, Any], details: Any) -> KeyMistake:
    place = [str(part) for part in details["loc"] if not isinstance(part, str) or part.isidentifier() or "." not in part]
    key, kind = ".".join(place), details["type"]
    if kind == "extra_forbidden":
        return KeyMistake(key, "unknown key", suggest(place[-1], _allowed_beside(nested, place)))
    if kind == "missing":
        return KeyMistake(key, "missing", "give it a value")
    if kind in ("unknown_name", "choice"):
        found, _, remedy = details["msg"].partition("; ")
        return KeyMistake(key, found, remedy)
    return KeyMistake(key, f"found {details['input']!r}", details["msg"][0].lower() + details["msg"][1:])


def _allowed_beside(nested: dict[str, Any], place: list[str]) -> list[str]:
    """The keys that are allowed where the unknown key at `place` stands."""
    if len(place) == 1:
        return list(RunConfig.model_fields)
    kind = "augmentation" if place[0] == "augment" else place[0]
    value = nested[place[0]]
    if kind == "augmentation":
        value = value[int(place[1])]
    name = value if isinstance(value, str) else value["name"]
    return list(_component(kind, name).parameters)
