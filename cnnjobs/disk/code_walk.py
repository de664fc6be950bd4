"""Modules of the user's own that an import reaches: found in their text, nothing is run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Final

from cnnjobs.config.kinds import AnyConfig, networks
from cnnjobs.config.run import COMPONENTS, RunConfig
from cnnjobs.errors import InputError
from cnnjobs.system import own_modules

MOST_BESIDE: Final = 1 << 20
# Never taken for code unless the sweep file says so.
_NOT_CODE: Final = ("data", "results")
_OF_FILES: Final = ("__file__", "importlib.resources", "importlib import resources", "get_data")
_IMPORTERS: Final = ("import_module", "__import__")
_LISTERS: Final = ("iter_modules", "walk_packages")


@dataclass(frozen=True)
class Reached:
    """Files by their names in a copy, and `notes` on what is not among them, each with its name there."""

    files: dict[str, Path] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Text:
    """Facts from the text of a module: its imports, whether it makes up others, what it may read beside itself."""

    imports: tuple[str, ...] = ()
    makes_up: bool = False
    beside: tuple[str, ...] = ()


def names_modules(nested: Mapping[str, Any]) -> bool:
    """Check whether an import path stands in a configuration of plain values."""
    chosen = [*nested.values(), *(nested.get("augment") or ())]
    return any(":" in str(each.get("name")) for each in chosen if isinstance(each, Mapping))


def imported_modules(configs: Iterable[RunConfig]) -> list[str]:
    """The modules of every `module.path:Name` in these configurations."""
    names = {
        choice.name
        for config in configs
        for choice in (*(getattr(config, kind) for kind in COMPONENTS), *config.augment)
        if ":" in choice.name
    }
    return sorted({name.partition(":")[0] for name in names})


def own_of(config: AnyConfig, folder: Path) -> list[str]:
    """The modules of a run's import paths that are found in this folder."""
    modules = imported_modules(networks([config]))
    return [each for each in modules if own_modules.along(each, own_modules.base_of(each.partition(".")[0], folder))]


def reached(modules: Iterable[str], folder: Path) -> Reached:
    """The files of these modules and of all that they import, and read beside themselves, in this folder.

    Raises InputError for one that cannot be read.
    """
    found, seen, waiting = Reached(), set(), list(modules)
    while waiting:
        module = waiting.pop()
        top = module.partition(".")[0]
        if module in seen or top == own_modules.OURS or top in sys.stdlib_module_names:
            continue
        seen.add(module)
        base = own_modules.base_of(top, folder)
        files = own_modules.along(module, base)
        if not files:
            _note_outside(top, found)
        for length, file in enumerate(files, 1):
            if file is None or (name := file.relative_to(base).as_posix()) in found.files:
                continue
            found.files[name] = file
            if file.suffix == ".py":
                parts = tuple(module.split(".")[:length])
                text = _read(read_file(file), parts if file.name == "__init__.py" else parts[:-1])
                waiting += text.imports
                waiting += _neighbours(file, base) if text.makes_up else ()
                _add_beside(file, base, text.beside, found)
    return found


def read_file(file: Path) -> bytes:
    """Content of a file. Raises InputError."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(
            f"{file}: cannot be read ({error.strerror}); the code of its runs is copied from it"
        ) from error


def _note_outside(top: str, found: Reached) -> None:
    where = own_modules.location_of(top)
    if where is not None and where.exists() and not own_modules.is_installed(where):
        note = f"`{top}` is outside this folder and not copied with the code of the runs"
        found.notes[f"{note}: {where}; to have it copied, name it in the sweep file: code: [{where}]"] = top


def _neighbours(file: Path, base: Path) -> Iterator[str]:
    """All modules of the package, or beside a module that is in none: a name that is made up may be any of theirs."""
    inner = file.parent.rglob("*.py") if file.parent != base else file.parent.glob("*.py")
    for each in sorted(inner):
        parts = each.relative_to(base).with_suffix("").parts
        if all(part.isidentifier() for part in parts):
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _add_beside(file: Path, base: Path, names: Iterable[str], found: Reached) -> None:
    """Add the files that a module names, and finds by its own place."""
    places = [
        file.parent,
        *(parent for parent in file.parent.parents if parent.is_relative_to(base) and parent != base),
    ]
    for name in names:
        for place in places:
            each = place / name
            inside = each.relative_to(base).as_posix()
            if inside in found.files or (place == base and PurePosixPath(inside).parts[0] in _NOT_CODE):
                continue
            if not each.is_file():
                continue
            if each.stat().st_size <= MOST_BESIDE:
                found.files[inside] = each
            else:
                size = f"{each.stat().st_size / 1e6:.1f} MB"
                note = f"{inside} ({size}), which {file.name} names, is not copied with the code of the runs"
                found.notes[f"{note}; if it is needed, name it in the sweep file: code: [{inside}]"] = inside


@lru_cache(maxsize=512)
def _read(content: bytes, package: tuple[str, ...]) -> _Text:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return _Text()
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    imports = [*_imports(tree, package)]
    makes_up = any(_called(call) in _LISTERS for call in calls)
    for call in calls:
        if _called(call) in _IMPORTERS and call.args:
            name = call.args[0].value if isinstance(call.args[0], ast.Constant) else None
            makes_up |= not isinstance(name, str)
            imports += [_absolute(name, package)] if isinstance(name, str) else []
    reads = any(word.encode() in content for word in _OF_FILES)
    beside = {name for name in _paths(tree) if _is_path(name)} if reads else ()
    return _Text(tuple(imports), makes_up, tuple(sorted(beside)))


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _absolute(name: str, package: tuple[str, ...]) -> str:
    level = len(name) - len(name.lstrip("."))
    return ".".join((*package[: len(package) - level + 1], name.lstrip("."))) if level else name


def _imports(tree: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    """The modules that a text may import, wherever in it; `package` is the one that it lies in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            base = [*start, *((node.module or "").split(".") if node.module else [])]
            # What is imported from a package may be a module of it.
            yield from (".".join([*base, alias.name]) for alias in node.names)


def _paths(tree: ast.AST) -> Iterator[str]:
    """Texts that may be paths: each alone, and joined as in `folder / "tables" / "x.json"` and `join(folder, "x")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            yield "/".join(_texts(_divided(node)))
        elif isinstance(node, ast.Call):
            yield "/".join(_texts(node.args))


def _divided(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return [*_divided(node.left), node.right]
    return [node]


def _texts(nodes: Iterable[ast.expr]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _is_path(name: str) -> bool:
    path = PurePosixPath(name)
    return (
        0 < len(name) < 200
        and name.isprintable()
        and not path.is_absolute()
        and ".." not in path.parts
        and bool(path.parts)
    )
