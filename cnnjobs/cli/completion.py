"""Names that the shell completes: sweeps and runs under the results folder, found without a file being read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import typer

from cnnjobs.cli.options import RESULTS


def sweeps(ctx: typer.Context, incomplete: str) -> list[str]:
    """The started sweeps whose names begin so."""
    return [name for name in _started(_results(ctx)) if name.startswith(incomplete)]


def runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """The run ids that begin so, or after `SWEEP/` those of that sweep."""
    results = _results(ctx)
    sweep, slash, start = incomplete.rpartition("/")
    if slash:
        return [f"{sweep}/{each}" for each in _runs(results / sweep) if each.startswith(start)]
    found = (each for name in _started(results) for each in _runs(results / name) if each.startswith(incomplete))
    return list(dict.fromkeys(found))


def sweeps_and_runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Either of them, sweeps first."""
    return [*sweeps(ctx, incomplete), *runs(ctx, incomplete)]


def _results(ctx: typer.Context) -> Path:
    """The results folder that stands on the command line so far."""
    return Path(ctx.params.get("results") or RESULTS)


def _started(results: Path) -> Iterator[str]:
    return _folders_with("sweep.yaml", results)


def _runs(sweep: Path) -> Iterator[str]:
    return _folders_with("config.yaml", sweep)


def _folders_with(file: str, folder: Path) -> Iterator[str]:
    """The folders in a folder that hold this file, by name; none where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError:
        return
    yield from (name for name in names if os.path.lexists(folder / name / file))
