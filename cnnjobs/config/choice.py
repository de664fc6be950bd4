"""Choice: a component by name, with its options resolved."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    Strict,
    create_model,
    model_serializer,
)

from cnnjobs import registry
from cnnjobs.config.mistakes import refusal
from cnnjobs.config.yaml import shown
from cnnjobs.errors import UnknownNameError
from cnnjobs.system import own_modules

# Keys by which Hydra, Lightning, MMEngine and others name a class.
_TARGETS: Final = ("_target_", "class_path", "target", "type", "class", "class_name")


class Choice(BaseModel):
    """A component by name with all its options resolved; written flat: `{name: cnn, batch_norm: true}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: str
    name: str
    options: dict[str, Any] = Field(default_factory=dict)

    @model_serializer(mode="wrap")
    def _flat(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"name": self.name, **handler(self)["options"]}

    @property
    def identity(self) -> dict[str, Any]:
        """Values that make a run's id: of a library's class what is set, as its next release may have more options."""
        plain: dict[str, Any] = self.model_dump(mode="json")
        if not component(self.kind, self.name).is_librarys:
            return plain
        defaults = schema(self.kind, self.name, None).model_construct().model_dump(mode="json")
        return {key: value for key, value in plain.items() if key not in defaults or defaults[key] != value}

    def build(self, **given: Any) -> Any:
        """Import the builder and call it; `given` is what the program supplies (see `registry.KINDS`)."""
        return component(self.kind, self.name).build(given=given, options=self.options)


def component(kind: str, name: str) -> registry.Component:
    """The registered component of that name. Raises UnknownNameError."""
    # Any folder of images is a data set by its own name, with the options of `image_folder`; planning finds it on disk.
    is_plain = kind == "dataset" and ":" not in name and name not in registry.components(kind)
    if is_plain and registry.spelling(kind, name) is None:
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
def schema(kind: str, name: str, _place: Path | None) -> type[BaseModel]:
    """The options of a component, as a model that validates them. Raises UnknownNameError."""
    found = component(kind, name)
    fields: dict[str, Any] = {
        key: (_strict(parameter.annotation), ... if parameter.default is registry.REQUIRED else parameter.default)
        for key, parameter in found.parameters.items()
    }
    # Defaults are validated too, so that a default and the same value written out are one identity.
    config = ConfigDict(extra="forbid", allow_inf_nan=False, validate_default=True, protected_namespaces=())
    return create_model(f"{kind} {name}", __config__=config, **fields)


def resolved(kind: str, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a component with defaults filled in. Raises UnknownNameError, ValidationError."""
    parameters = component(kind, name).parameters
    found = dict(schema(kind, name, own_modules.place_of(name)).model_validate(dict(options)))
    added = {key for key, each in parameters.items() if each.was_added and found[key] == each.default}
    return {key: value for key, value in found.items() if key not in added}


def _named_here(kind: str, target: str) -> str:
    """Key and value for what another tool's `_target_` names."""
    name, remedy = registry.spelling(kind, target) or (
        None,
        f"one of {', '.join(sorted(registry.allowed_names(kind)))}",
    )
    return f"`name: {name}` in its place" if name else f"`name` in its place; {remedy}"


def _choose(kind: str, value: Any) -> Any:
    """`name` or `{name: ..., option: ...}` -> Choice."""
    if isinstance(value, Choice):
        return value
    value = {"name": value} if isinstance(value, str) else value
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        found = "a mapping without `name`" if isinstance(value, Mapping) else f"found {shown(value)}"
        named = next((key for key in _TARGETS if isinstance(value, Mapping) and isinstance(value.get(key), str)), None)
        if named is not None:
            raise refusal(f"{found}; `{named}` names the {kind}", f"write {_named_here(kind, value[named])}")
        names = ", ".join(sorted(registry.allowed_names(kind)))
        raise refusal(found, f"write a name ({names}) or a mapping with `name`")
    name, options = value["name"], {key: option for key, option in value.items() if key != "name"}
    try:
        schema(kind, name, own_modules.place_of(name))
    except UnknownNameError as error:
        found, _, remedy = str(error).partition("; ")
        raise refusal(found, remedy) from None
    return Choice(kind=kind, name=name, options=resolved(kind, name, options))


def listed(kind: str) -> BeforeValidator:
    """Refusal of one component where a list of them belongs."""

    def check(value: Any) -> Any:
        if not isinstance(value, str | Mapping):
            return value
        given = value.get("name") if isinstance(value, Mapping) else value
        spelled = registry.spelling(kind, given) if isinstance(given, str) else None
        name, remedy = spelled or (given or "NAME", "")
        one = f"{{name: {name}, ...}}" if isinstance(value, Mapping) else name
        raise refusal(f"found {shown(value)}", f"write a list: [{one}]" if name else remedy)

    return BeforeValidator(check)


def chosen(kind: str) -> Any:
    """The type of a field that holds a component of this kind."""
    return Annotated[Choice, BeforeValidator(lambda value: _choose(kind, value))]
