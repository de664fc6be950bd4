"""The types of YAML keys: those that signatures may name, read from source text or from what was imported."""

from __future__ import annotations

import ast
import inspect
import types
import typing
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import Field

PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Subset = PositiveInt | Annotated[dict[Literal["train", "validation", "test"], PositiveInt], Field(min_length=1)]


class _Added:
    """Mark of a key that its component got after runs had been trained: with its default it is not part of them."""


Later = Annotated[PositiveInt | None, _Added()]
BadImages = Annotated[Literal["stop", "skip"], _Added()]

REQUIRED: Final = inspect.Parameter.empty
_VARIABLE: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Parameter:
    """One YAML key of a component; `default` is REQUIRED where the sweep must give it.

    Where it gives None, a parameter that `fills` in for something that the program gives has that.
    """

    annotation: Any
    default: Any
    fills: str = ""

    @property
    def was_added(self) -> bool:
        """True if the key is left out of a configuration where it has its default, so that older ones stay the same."""
        return any(isinstance(each, _Added) for each in typing.get_args(self.annotation))


_NAMES: Final[dict[str, Any]] = {
    **{kind.__name__: kind for kind in (int, float, bool, str, tuple, list, dict)},
    "PositiveInt": PositiveInt,
    "NonNegativeInt": NonNegativeInt,
    "PositiveFloat": PositiveFloat,
    "NonNegativeFloat": NonNegativeFloat,
    "Fraction": Fraction,
    "Subset": Subset,
    "Later": Later,
    "BadImages": BadImages,
    "Any": Any,
    "Literal": Literal,
}


def type_of(node: ast.expr | None) -> Any:
    """The type that an annotation stands for; Any where it uses names that only its own module knows."""
    if node is None:
        return Any
    try:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node = ast.parse(node.value, mode="eval").body
        hint = eval(ast.unparse(node), {"__builtins__": {}}, dict(_NAMES))
    except (NameError, AttributeError, TypeError, SyntaxError):
        return Any
    return hint if is_plain_type(hint) else Any


def types_of(builder: Any) -> dict[str, Any]:
    """The annotations that YAML values can be checked against."""
    try:
        hints = typing.get_type_hints(builder.__init__ if inspect.isclass(builder) else builder, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}
    return {key: hint for key, hint in hints.items() if is_plain_type(hint)}


def is_plain_type(hint: Any) -> bool:
    """Check whether YAML has values of that type."""
    if typing.get_origin(hint) is Literal:
        return True
    if typing.get_origin(hint) is Annotated:
        return is_plain_type(typing.get_args(hint)[0])
    arguments = [argument for argument in typing.get_args(hint) if argument is not ...]
    leaf = typing.get_origin(hint) or hint
    known = (int, float, bool, str, tuple, list, dict, type(None), types.UnionType, typing.Union, Any)
    return leaf in known and all(map(is_plain_type, arguments))


def is_plain(value: Any) -> bool:
    """Check whether YAML can write the value."""
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(inner) for key, inner in value.items())
    return value is None or isinstance(value, int | float | str)


def is_built(value: object) -> bool:
    """Check whether it is a network, an optimizer, ... of torch itself, and no class or function."""
    of_torch = any(each.__module__.startswith("torch.") for each in type(value).__mro__)
    return of_torch and not isinstance(value, type)


def arguments_of(node: ast.FunctionDef | ast.ClassDef) -> Iterator[tuple[str, ast.expr | None, ast.expr | None]]:
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


def signature_of(builder: Callable[..., object], given: Collection[str]) -> dict[str, inspect.Parameter]:
    """The parameters of a builder by name.

    Of those that a class hands on to its base classes by `**kwargs` they are what is `given` and what has no default.
    """
    own = inspect.signature(builder).parameters
    found = {name: each for name, each in own.items() if each.kind not in _VARIABLE}
    starts = [vars(each)["__init__"] for each in getattr(builder, "__mro__", ())[1:] if "__init__" in vars(each)]
    while any(each.kind is each.VAR_KEYWORD for each in own.values()) and starts:
        start = starts.pop(0)
        if start.__module__.startswith("torch."):
            break
        own = inspect.signature(start).parameters
        for name, each in [*own.items()][1:]:
            if each.kind not in _VARIABLE and (name in given or each.default is REQUIRED):
                found.setdefault(name, each)
    return found


def inherits_start(node: ast.FunctionDef | ast.ClassDef) -> bool:
    """Check whether a class has its __init__ from a base class or `@dataclass`, or hands `**kwargs` on."""
    if isinstance(node, ast.FunctionDef) or not (node.bases or node.decorator_list):
        return False
    own = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
    return not own or any(start.args.kwarg is not None for start in own)


def default_of(node: ast.expr | None) -> Any:
    """The default that the source writes; REQUIRED where it writes none."""
    return REQUIRED if node is None else ast.literal_eval(node)
