"""The signatures of torch's own classes, read from its source text: nothing here imports torch.

`torch.optim:Adagrad` is a component as any other: what its constructor takes beside what the program gives are YAML
keys. What cannot train a classifier here, or needs what YAML cannot write, is refused with the reason.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from cnnjobs.components.torch_parts.refusals import FIXED, NEVER_OPTIONS, why_refused
from cnnjobs.errors import UnknownNameError, suggest
from cnnjobs.registry import REQUIRED, Component, Parameter
from cnnjobs.registry.annotations import type_of

_BUILDERS: Final = "cnnjobs.components.torch_parts.builders"
# Steps after each batch are what these two are made for.
_BY_BATCH: Final = ("OneCycleLR", "CyclicLR")
_ANY: Final = "Any"
# What YAML writes for a tensor; its spaces tell it from a sequence, which torch also takes in place of a number.
_NUMBERS: Final = "tuple[float , ...]"


@dataclass(frozen=True)
class Home:
    """Where torch keeps the classes of a kind: the module that people import, its source files, their base class."""

    kind: str
    module: str
    files: str
    base: str | None = None

    def owns(self, module: str) -> bool:
        """Check whether a class of that module is one of these."""
        return module == self.module or (f"{module.replace('.', '/')}.py" in self.sources)

    @property
    def sources(self) -> dict[str, Path]:
        """The files, by their paths from the folder that holds the package."""
        package, _, pattern = self.files.partition("/")
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            return {}
        root = Path(spec.origin).parent
        return {f"{package}/{path.relative_to(root).as_posix()}": path for path in sorted(root.glob(pattern))}


# The module within another one comes first.
HOMES: Final = (
    Home("schedule", "torch.optim.lr_scheduler", "torch/optim/lr_scheduler.py", "LRScheduler"),
    Home("optimizer", "torch.optim", "torch/optim/*.py", "Optimizer"),
    Home("loss", "torch.nn", "torch/nn/modules/loss.py", "_Loss"),
    Home("augmentation", "torchvision.transforms.v2", "torchvision/transforms/v2/*.py"),
    Home("augmentation", "torchvision.transforms", "torchvision/transforms/[at]*.py"),
)
# Of torch, but nothing that a component could be made of.
FUNCTIONS: Final = {
    "torch.nn.functional:cross_entropy": "torch.nn:CrossEntropyLoss",
    "torch.nn.functional:nll_loss": "torch.nn:NLLLoss",
    "torch.nn.functional:multi_margin_loss": "torch.nn:MultiMarginLoss",
}


@cache
def component(kind: str, name: str) -> Component | None:
    """The class of torch that an import path names; None for what is none. Raises UnknownNameError."""
    module, _, attribute = name.partition(":")
    if module.partition(".")[0] not in ("torch", "torchvision") or kind not in {home.kind for home in HOMES}:
        return None
    home = next((home for home in HOMES if home.owns(module)), None)
    if home is None or home.kind != kind:
        raise UnknownNameError(f"{kind} `{name}`: {_elsewhere(kind, name, home)}")
    why = why_refused(home.module, attribute)
    if why:
        raise UnknownNameError(f"{kind} `{name}` cannot be used: {why}")
    found = classes(home).get(attribute)
    if found is None or attribute.startswith("_"):
        raise UnknownNameError(f"{kind} `{name}`: no such class; {suggest(attribute, class_names(kind, home.module))}")
    return _component(home, attribute, found)


def class_names(kind: str, module: str | None = None) -> list[str]:
    """The classes of torch that serve as this kind."""
    homes = [home for home in HOMES if home.kind == kind and module in (None, home.module)]
    names = {name for home in homes for name in classes(home) if _is_usable(home, name)}
    return sorted(names)


def import_path(kind: str, name: str) -> str | None:
    """Import path of a class of torch that is named alone, or with dots, in any case: `torch.optim:Adagrad`."""
    parts = name.rpartition(".")
    for home in HOMES:
        if home.kind != kind or (parts[0] and not home.owns(parts[0])):
            continue
        for known in class_names(kind, home.module):
            if known.lower() == parts[2].lower():
                return f"{home.module}:{known}"
    return None


def _is_usable(home: Home, name: str) -> bool:
    return not name.startswith("_") and not why_refused(home.module, name)


def _elsewhere(kind: str, name: str, home: Home | None) -> str:
    if name in FUNCTIONS:
        return f"a function of images' logits, not what builds one; write `{FUNCTIONS[name]}`"
    if home is not None:
        return f"`{home.module}` has what builds the {home.kind}; write {home.kind}: {home.module}:..."
    places = " or ".join(f"`{each.module}`" for each in HOMES if each.kind == kind)
    return f"torch's own are in {places}; {suggest(name.partition(':')[2], class_names(kind))}"


@cache
def classes(home: Home) -> dict[str, ast.ClassDef]:
    """Every class of the kind in the files, by name."""
    found = {
        node.name: node
        for path in home.sources.values()
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and "Enum" not in map(ast.unparse, node.bases)
    }
    return {name: node for name, node in found.items() if home.base in (None, name) or _derives(node, found, home.base)}


def _derives(node: ast.ClassDef, classes: dict[str, ast.ClassDef], base: str | None) -> bool:
    bases = [ast.unparse(each).rpartition(".")[2] for each in node.bases]
    return base in bases or any(_derives(classes[each], classes, base) for each in bases if each in classes)


def _component(home: Home, name: str, node: ast.ClassDef) -> Component:
    parameters = {key: value for key, value in _signature(home, node) if key not in NEVER_OPTIONS[home.kind]}
    if home.kind == "schedule" and name != "ReduceLROnPlateau":
        by_batch = name in _BY_BATCH
        parameters["step"] = Parameter(Literal["epoch", "batch"], "batch" if by_batch else "epoch")
    given: tuple[str, ...] = {
        "optimizer": ("parameters", "lr", "weight_decay"),
        "schedule": ("optimizer", "epochs", "steps_per_epoch"),
    }.get(home.kind, ())
    summary = (ast.get_docstring(node) or "").partition("\n")[0].removesuffix(".")
    path = f"{home.module}:{name}"
    if home.kind == "optimizer" and "weight_decay" not in dict(_signature(home, node)):
        given = ("parameters", "lr")
    # The identity of runs with a loss of torch has all of its options, as it always had.
    own = home.kind != "loss"
    return Component(home.kind, path, _BUILDERS, home.kind, parameters, given, f"{summary}.", {"path": path}, own)


def _signature(home: Home, node: ast.ClassDef) -> Iterator[tuple[str, Parameter]]:
    """The parameters of a constructor, its own or that of its nearest base class here."""
    start = next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None)
    if start is None:
        bases = (base.id for base in node.bases if isinstance(base, ast.Name))
        found = next((classes(home)[base] for base in bases if base in classes(home)), None)
        yield from _signature(home, found) if found is not None else ()
        return
    listed = start.args
    positional = [*listed.posonlyargs, *listed.args][1:]
    defaults = [*([None] * len(positional)), *listed.defaults][-len(positional) :] if positional else []
    for argument, default in (
        *zip(positional, defaults, strict=True),
        *zip(listed.kwonlyargs, listed.kw_defaults, strict=True),
    ):
        yield argument.arg, _parameter(node.name, argument, default)


def _parameter(owner: str, argument: ast.arg, default: ast.expr | None) -> Parameter:
    if argument.arg in FIXED:
        return Parameter(*FIXED[argument.arg])
    hint = type_of(ast.parse(_plain(argument.annotation), mode="eval").body)
    if default is None:
        # Left out, they are the run's own.
        own = (owner, argument.arg) in (("OneCycleLR", "max_lr"), ("CosineAnnealingLR", "T_max"))
        return Parameter(hint | None if own and hint is not Any else hint, None if own else REQUIRED)
    try:
        value = eval(ast.unparse(default), {"__builtins__": {}}, {})
    except (NameError, AttributeError):
        # An object of torch's: what is left out, torch fills in.
        return Parameter(Any, None)
    if hint is Any and type(value) in (float, bool):
        hint = type(value)
    return Parameter(hint if value is not None or hint is Any else hint | None, value)


def _plain(node: ast.expr | None) -> str:
    """An annotation of torch's in the words of ours; what YAML has no values of is left out of a union."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union(_plain(node.left), _plain(node.right))
    if isinstance(node, ast.Subscript):
        outer = ast.unparse(node.value).rpartition(".")[2]
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if outer in ("Optional", "Union"):
            return _union(*map(_plain, inner), *(["None"] if outer == "Optional" else []))
        if outer in ("Iterable", "Sequence", "List", "list"):
            return f"tuple[{_plain(inner[0])}, ...]"
        if outer in ("tuple", "Tuple", "Literal"):
            words = map(ast.unparse if outer == "Literal" else _plain, inner)
            return f"{outer.replace('T', 't')}[{', '.join(words)}]"
        return _ANY
    word = ast.unparse(node).rpartition(".")[2] if node is not None else _ANY
    return _NUMBERS if word == "Tensor" else "float" if word == "Number" else word


def _union(*members: str) -> str:
    named = [*dict.fromkeys(part for member in members for part in member.split(" | "))]
    if len(set(named) - {_NUMBERS, "None"}):
        # A tensor in place of a number.
        named = [part for part in named if part != _NUMBERS]
    return _ANY if _ANY in named else " | ".join(named)
