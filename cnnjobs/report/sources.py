"""The modules of the user's own folder that a sweep takes its components from."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from cnnjobs.spec.run import COMPONENTS, RunConfig

_OURS: Final = "cnnjobs"


def imported_modules(configs: Iterable[RunConfig]) -> list[str]:
    """The modules of every `module.path:Name` in these configurations."""
    names = {
        choice.name
        for config in configs
        for choice in (*(getattr(config, kind) for kind in COMPONENTS), *config.augment)
        if ":" in choice.name
    }
    return sorted({name.partition(":")[0] for name in names})


def module_files(modules: Iterable[str], root: Path) -> list[Path]:
    """The files of these modules, and of all that they import, as far as they lie under `root`; nothing is run."""
    found: dict[Path, None] = {}
    waiting = list(modules)
    while waiting:
        parts = waiting.pop().split(".")
        if parts[0] == _OURS:
            continue
        for length in range(1, len(parts) + 1):
            place = root.joinpath(*parts[:length])
            for file in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
                if file.is_file() and file not in found:
                    found[file] = None
                    package = parts[:length] if file.name == "__init__.py" else parts[: length - 1]
                    waiting += _imports(file, package)
    return sorted(found)


def _imports(file: Path, package: list[str]) -> Iterator[str]:
    """The modules that a file may import, wherever in it; `package` is the one that it lies in."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = [*start, *((node.module or "").split(".") if node.module else [])]
            # What is imported from a package may be a module of it.
            yield from (".".join([*base, alias.name]) for alias in node.names)
