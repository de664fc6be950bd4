"""YAML name -> builder. The one list of everything that can be extended.

A builder's signature is its schema: the parameters that its kind is `given` come from the program, all others are YAML
keys with their types and defaults. Signatures are read from the source text, so that a sweep is checked without importing
torch. `module.path:Name` works wherever a registered name does.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import Field

from cnnjobs.errors import UnknownNameError, suggest

PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]

REQUIRED: Final = inspect.Parameter.empty

_ANNOTATION_NAMES: Final[dict[str, Any]] = {
    **{kind.__name__: kind for kind in (int, float, bool, str, tuple, list, dict)},
    **{name: globals()[name] for name in ("PositiveInt", "NonNegativeInt", "PositiveFloat", "NonNegativeFloat", "Fraction")},
    "Any": Any,
    "Literal": Literal,
}

Builder = TypeVar("Builder", bound=Callable[..., object])


@dataclass(frozen=True)
class Kind:
    """One extension point: where its builders live and what the program gives them."""

    module: str
    given: tuple[str, ...] = ()


KINDS: Final[dict[str, Kind]] = {
    "dataset": Kind("cnnjobs.components.datasets", ("name", "folders")),
    "augmentation": Kind("cnnjobs.components.augment"),
    "model": Kind("cnnjobs.components.models", ("in_channels", "num_classes", "image_size")),
    "loss": Kind("cnnjobs.components.losses"),
    "optimizer": Kind("cnnjobs.components.optim", ("parameters", "lr", "weight_decay")),
    "schedule": Kind("cnnjobs.components.schedules", ("optimizer", "epochs", "steps_per_epoch")),
    "sampler": Kind("cnnjobs.spec.samplers", ("axes", "run_cap", "seed")),
    "distribution": Kind("cnnjobs.spec.distributions"),
}


@dataclass(frozen=True)
class Parameter:
    """One YAML key of a component; `default` is REQUIRED where the sweep must give it."""

    annotation: Any
    default: Any


@dataclass(frozen=True)
class Component:
    """A registered builder, or one that an import path names, known by its signature alone."""

    kind: str
    name: str
    module: str
    attribute: str
    parameters: dict[str, Parameter]
    given: tuple[str, ...]
    summary: str

    def build(self, *, given: dict[str, Any], options: dict[str, Any]) -> Any:
        """Import the builder and call it with what it takes of `given` and with the YAML `options`."""
        builder = getattr(importlib.import_module(self.module), self.attribute)
        return builder(**{name: given[name] for name in self.given}, **options)


def register(kind: str, name: str) -> Callable[[Builder], Builder]:
    """Mark the function or class below as the builder of `name`; it is found by reading the source."""
    assert kind in KINDS, kind
    del name
    return lambda builder: builder


def find(kind: str, name: str) -> Component:
    """The component of this kind and name. Raises UnknownNameError with what is allowed."""
    if ":" in name:
        return _imported(kind, name)
    known = components(kind)
    if name not in known:
        raise UnknownNameError(f"no {kind} is called `{name}`; {suggest(name, known)}, or an import path `module:Name`")
    return known[name]


@cache
def components(kind: str) -> dict[str, Component]:
    """All registered components of a kind, by name."""
    found: dict[str, Component] = {}
    for module in _modules(KINDS[kind].module):
        path = _source(module)
        for node in ast.parse(path.read_text(encoding="utf-8")).body if path else ():
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                for name in _registered_names(node, kind):
                    found[name] = _component(kind, name, module, node)
    return found


def _modules(place: str) -> Iterator[str]:
    """The module itself, or every module of the package, in order."""
    path = _source(place)
    if path is None:
        return
    if path.name != "__init__.py":
        yield place
        return
    for file in sorted(path.parent.glob("*.py")):
        yield place if file.name == "__init__.py" else f"{place}.{file.stem}"


def _source(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _registered_names(node: ast.FunctionDef | ast.ClassDef, kind: str) -> Iterator[str]:
    for mark in node.decorator_list:
        if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "register":
            marked_kind, name = (ast.literal_eval(argument) for argument in mark.args)
            if marked_kind == kind:
                yield name


def _component(kind: str, name: str, module: str, node: ast.FunctionDef | ast.ClassDef) -> Component:
    parameters = {key: Parameter(_annotation(hint), _default(value)) for key, hint, value in _arguments(node)}
    return _split(kind, name, module, node.name, parameters, ast.get_docstring(node) or "")


def _split(
    kind: str, name: str, module: str, attribute: str, parameters: dict[str, Parameter], docstring: str
) -> Component:
    given = tuple(key for key in parameters if key in KINDS[kind].given)
    options = {key: parameter for key, parameter in parameters.items() if key not in given}
    summary = docstring.strip().partition("\n")[0]
    return Component(kind, name, module, attribute, options, given, summary)


def _arguments(node: ast.FunctionDef | ast.ClassDef) -> Iterator[tuple[str, ast.expr | None, ast.expr | None]]:
    """(name, annotation, default) of every parameter but self; a class without __init__ has none."""
    if isinstance(node, ast.ClassDef):
        starts = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
        if not starts:
            return
        function, skipped = starts[0], 1
    else:
        function, skipped = node, 0
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    for argument, default in [*zip(positional, defaults, strict=True)][skipped:]:
        yield argument.arg, argument.annotation, default
    for argument, keyword_default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield argument.arg, argument.annotation, keyword_default


def _annotation(node: ast.expr | None) -> Any:
    """The type that an annotation stands for; Any where it uses names that only its own module knows."""
    if node is None:
        return Any
    try:
        return eval(ast.unparse(node), {"__builtins__": {}}, dict(_ANNOTATION_NAMES))
    except (NameError, AttributeError, TypeError):
        return Any


def _default(node: ast.expr | None) -> Any:
    return REQUIRED if node is None else ast.literal_eval(node)


@cache
def _imported(kind: str, name: str) -> Component:
    """The component that `module.path:Name` names; imported only when its source cannot tell its signature."""
    module, _, attribute = name.partition(":")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        path = _source(module)
    except (ImportError, ValueError):
        path = None
    if path is None:
        raise UnknownNameError(f"{kind} `{name}`: no module `{module}` can be found from {Path.cwd()}; write `module:Name`")
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == attribute and not _inherits_start(node):
            try:
                return _component(kind, name, module, node)
            except ValueError:
                break
    return _inspected(kind, name, module, attribute)


def _inherits_start(node: ast.FunctionDef | ast.ClassDef) -> bool:
    """Whether a class takes its __init__ from elsewhere: from a base class or from `@dataclass`."""
    if isinstance(node, ast.FunctionDef) or not (node.bases or node.decorator_list):
        return False
    return not any(isinstance(item, ast.FunctionDef) and item.name == "__init__" for item in node.body)


def _inspected(kind: str, name: str, module: str, attribute: str) -> Component:
    loaded = importlib.import_module(module)
    builder = getattr(loaded, attribute, None)
    if not callable(builder):
        public = [key for key, value in vars(loaded).items() if callable(value) and not key.startswith("_")]
        raise UnknownNameError(f"{kind} `{name}`: module `{module}` has no `{attribute}`; {suggest(attribute, public)}")
    hints = typing.get_type_hints(builder.__init__ if inspect.isclass(builder) else builder)
    parameters = {
        key: Parameter(hints.get(key, Any), parameter.default)
        for key, parameter in inspect.signature(builder).parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    return _split(kind, name, module, attribute, parameters, inspect.getdoc(builder) or "")
