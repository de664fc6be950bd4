"""The figures that `cnnjobs figures` has drawn of a sweep's networks, with the captions that lie beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cnnjobs.files import write_whole
from cnnjobs.report.document import Block, Picture, Pictures, Section, paragraph
from cnnjobs.report.drawings import Drawings
from cnnjobs.report.results import ResultsTable

_SUFFIXES = (".png", ".svg", ".json")


def learned(table: ResultsTable, drawings: Drawings) -> Iterator[Block]:
    """A section for every run that has figures of its network, in the order of the sweep file. Raises StorageError."""
    source = table.store.report_folder / "figures"
    for configuration in table.configurations:
        for run in configuration.runs:
            drawn = [
                _picture(file, caption, drawings, run.run_id)
                for file in sorted((source / run.run_id).glob("*.json"))
                for caption in [_caption(file)]
                if caption and file.with_suffix(".png").is_file()
            ]
            if drawn:
                title = " ".join(filter(None, (configuration.label, f"seed {run.config.seed}")))
                yield Section(title, (paragraph(f"Run {run.run_id}.", faint=True), Pictures(tuple(drawn))))


def _caption(file: Path) -> str:
    """What the figure shows; "" for a file that is none of ours."""
    try:
        about: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    caption = about.get("caption", "") if isinstance(about, dict) else ""
    return caption if isinstance(caption, str) else ""


def _picture(file: Path, caption: str, drawings: Drawings, run_id: str) -> Picture:
    """The figure in the report's own folder: a report of several sweeps has copies."""
    own = drawings.folder / run_id
    if own != file.parent:
        for suffix in _SUFFIXES:
            if file.with_suffix(suffix).is_file():
                write_whole(own / f"{file.stem}{suffix}", file.with_suffix(suffix).read_bytes())
    return Picture(f"{drawings.place}/{run_id}/{file.stem}", caption, caption)
