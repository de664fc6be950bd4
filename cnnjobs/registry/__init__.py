"""YAML name -> builder. The one list of everything that can be extended.

A builder's signature is its schema: the parameters that its kind is `given` come from the program, all others are YAML
keys with their types and defaults. Signatures are read from the source text, so that a sweep is checked without
importing torch. `module.path:Name` works wherever a registered name does.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from cnnjobs.errors import InputError, UnknownNameError, suggest
from cnnjobs.registry.annotations import (
    REQUIRED,
    BadImages,
    Fraction,
    Later,
    NonNegativeFloat,
    NonNegativeInt,
    Parameter,
    PositiveFloat,
    PositiveInt,
    Subset,
    arguments_of,
    default_of,
    inherits_start,
    is_built,
    is_plain,
    signature_of,
    type_of,
    types_of,
)
from cnnjobs.registry.other_names import filled_in
from cnnjobs.system import own_modules
from cnnjobs.system.unattended import unattended

__all__ = [
    "KINDS",
    "REQUIRED",
    "BadImages", "Component", "Fraction",
    "Kind",
    "Later",
    "NonNegativeFloat",
    "NonNegativeInt",
    "Parameter",
    "PositiveFloat",
    "PositiveInt",
    "Subset",
    "allowed_names",
    "components",
    "find",
    "is_foreign",
    "register",
    "spelling",
]  # fmt: skip

Builder = TypeVar("Builder", bound=Callable[..., object])


@dataclass(frozen=True)
class Kind:
    """One extension point: where its builders live and what the program gives them.

    `packages` are others that hold builders, known as `package/name`: each with the module here that tells which, by
    functions `names` and `component`.
    """

    module: str
    given: tuple[str, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)


_TORCH: Final = "cnnjobs.components.torch_parts.catalogue"
_SPELLINGS: Final = "cnnjobs.components.torch_parts.spellings"
_NETWORKS: Final = {
    "torchvision": "cnnjobs.components.pretrained.torchvision",
    "timm": "cnnjobs.components.pretrained.timm",
}
KINDS: Final[dict[str, Kind]] = {
    "dataset": Kind("cnnjobs.components.data.datasets", ("name", "folders", "fitting")),
    "augmentation": Kind("cnnjobs.components.augment"),
    "model": Kind("cnnjobs.components.models", ("in_channels", "num_classes", "image_size"), _NETWORKS),
    "loss": Kind("cnnjobs.components.losses"),
    "optimizer": Kind("cnnjobs.components.optim", ("parameters", "params", "lr", "weight_decay")),
    "schedule": Kind("cnnjobs.components.schedules", ("optimizer", "epochs", "steps_per_epoch")),
    "sampler": Kind("cnnjobs.sweep.space.samplers", ("axes", "run_cap", "seed")),
    "distribution": Kind("cnnjobs.sweep.space.distributions"),
    "figure": Kind("cnnjobs.figures.kinds", ("subject", "progress")),
}


@dataclass(frozen=True)
class Component:
    """A registered builder, or one that an import path names, known by its signature alone.

    `fixed` is what its name says to a builder that serves many names; `is_librarys` where another release of its
    library may give it more options.
    """

    kind: str
    name: str
    module: str
    attribute: str
    parameters: dict[str, Parameter]
    given: tuple[str, ...]
    summary: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    is_librarys: bool = False

    def build(self, *, given: dict[str, Any], options: dict[str, Any]) -> Any:
        """Import the builder and call it with what it takes of `given` and with the YAML `options`."""
        with unattended(f"{self.kind} `{self.name}`"):
            builder = getattr(own_modules.load(self.module), self.attribute)
            filled = {key: each.fills for key, each in self.parameters.items() if each.fills and options[key] is None}
            options = options | {key: given[name] for key, name in filled.items()}
            return builder(**self.fixed, **{name: given[name] for name in self.given if name in given}, **options)


def register(kind: str, name: str) -> Callable[[Builder], Builder]:
    """Mark the function or class below as the builder of `name`; it is found by reading the source."""
    assert kind in KINDS, kind
    del name
    return lambda builder: builder


def find(kind: str, name: str) -> Component:
    """The component of this kind and name. Raises UnknownNameError with what is allowed."""
    if ":" in name:
        if (kind in ("model", "dataset") or "(" in name) and (spelled := spelling(kind, name)) is not None:
            raise UnknownNameError(f"{kind} `{name}` goes by another name here; {spelled[1]}")
        owned: Component | None = importlib.import_module(_TORCH).component(kind, name)
        return owned or _imported(kind, name, own_modules.place())
    package, _, member = name.partition("/")
    if member and package in KINDS[kind].packages:
        found: Component = _catalogue(kind, package).component(member)
        return found
    known = components(kind)
    if name not in known:
        raise UnknownNameError(f"no {kind} is called `{name}`; {_remedy(kind, name)}, or an import path `module:Name`")
    return known[name]


def spelling(kind: str, name: str) -> tuple[str | None, str] | None:
    """Accepted name, if there is one, and remedy for a name as Python programs write it; None for what is none."""
    return importlib.import_module(_SPELLINGS).meant(kind, name)  # type: ignore[no-any-return]


def is_foreign(kind: str, name: str) -> bool:
    """Check whether the name is an import path, or one that another package gives to a builder of its own."""
    return ":" in name or name.partition("/")[0] in KINDS[kind].packages


def allowed_names(kind: str) -> list[str]:
    """Allowed names for a component of this kind; a package's builders as `package/<name>`."""
    return [*components(kind), *(f"{package}/<name>" for package in KINDS[kind].packages)]


