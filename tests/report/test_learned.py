from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from matplotlib.figure import Figure

from cnnjobs.figures.drawing.style import HALF_PAGE, png_bytes
from cnnjobs.figures.kinds import READING_ORDER
from cnnjobs.registry import components
from cnnjobs.report.pages.pdf import source
from cnnjobs.report.plots.catalogue import Drawings
from cnnjobs.report.sections.architectures import architectures
from cnnjobs.report.sections.figures import learned
from cnnjobs.report.text.blocks import Chapter, Paragraph, Pictures, Report, Section

if TYPE_CHECKING:
    from conftest import Results

torch.set_num_threads(1)

TEXT = "base: {dataset: fashion_mnist_mini, model: lenet5, epochs: 1}\n"
NARROW, WIDE = HALF_PAGE, 1.3 * HALF_PAGE


def keep(folder: Path, name: str, kind: str, layer: str | None, width: float = NARROW) -> None:
    """A figure as `cnnjobs figures` keeps it."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {"caption": f"{name}, of {folder.name}: as {folder.name} says.", "kind": kind, "layer": layer}
    (folder / f"{name}.json").write_text(json.dumps(about), encoding="utf-8")
    (folder / f"{name}.png").write_bytes(png_bytes(Figure(figsize=(width, 1))))


def test_figures_come_by_kind_then_by_layer_as_the_network_calls_them(make_results: Callable[..., Results]) -> None:
    results = make_results(TEXT)
    results.write(results.sweep.runs[0])
    table = results.table()
    networks = architectures(table)
    assert networks[0].table is not None
    first, *_, last = [layer.name for layer in networks[0].table.layers]
    folder = table.store.report_folder / "figures" / results.sweep.runs[0].run_id
    # In the order of their names these would come the other way round.
    expected = [
        "x-inputs",
        "w-filters-2",
        "w-filters-10",
        "v-first",
        "u-last",
        "t-of-no-layer",
        "a-confusion",
        "0-else",
    ]
    for name, kind, layer in zip(
        expected,
        ("inputs", "filters", "filters", "activations", "activations", "activations", "confusion", "somebody's"),
        (None, first, first, first, last, "gone", None, first),
        strict=True,
    ):
        keep(folder, name, kind, layer, WIDE if name == "a-confusion" else NARROW)
    (folder / "0-no-figure.json").write_text("[]", encoding="utf-8")
    (section,) = learned(table, networks, Drawings(table, table.store.report_folder / "figures"))
    assert isinstance(section, Section)
    _, pictures = section.blocks
    assert isinstance(pictures, Pictures)
    assert [picture.place.rpartition("/")[2] for picture in pictures.items] == expected
    assert pictures.items[0].caption == "x-inputs: as the network says."
    text = source(Report("title", (Chapter("name", "", "", (), (section,)),)))
    kinds = [
        line.partition("(")[0].partition("[")[0]
        for line in text.splitlines()
        if "#introduction" in line or "path" in line
    ]
    assert kinds == ["#introduction", "#pictures", "#picture", "#pictures"]
    assert isinstance(section.blocks[0], Paragraph)


def test_every_kind_has_its_place() -> None:
    assert set(READING_ORDER) == set(components("figure"))
