"""A figure with its data and its caption, and how they are kept."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnnjobs.disk.files import table_bytes, write_whole
from cnnjobs.figures.drawing.style import svg_and_png


@dataclass(frozen=True, eq=False)
class Drawing:
    """One figure. `caption` is one sentence that says what was computed: layer, channel, score, scale, image.

    `name` is that of its files, without a suffix; `data` holds the numbers that were drawn, `facts` what else is known,
    as plain values. `table` holds rows of what can be read as a table.
    """

    name: str
    figure: Figure
    caption: str
    data: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any] = field(default_factory=dict)
    table: Sequence[Mapping[str, Any]] = ()


Drawings = Iterable[Drawing]


def keep(folder: Path, drawing: Drawing) -> Path:
    """Write NAME.png, .svg, .npz, .json and, of a table, .csv: the same bytes for the same drawing. Return the PNG.

    The JSON holds the caption and the facts. Raises StorageError.
    """
    place = folder / drawing.name
    svg, png = svg_and_png(drawing.figure)
    about = {"caption": drawing.caption, **drawing.facts}
    files = {
        ".svg": svg.encode(),
        ".npz": _archive(drawing.data),
        ".json": json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n",
    }
    if drawing.table:
        files[".csv"] = table_bytes(drawing.table[0], (row.values() for row in drawing.table))
    files[".png"] = png
    for suffix, content in files.items():
        write_whole(place.with_name(place.name + suffix), content)
    return place.with_name(f"{place.name}.png")


def file_name(*words: object) -> str:
    """The words as the name of a file: `file_name("filters", "layer1.0.conv1")` is `filters-layer1.0.conv1`."""
    slugs = (re.sub(r"[^A-Za-z0-9._]+", "-", str(word)).strip("-.") for word in words)
    return "-".join(slug for slug in slugs if slug)[:120]


def in_words(numbers: Sequence[int]) -> str:
    """`4531 to 4546` for a row of numbers, else each of them: `14, 26, 32`."""
    if len(numbers) > 2 and [*numbers] == [*range(numbers[0], numbers[0] + len(numbers))]:
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))


def _archive(data: Mapping[str, NDArray[Any]]) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **dict(data))
    return stream.getvalue()
