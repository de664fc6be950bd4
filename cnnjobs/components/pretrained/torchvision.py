"""torchvision's classifiers and their weights, read from its source text: nothing here imports torch."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeGuard

from cnnjobs.errors import UnknownNameError, suggest_nearest
from cnnjobs.registry import KINDS, Component, Fraction, Parameter

PREFIX: Final = "torchvision/"
IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)

_MODULE: Final = "cnnjobs.components.models.torchvision_models"
_HALF: Final = (0.5, 0.5, 0.5)
# With their weights torchvision lets these networks themselves turn ImageNet's normalisation into this one.
_NORMALISED_BY_HALF: Final = ("googlenet", "inception_v3")
_OPTIONS: Final[dict[str, Parameter]] = {
    "dropout": Parameter(Fraction | None, None),
    "drop_rate": Parameter(Fraction | None, None),
    "attention_dropout": Parameter(Fraction | None, None),
    "mlp_dropout": Parameter(Fraction | None, None),
    "stochastic_depth_prob": Parameter(Fraction | None, None),
    "zero_init_residual": Parameter(bool, False),
}


@dataclass(frozen=True)
class Pretrained:
    """Weights as torchvision lists them: `sha256` is the start of the file's hash, `image_size` what they expect."""

    name: str
    url: str
    size_mb: float | None
    image_size: int | None
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def file(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]

    @property
    def sha256(self) -> str:
        """The start of the file's SHA-256, which its name ends in; "" where it does not."""
        found = re.search(r"-([0-9a-f]{8,})\.pth$", self.file)
        return found[1] if found else ""


@dataclass(frozen=True)
class Architecture:
    """A classifier: the keyword options that YAML may set, the smallest images, and its weights by name."""

    name: str
    options: dict[str, Parameter]
    smallest_image: int
    weights: dict[str, Pretrained] = field(default_factory=dict)
    default_weights: str | None = None


def names() -> list[str]:
    """Every classifier's name, without `torchvision/`."""
    return sorted(name for name, _ in _builders())


def component(name: str) -> Component:
    """The builder of a classifier, as the registry knows it. Raises UnknownNameError."""
    options, given = architecture(name).options, KINDS["model"].given
    return Component(
        "model",
        f"{PREFIX}{name}",
        _MODULE,
        "torchvision_model",
        options,
        given,
        f"torchvision's {name}",
        {"name": name},
    )


@cache
def architecture(name: str) -> Architecture:
    """Read a classifier's architecture from torchvision's source. Raises UnknownNameError with what is near."""
    for found, path in _builders():
        if found == name:
            return _read(name, ast.parse(path.read_text(encoding="utf-8")))
    listed = "torchvision.models.list_models(module=torchvision.models) lists all"
    raise UnknownNameError(f"torchvision has no classifier `{name}`; {suggest_nearest(name, names(), listed)}")


def architecture_of(model: str) -> Architecture | None:
    """Torchvision's architecture of a model of that name; `resnet18` here has the layers of torchvision's."""
    name = model.removeprefix(PREFIX)
    return architecture(name) if name in names() else None


@cache
def _builders() -> tuple[tuple[str, Path], ...]:
    """Name and file of every function that torchvision registers as a classifier."""
    spec = importlib.util.find_spec("torchvision")
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise UnknownNameError("torchvision is not installed; install it with: pip install torchvision")
    files = sorted((Path(places[0]) / "models").glob("*.py"))
    marked = re.compile(r"^@register_model\(\)\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)
    return tuple((name, file) for file in files for name in marked.findall(file.read_text(encoding="utf-8")))


def _read(name: str, module: ast.Module) -> Architecture:
    defined = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    builder = defined[name]
    assert isinstance(builder, ast.FunctionDef)
    listed = next((node.id for node in ast.walk(builder.args) if _names_weights(node)), "")
    weights: dict[str, Pretrained] = {}
    default: str | None = None
    sizes: list[int] = []
    for node in defined[listed].body if listed in defined else ():
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        if isinstance(node.value, ast.Name):
            default = node.value.id
        elif isinstance(node.value, ast.Call):
            keywords = _keywords(node.value)
            meta = dict(_entries(keywords["meta"], module))
            sizes.append(_literal(meta.get("min_size"), (1, 1))[0])
            # Weights without classes are those of the feature layers alone.
            if _literal(meta.get("categories"), ()) is not None:
                weights[node.targets[0].id] = _pretrained(node.targets[0].id, name, keywords, meta)
    return Architecture(name, _options(builder, defined), min(sizes, default=1), weights, default)


def _names_weights(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and node.id.endswith("_Weights")


def _keywords(call: ast.expr) -> dict[str, ast.expr]:
    assert isinstance(call, ast.Call)
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def _entries(node: ast.expr, module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Keys and values of a dict display, with those of the dicts that it unpacks."""
    if isinstance(node, ast.Name):
        node = _constants(module)[node.id]
    assert isinstance(node, ast.Dict)
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            yield from _entries(value, module)
        else:
            yield ast.literal_eval(key), value


def _constants(module: ast.Module) -> dict[str, ast.expr]:
    """Values of the names that the module assigns to."""
    found: dict[str, ast.expr] = {}
    for node in module.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id: node.value for target in targets if isinstance(target, ast.Name)}
    return found


def _literal(node: ast.expr | None, otherwise: Any) -> Any:
    """The plain value that stands there; `otherwise` where it is missing or has to be computed."""
    try:
        return otherwise if node is None else ast.literal_eval(node)
    except ValueError:
        return otherwise


def _pretrained(name: str, network: str, keywords: dict[str, ast.expr], meta: dict[str, ast.expr]) -> Pretrained:
    preset = _keywords(keywords["transforms"])
    mean, std = _literal(preset.get("mean"), IMAGENET_MEAN), _literal(preset.get("std"), IMAGENET_STD)
    if network in _NORMALISED_BY_HALF:
        mean = std = _HALF
    size = _literal(preset.get("crop_size"), None)
    return Pretrained(name, _literal(keywords["url"], ""), _literal(meta.get("_file_size"), None), size, mean, std)


def _options(builder: ast.FunctionDef, defined: Mapping[str, ast.AST]) -> dict[str, Parameter]:
    """Parameters of the network's class that its builder leaves open."""
    network = defined[ast.unparse(builder.returns)] if builder.returns else builder
    starts = (node for node in ast.walk(network) if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    arguments = next(starts).args
    taken = {argument.arg for argument in (*arguments.args, *arguments.kwonlyargs)}
    fixed = {keyword.arg for node in ast.walk(builder) if isinstance(node, ast.Call) for keyword in node.keywords}
    return {key: parameter for key, parameter in _OPTIONS.items() if key in taken - fixed}
