"""The user's own code in the runs of a table: its copies, and where runs do not have the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cnnjobs.config.kinds import networks
from cnnjobs.disk.code_copies import has_own_code, reach_of, read_folder
from cnnjobs.disk.code_walk import imported_modules, own_of, reached
from cnnjobs.report.results.table import ResultsTable
from cnnjobs.report.text import numbers


def remarks_on_code(table: ResultsTable) -> list[str]:
    """Remarks on the runs' own code: copies that are damaged, and files that differ between runs."""
    hashes = {record.code for record in table.records.values() if record.code}
    damaged = [damage for hash in sorted(hashes) if (damage := table.store.codes.damage(hash))]
    different = _different_code(table)
    return [*damaged, *([different] if different else [])]


def _different_code(table: ResultsTable) -> str | None:
    """Where runs were trained with more than one state of a file; None where they were not."""
    states: dict[str, dict[str, set[str]]] = {}
    counts: Counter[str] = Counter()
    older = 0
    for run in table.sweep.runs:
        record = table.records[run.run_id]
        if not has_own_code(run.config) or not record.attempts:
            continue
        if record.code is None:
            older += bool(own_of(run.config, Path.cwd()))
            continue
        counts[record.code] += 1
        for name, state in reach_of(table.store.codes.folder(record.code), run.config).items():
            states.setdefault(name, {}).setdefault(state, set()).add(record.code)
    files = [name for name, found in sorted(states.items()) if len(found) > 1]
    if files:
        codes = {code for name in files for found in states[name].values() for code in found}
        told = [f"{numbers.counted(counts[code], 'run')} with code {code}" for code in sorted(codes)]
        are = "is" if len(files) == 1 else "are"
        return f"{numbers.listed(files)} {are} not the same for all runs: {numbers.listed(told)}"
    if older and counts:
        return f"{numbers.counted(older, 'run')} of an earlier version: whether their own code is the same is not known"
    return None


def packed(table: ResultsTable, root: Path) -> Iterator[tuple[str, Path]]:
    """The copies of a table's runs by their names in an archive; for older runs the files of now, under `root`."""
    codes = table.store.codes
    for code in sorted({record.code for record in table.records.values() if record.code}):
        for name in read_folder(codes.folder(code)):
            yield f"{table.sweep.name}/code/{code}/{name}", codes.folder(code) / name
    older = [run.config for run in table.sweep.runs if table.records[run.run_id].code is None]
    yield from reached(imported_modules(networks(older)), root).files.items()
