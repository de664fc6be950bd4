"""The folder that modules of the user's own come from: the working folder, or the copy that a run was submitted with.

Looking for a module runs nothing. Importing one puts its folder first on `sys.path`; what another folder gave under the
same name is forgotten then. With a copy the working folder is not on the path: what is not in the copy is missing.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Final

from cnnjobs.errors import InputError

OURS: Final = "cnnjobs"
_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
_SUFFIXES: Final = (".py", *EXTENSION_SUFFIXES)
_LOCK: Final = RLock()
_of_block: ContextVar[Path | None] = ContextVar("_of_block", default=None)


class _Path:
    """State of `sys.path` in this process."""

    chosen: Path | None = None
    first: Path | None = None
    loaded: Final[set[str]] = set()


def copy() -> Path | None:
    """The copy that modules come from; None where they come from the working folder."""
    return _of_block.get() or _Path.chosen


def place() -> Path:
    """The folder that modules come from."""
    return copy() or Path.cwd()


def place_of(name: str) -> Path | None:
    """Place that decides, beside its name, what a component is: where its import path leads, if it is one."""
    return place() if ":" in name else None


def use(folder: Path | None) -> None:
    """Take modules from this copy from now on, or with None from the working folder."""
    _Path.chosen = folder.absolute() if folder else None


@contextmanager
def used(folder: Path | None) -> Iterator[None]:
    """Take modules from this copy inside the block; None changes nothing."""
    token = _of_block.set(folder.absolute() if folder else _of_block.get())
    try:
        yield
    finally:
        _of_block.reset(token)


def along(module: str, folder: Path) -> list[Path | None]:
    """The files under a folder that an import of the module runs, its own last; None for a folder without any.

    As far as they are there: fewer than the module's name has parts where it is not.
    """
    found: list[Path | None] = []
    where = folder
    for part in module.split("."):
        where = where / part
        files = [where / "__init__.py", *(where.with_name(part + suffix) for suffix in _SUFFIXES)]
        file = next((each for each in files if each.is_file()), None)
        if file is None and not where.is_dir():
            break
        found.append(file)
        if file is not None and file.parent != where:
            break
    return found


def find_file(module: str) -> Path | None:
    """The file of a module of the user's own; None for what is none. Raises InputError for a name of Python's own."""
    top = module.partition(".")[0]
    if top == OURS:
        return None
    files = along(module, base_of(top, place()))
    file = files[-1] if len(files) == module.count(".") + 1 else None
    if file is not None and top in sys.stdlib_module_names:
        raise InputError(
            f"Python has a module `{top}` of its own, which is imported in place of {file}; rename that file"
        )
    return file


def base_of(top: str, folder: Path) -> Path:
    """The folder that holds a top-level module: `folder`, or one within it on the search path, as `src` may be."""
    if along(top, folder):
        return folder
    where = location_of(top)
    return where.parent if where is not None and where.is_relative_to(folder) and not is_installed(where) else folder


def location_of(top: str) -> Path | None:
    """Where Python finds a top-level module that is no part of itself: its file, or its folder."""
    with suppress(Exception):
        spec = find_spec(top)
        if spec is not None and top not in sys.stdlib_module_names:
            return Path(str([*(spec.submodule_search_locations or ()), spec.origin][0])).absolute()
    return None


def is_installed(path: Path) -> bool:
    """Check whether it belongs to an installed package."""
    return not _INSTALLED.isdisjoint(path.parts)


def to_be_found(module: str) -> str:
    """Remedy for a module of the user's own that is not found."""
    if copy() is None:
        return f"start cnnjobs from the folder that holds {module}.py"
    file = next((each for each in reversed(along(module, Path.cwd())) if each is not None), None)
    name = f"{module.replace('.', '/')}.py" if file is None else file.relative_to(Path.cwd())
    return f"name its file in the sweep file, no import that could be read leads to it: code: [{name}]"


def missing(error: Exception) -> str | None:
    """Remedy where the code of a run lacks a file beside the user's own; None where that is not the cause."""
    folder = copy()
    if folder is None:
        return None
    if isinstance(error, ModuleNotFoundError) and error.name:
        return to_be_found(error.name) if any(along(error.name, Path.cwd())) else None
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        path = Path(str(error.filename))
        name = path.relative_to(folder) if path.is_relative_to(folder) else None
        if name is not None and (Path.cwd() / name).exists():
            return f"it is not in the copy of the code that the run trains with: add to the sweep file code: [{name}]"
    return None


def load(module: str) -> ModuleType:
    """Import a module. Raises InputError where another one of its name is in the way, and whatever it raises."""
    if module.partition(".")[0] == OURS:
        return importlib.import_module(module)
    with _LOCK:
        own = find_file(module)
        _put_first(place(), is_copy=copy() is not None)
        loaded = importlib.import_module(module)
        if own is not None:
            _Path.loaded.add(module.partition(".")[0])
            found = getattr(loaded, "__file__", None)
            if found is not None and not own.samefile(found):
                raise InputError(f"module `{module}` is {found}, and not {own}; rename that one")
        return loaded


def _put_first(folder: Path, *, is_copy: bool) -> None:
    if folder == _Path.first and str(folder) in sys.path:
        return
    names = _Path.loaded | (_names_in(folder) if is_copy else set())
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in names and _is_own(module):
            del sys.modules[name]
    gone = {str(_Path.first)} | ({"", str(Path.cwd())} if is_copy else set())
    sys.path[:] = [str(folder), *(each for each in sys.path if each not in gone)]
    if is_copy:
        # A copy holds what its name tells, and nothing else.
        sys.dont_write_bytecode = True
    _Path.first = folder
    importlib.invalidate_caches()


def _names_in(folder: Path) -> set[str]:
    with suppress(OSError):
        return {each.name.partition(".")[0] for each in folder.iterdir()}
    return set()


def _is_own(module: ModuleType) -> bool:
    """Check whether it comes from the working folder or from the folder that was first before."""
    places = [getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)]
    roots = [Path.cwd(), *([_Path.first] if _Path.first else [])]
    return any(
        Path(each).is_relative_to(root) and not is_installed(Path(each)) for each in places if each for root in roots
    )