def _remedy(kind: str, name: str) -> str:
    """Suggestion of a near name: a program's, ours in other letters, a package's, torch's, or a path with dots."""
    spelled = spelling(kind, name)
    if spelled is not None:
        listed = "" if "allowed:" in spelled[1] else f"allowed: {', '.join(sorted(allowed_names(kind)))}"
        return f"{spelled[1]}{' ' if spelled[1].endswith('?') else '; '}{listed}" if listed else spelled[1]
    listed = suggest(name, allowed_names(kind))
    near = [known for known in components(kind) if known == name.lower()]
    near += [f"{package}/{name}" for package in KINDS[kind].packages if name in _catalogue(kind, package).names()]
    module, _, attribute = name.rpartition(".")
    near += [f"{module}:{attribute}"] if module and attribute[:1].isupper() and "/" not in name else []
    return f"did you mean `{near[0]}`? {listed[listed.index('allowed:') :]}" if near else listed


def _catalogue(kind: str, package: str) -> Any:
    return importlib.import_module(KINDS[kind].packages[package])


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
    if path is None or path.name != "__init__.py":
        yield from [place] if path else []
        return
    for file in sorted(path.parent.glob("*.py")):
        yield place if file.name == "__init__.py" else f"{place}.{file.stem}"


def _source(module: str) -> Path | None:
    own = own_modules.find_file(module)
    if own is not None:
        return own
    spec = importlib.util.find_spec(module)
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _registered_names(node: ast.FunctionDef | ast.ClassDef, kind: str) -> Iterator[str]:
    for mark in node.decorator_list:
        if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "register":
            marked_kind, name = (ast.literal_eval(argument) for argument in mark.args)
            if marked_kind == kind:
                yield name


def _component(kind: str, name: str, module: str, node: ast.FunctionDef | ast.ClassDef) -> Component:
    parameters = {key: Parameter(type_of(hint), default_of(value)) for key, hint, value in arguments_of(node)}
    options, given = _split(kind, parameters)
    summary = (ast.get_docstring(node) or "").partition("\n")[0]
    return Component(kind, name, module, node.name, options, given, summary)


def _split(kind: str, parameters: dict[str, Parameter]) -> tuple[dict[str, Parameter], tuple[str, ...]]:
    """(what YAML sets, what the program gives) of a builder's parameters."""
    given = tuple(key for key in parameters if key in KINDS[kind].given)
    options = {key: parameter for key, parameter in parameters.items() if key not in given}
    return {key: filled_in(key, parameter, KINDS[kind].given) for key, parameter in options.items()}, given


@cache
def _imported(kind: str, name: str, place: Path) -> Component:
    """The component that `module.path:Name` names; imported only when its source cannot tell its signature."""
    module, _, attribute = name.partition(":")
    if module.endswith(".py") or "/" in module:
        dotted = module.removesuffix(".py").removeprefix("./").replace("/", ".")
        raise UnknownNameError(f"{kind} `{name}`: `{module}` is the path of a file; write `{dotted}:{attribute}`")
    # Looking for a module that is installed runs the packages around it, which may fail in any way.
    try:
        path = _source(module)
        nodes = ast.parse(path.read_text("utf-8"), path.name).body if path and path.suffix == ".py" else []
    except ModuleNotFoundError:
        path = None
    except InputError as error:
        raise UnknownNameError(f"{kind} `{name}`: {error}") from error
    except Exception as error:
        raise _unusable(kind, name, error) from error
    if path is None:
        raise UnknownNameError(f"{kind} `{name}`: no module `{module}` can be found from {place}; write `module:Name`")
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == attribute and not inherits_start(node):
            try:
                return _component(kind, name, module, node)
            except ValueError:
                break
    return _inspected(kind, name, module, attribute)


def _unusable(kind: str, name: str, error: Exception) -> UnknownNameError:
    line = (error.text or "").strip() if isinstance(error, SyntaxError) else ""
    remedy = f"remove `{line}`, which only notebooks know" if line[:1] in [*"%!?"] else "correct the module"
    return UnknownNameError(f"{kind} `{name}` cannot be imported: {type(error).__name__}: {error}; {remedy}")


def _inspected(kind: str, name: str, module: str, attribute: str) -> Component:
    try:
        with unattended(f"{kind} `{name}`"):
            loaded = own_modules.load(module)
    except UnknownNameError:
        raise
    except InputError as error:
        raise UnknownNameError(f"{kind} `{name}`: {error}") from error
    except Exception as error:
        raise _unusable(kind, name, error) from error
    builder = getattr(loaded, attribute, None)
    if is_built(builder):
        raise UnknownNameError(
            f"{kind} `{name}` is a built {type(builder).__name__}, not what builds one: all runs would share it; name a"
            " class, or a function that builds a new one at each call"
        )
    if not callable(builder):
        public = [key for key, value in vars(loaded).items() if callable(value) and not key.startswith("_")]
        raise UnknownNameError(f"{kind} `{name}`: module `{module}` has no `{attribute}`; {suggest(attribute, public)}")
    hints = types_of(builder)
    parameters = {
        key: Parameter(hints.get(key, Any), parameter.default)
        for key, parameter in signature_of(builder, KINDS[kind].given).items()
    }
    options, given = _split(kind, parameters)
    for key, option in options.items():
        if option.default is not REQUIRED and not is_plain(option.default):
            found = f"the default of `{key}` is {option.default!r}"
            raise UnknownNameError(f"{kind} `{name}`: {found}; a default is a plain value, as YAML writes it")
    return Component(kind, name, module, attribute, options, given, (inspect.getdoc(builder) or "").partition("\n")[0])
