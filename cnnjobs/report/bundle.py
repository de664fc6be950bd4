"""Bundle to hand in: the report, and beside it all that its numbers rest on in one archive, without any data set."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.errors import InputError, storage_error
from cnnjobs.report.build import Built
from cnnjobs.report.results.table import ResultsTable
from cnnjobs.report.sections.codes import packed
from cnnjobs.system.opening import open_to_read

Models = Literal["none", "best", "all"]
# The earliest time that a zip file can tell: the same content is the same archive.
_TIME: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o644 << 16
_DATA: Final = ("results.csv", "history.csv", "evaluations.csv", "best.yaml")


def entries(tables: Sequence[ResultsTable], built: Built, root: Path, models: Models) -> dict[str, Path]:
    """Entries of the archive: its name there -> its file. Raises InputError for a network that is not there."""
    found: dict[str, Path] = {}
    for table, part in zip(tables, built.parts, strict=True):
        name = table.sweep.name
        found[f"{name}/sweep.yaml"] = table.store.sweep_file if table.store.sweep_file.is_file() else table.sweep.path
        found[f"{name}/{table.store.logs_file.name}"] = table.store.logs_file
        if table.sweep.report.notes:
            found[f"{name}/{table.sweep.report.notes.name}"] = table.sweep.report.notes
        found |= {f"{name}/{file}": part / file for file in _DATA}
        found |= {f"{name}/tables/{file.name}": file for file in (part / "tables").iterdir()}
        for run_id in table.records:
            folder = table.store.run(run_id).results
            files = (folder.config_file, folder.record_file, folder.metrics_file)
            found |= {f"{name}/runs/{run_id}/{file.name}": file for file in files}
        found |= {f"{name}/runs/{run.run_id}/model.pth": run.model_file for run in _asked(table, models)}
        found |= dict(packed(table, root))
    return {name: file for name, file in sorted(found.items()) if file.is_file()}


def _asked(table: ResultsTable, models: Models) -> list[RunFolder]:
    """The runs whose weights are asked for. Raises InputError where one has none."""
    if models == "none":
        return []
    ranked = table.ranked()
    chosen = ranked[:1] if models == "best" else ranked
    records = [record for choice in chosen for record in table.finished(choice.configuration.runs)]
    runs = [table.store.run(record.run_id).results for record in records]
    if not runs:
        raise InputError(f"--models {models}: no run of {table.sweep.name} has finished; leave --models out")
    for run in runs:
        run.check_weights()
    return runs


def write_archive(path: Path, found: Mapping[str, Path]) -> None:
    """Write these files as a zip file, the same bytes for the same files. Raises StorageError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for name, file in found.items():
                about = zipfile.ZipInfo(name, _TIME)
                about.compress_type, about.external_attr, about.create_system = zipfile.ZIP_DEFLATED, _MODE, 3
                about.file_size = file.stat().st_size
                with open_to_read(file) as source, archive.open(about, "w") as target:
                    while block := source.read(1 << 20):
                        target.write(block)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise storage_error(path, error) from error
