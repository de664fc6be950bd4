"""The figures that `cnnjobs figures` has drawn of a sweep's networks, with the captions that lie beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cnnjobs.disk.files import write_whole
from cnnjobs.figures.drawing.style import HALF_PAGE, PNG_DPI
from cnnjobs.figures.kinds import READING_ORDER
from cnnjobs.report.plots.catalogue import Drawings
from cnnjobs.report.results.table import ResultsTable
from cnnjobs.report.text.blocks import Block, Picture, Pictures, Section, paragraph
from cnnjobs.system.opening import open_to_read, read_bytes

if TYPE_CHECKING:
    from cnnjobs.report.sections.architectures import Architecture

_SUFFIXES: Final = (".png", ".svg", ".json")
# What is hardly wider than half a page still stands there.
_WIDEST: Final = 1.15 * HALF_PAGE * PNG_DPI


def learned(table: ResultsTable, networks: Sequence[Architecture], drawings: Drawings) -> Iterator[Block]:
    """A section for every run that has figures of its network, in the order of the sweep file. Raises StorageError."""
    source = table.store.report_folder / "figures"
    for configuration in table.configurations:
        layers = _layers(configuration.label, networks)
        for run in configuration.runs:
            found = {file: _facts(file) for file in (source / run.run_id).glob("*.json")}
            drawn = [
                _picture(file, found[file], drawings, run.run_id)
                for file in sorted(found, key=lambda file: _place(file, found[file], layers))
                if found[file]["caption"] and file.with_suffix(".png").is_file()
            ]
            if drawn:
                title = " ".join(filter(None, (configuration.label, f"seed {run.config.seed}")))
                yield Section(title, (paragraph(f"Run {run.run_id}.", faint=True), Pictures(tuple(drawn))))


def _layers(label: str, networks: Sequence[Architecture]) -> list[str]:
    """The layers of this configuration's network in the order of their calls; none where they are not known."""
    tables = [network.table for network in networks if label in network.labels]
    return [layer.name for table in tables if table for layer in table.layers if layer.called]


def _facts(file: Path) -> dict[str, str]:
    """Caption, kind and layer of the figure, "" for what it has not; a file that is none of ours has no caption."""
    try:
        about: Any = json.loads(read_bytes(file))
    except (OSError, ValueError, RecursionError):
        about = None
    facts = about if isinstance(about, dict) else {}
    given = {name: facts.get(name) for name in ("caption", "kind", "layer")}
    return {name: value if isinstance(value, str) else "" for name, value in given.items()}


def _place(file: Path, facts: Mapping[str, str], layers: Sequence[str]) -> tuple[int, int, list[str | int]]:
    """Where the figure stands: by its kind, then its layer in the order of the network, then its name."""
    kind, layer = facts["kind"], facts["layer"]
    rank = READING_ORDER.index(kind) if kind in READING_ORDER else len(READING_ORDER)
    # A block gives what the last of its layers gives.
    calls = [number for number, name in enumerate(layers) if f"{name}.".startswith(f"{layer}.")]
    words = [int(word) if word.isdecimal() else word for word in re.split(r"([0-9]+)", file.stem)]
    return rank, calls[-1] if calls else len(layers), words


def _picture(file: Path, facts: Mapping[str, str], drawings: Drawings, run_id: str) -> Picture:
    """The figure in the report's own folder: a report of several sweeps has copies."""
    own = drawings.folder / run_id
    if own != file.parent:
        for suffix in _SUFFIXES:
            if file.with_suffix(suffix).is_file():
                write_whole(own / f"{file.stem}{suffix}", read_bytes(file.with_suffix(suffix)))
    # The section says of which run they all are.
    caption = facts["caption"].replace(f", of {run_id}", "").replace(run_id, "the network")
    place = f"{drawings.place}/{run_id}/{file.stem}"
    return Picture(place, caption, caption, wide=_width(file.with_suffix(".png")) > _WIDEST)


def _width(png: Path) -> int:
    """The width of a PNG in pixels, as its first bytes say."""
    with open_to_read(png) as stream:
        return int.from_bytes(stream.read(24)[16:20], "big")
