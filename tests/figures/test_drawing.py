from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cnnjobs.figures.drawing.figure import Drawing, file_name, in_words, keep
from cnnjobs.figures.drawing.mosaics import mosaic


def drawing() -> Drawing:
    tiles = np.arange(25 * 3 * 3 * 3, dtype=np.uint8).reshape(25, 3, 3, 3)
    figure = mosaic(tiles, range(25), "Title: größer & <kleiner>", "gray is 0")
    return Drawing("filters-conv1", figure, "25 filters of conv1.", {"tiles": tiles}, {"layer": "conv1", "of": None})


def test_a_figure_is_kept_with_its_numbers_and_its_caption(tmp_path: Path) -> None:
    path = keep(tmp_path / "figures", drawing())
    assert path == tmp_path / "figures" / "filters-conv1.png"
    assert sorted(each.name for each in path.parent.iterdir()) == [
        f"filters-conv1.{suffix}" for suffix in ("json", "npz", "png", "svg")
    ]
    about = json.loads(path.with_suffix(".json").read_text())
    assert about == {"caption": "25 filters of conv1.", "layer": "conv1", "of": None}
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as data:
        assert np.array_equal(data["tiles"], drawing().data["tiles"])
    svg = path.with_suffix(".svg").read_text()
    assert "Title: größer &amp; &lt;kleiner&gt;" in svg
    assert "<image" in svg


def test_drawn_twice_it_is_the_same_bytes(tmp_path: Path) -> None:
    first, second = (keep(tmp_path / name, drawing()) for name in ("first", "second"))
    for suffix in (".png", ".svg", ".npz", ".json"):
        assert first.with_suffix(suffix).read_bytes() == second.with_suffix(suffix).read_bytes()


def test_nothing_that_is_no_number_gets_into_the_facts(tmp_path: Path) -> None:
    wrong = Drawing("x", drawing().figure, "x", {}, {"score": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        keep(tmp_path, wrong)


def test_names_of_files_are_plain() -> None:
    assert file_name("filters", "layer1.0.conv1", "test image 7 (T-shirt/top)") == (
        "filters-layer1.0.conv1-test-image-7-T-shirt-top"
    )
    assert "/" not in file_name("../..", "a/b")
    assert in_words([4, 5, 6]) == "4 to 6"
    assert in_words([4, 5]) == "4, 5"
    assert in_words([9, 7, 8]) == "9, 7, 8"
