"""Data sets: what is here, and what one of them holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from cnnjobs.components.data.sources import SOURCES, in_megabytes
from cnnjobs.components.files.raw_splits import class_counts
from cnnjobs.console.terminal import error, notice, say, show

if TYPE_CHECKING:
    from cnnjobs.components.data.datasets import DataSet
    from cnnjobs.components.files.image_facts import ImageFacts
    from cnnjobs.components.files.raw_splits import Contents
    from cnnjobs.launch.plan.data_sets import Listed


def show_list(here: Sequence[Listed], missing: Sequence[str], folders: Sequence[Path]) -> None:
    """A row for each data set that is here; below it those that could be fetched."""
    say(f"looked in {', '.join(map(str, folders))}")
    table = Table(box=None, pad_edge=False)
    for heading in ("data set", "train", "test", "pixels", "classes", "training images of a class", "size", "place"):
        table.add_column(heading, justify="left" if heading in ("data set", "place") else "right")
    for listed in here:
        if listed.contents is None or listed.place is None:
            continue
        contents = listed.contents
        table.add_row(
            listed.name,
            f"{sum(contents.train):,}",
            f"{sum(contents.test):,}" if sum(contents.test) else "of train",
            _pixels_of(contents),
            str(len(contents.train)),
            per_class(contents.train),
            in_megabytes(listed.megabytes),
            str(listed.place.path),
        )
    show(table)
    for listed in here:
        for text in listed.notes:
            notice(text)
        if listed.problem:
            error(f"{listed.name}: {listed.problem}")
    if missing:
        sizes = [f"{name} ({_download_size(name)})" if name in SOURCES else name for name in missing]
        say(f"not here: {', '.join(sizes)}; fetch one with: cnnjobs fetch {missing[0]}")


def pixels(height: int, width: int, channels: int) -> str:
    """`32×32 colour`."""
    return f"{width}×{height} {_colour(channels)}"


def _colour(channels: int) -> str:
    return "gray" if channels == 1 else "colour"


def _pixels_of(contents: Contents) -> str:
    if contents.largest is None:
        return pixels(contents.height, contents.width, contents.channels)
    height, width = contents.largest
    return f"{contents.width}×{contents.height} to {pixels(height, width, contents.channels)}"


def per_class(counts: Sequence[int]) -> str:
    """`5,000 each`, or `5,421 to 6,742`."""
    fewest, most = min(counts), max(counts)
    return f"{fewest:,} each" if fewest == most else f"{fewest:,} to {most:,}"


def _download_size(name: str) -> str:
    return in_megabytes(sum(original.megabytes or 0 for original in SOURCES[name]))


def show_data(
    data: DataSet, place: Path | None, megabytes: float | None, sizes: str = "", files: ImageFacts | None = None
) -> None:
    """Pixels, place, statistics, and the images of each class in each split; `sizes` where images have their own.

    Of a folder of images also facts of its files.
    """
    height, width = data.train.take(slice(0)).shape[1:3]
    shown = f"{sizes}, {_colour(data.in_channels)}" if sizes else pixels(height, width, data.in_channels)
    say(f"{data.name}: {shown}, {data.num_classes} classes", style="bold")
    facts = Table.grid(padding=(0, 2))
    if place is not None:
        facts.add_row("place", str(place))
    if megabytes is not None:
        facts.add_row("size", in_megabytes(megabytes))
    if files is not None:
        facts.add_row("sizes", files.sizes)
        facts.add_row("modes", files.modes)
    facts.add_row("mean", " ".join(f"{value:.4f}" for value in data.mean))
    facts.add_row("std", " ".join(f"{value:.4f}" for value in data.std))
    show(facts)
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for heading in ("train", "validation", "test"):
        table.add_column(heading, justify="right")
    splits = [class_counts(split.labels, data.num_classes) for split in (data.train, data.validation, data.test)]
    for name, *counts in zip(data.classes, *splits, strict=True):
        table.add_row(name, *(f"{count:,}" for count in counts))
    table.add_row("all", *(f"{sum(counts):,}" for counts in splits), style="bold")
    show(table)
    for text in (*data.notes, *(files.notes if files else ())):
        notice(text)


def show_picture(path: Path, *, is_new: bool) -> None:
    """Where the picture is."""
    say(f"picture: {path}" + ("" if is_new else " (was there already)"))
