"""Tables of jobs: the matrices of GitHub, GitLab, CircleCI and DVC, lists of items, scikit-learn's grids."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cnnjobs.sweep.other_tools.form import MOST_DRAWS, PARALLEL, Foreign, Place, beside, flow, places_of, unused

_TABLES: Final = ("matrix", "foreach", "withItems", "param_grid")
_ITEMS: Final = ("foreach", "withItems")
_NOT_AXES: Final = ("include", "exclude", "alias")
_ABOUT: Final = "cnnjobs does not run these jobs"

Row = dict[str, Any]


def is_matrix(keys: Mapping[str, Any]) -> bool:
    """Check whether a table of jobs stands anywhere in these keys."""
    return any(True for _ in _tables(keys))


def read_matrices(keys: Mapping[str, Any]) -> dict[str, Foreign]:
    """A sweep for each table; the one of a file with a single table has no name."""
    tables = list(_tables(keys))
    sweeps: dict[str, Foreign] = {}
    for path, table in tables:
        sweep = _read(path[-1], table)
        told = [way for way, _ in tables] + places_of(keys, PARALLEL)
        sweep.left_out.update(dict.fromkeys(beside(keys, told), _ABOUT))
        name = ".".join(part for part in path if part not in (*_TABLES, "jobs", "stages", "strategy", "parallel"))
        sweeps["" if len(tables) == 1 else unused(name, sweeps)] = sweep
    return sweeps


def _tables(keys: Any, path: Place = ()) -> Iterator[tuple[Place, Any]]:
    if isinstance(keys, list):
        for each in keys:
            yield from _tables(each, path)
    elif isinstance(keys, dict):
        for key, value in keys.items():
            if key in _TABLES and ((value and isinstance(value, dict | list)) or str(value).startswith("${{")):
                yield (*path, key), value
            else:
                yield from _tables(value, (*path, str(key)))


def _read(kind: str, table: Any) -> Foreign:
    if isinstance(table, str):
        return Foreign(left_out={kind: f"{table} is known to the other tool alone"})
    if kind in _ITEMS:
        named = table if isinstance(table, dict) else {_named(each): each for each in table}
        return Foreign(variants={str(name): _row(each) for name, each in named.items()})
    if isinstance(table, list):
        grids = [
            {key: value if isinstance(value, list) else [value] for key, value in _row(each).items()} for each in table
        ]
        return (
            Foreign(parameters=dict(grids[0]))
            if len(grids) == 1
            else _listed([row for grid in grids for row in _rows(grid)])
        )
    inner = table.get("parameters")
    return _combined(
        {**inner, **{key: table[key] for key in _NOT_AXES if key in table}} if isinstance(inner, dict) else table
    )


def _row(item: Any) -> Row:
    return dict(item) if isinstance(item, dict) else {"item": item}


def _rows(grid: Mapping[str, list[Any]]) -> list[Row]:
    """All combinations. Raises ValueError for more than any sweep has."""
    if math.prod(map(len, grid.values())) > MOST_DRAWS:
        raise ValueError(grid)
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def _combined(table: Mapping[str, Any]) -> Foreign:
    """GitHub's rules: `exclude` drops combinations; `include` adds to what it does not contradict, or is one more."""
    sweep = Foreign()
    axes = {key: value for key, value in table.items() if key not in _NOT_AXES}
    for key in [key for key, value in axes.items() if not isinstance(value, list)]:
        sweep.left_out[key] = f"{flow(axes.pop(key))} is known to the other tool alone"
    given = {key: table.get(key) or [] for key in ("include", "exclude")}
    for key in [key for key, value in given.items() if not isinstance(value, list)]:
        sweep.left_out[key] = f"{flow(given.pop(key))} is known to the other tool alone"
    exclude = [_row(each) for each in given.get("exclude", []) if set(_row(each)) <= set(axes)]
    include = [_row(each) for each in given.get("include", [])]
    if not include:
        sweep.parameters, sweep.exclude = dict(axes), exclude
        return sweep
    kept = [row for row in _rows(axes) if not any(_agree(rule, row) for rule in exclude)] if axes else []
    listed = _listed(_included(kept, include))
    listed.left_out.update(sweep.left_out)
    return listed


def _agree(some: Row, row: Row) -> bool:
    return all(key in row and row[key] == value for key, value in some.items())


def _included(combinations: list[Row], include: list[Row]) -> list[Row]:
    rows, alone = [dict(row) for row in combinations], []
    for more in include:
        # What an entry added before may be replaced; a value of an axis may not.
        fitting = [row for row, axes in zip(rows, combinations, strict=True) if _keeps(axes, more)]
        for row in fitting:
            row.update(more)
        alone += [] if fitting else [dict(more)]
    return [*rows, *alone]


def _keeps(axes: Row, more: Row) -> bool:
    return all(axes[key] == value for key, value in more.items() if key in axes)


def _named(item: Any) -> str:
    return " ".join(f"{key}={value}" for key, value in _row(item).items())


def _listed(rows: list[Row]) -> Foreign:
    return Foreign(variants={_named(row): row for row in rows})
