"""The model-randomisation check: pictures of the network beside those of one that nobody has trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import numpy as np
from matplotlib.figure import Figure

from cnnjobs.figures.drawing.figure import Drawing, file_name
from cnnjobs.figures.drawing.heatmap import strengths
from cnnjobs.figures.drawing.rows import Panel, panel_rows
from cnnjobs.figures.methods.asked_class import Questions, ask
from cnnjobs.figures.methods.randomisation import Maps, pictures, rank_correlations, reinitialised, summary
from cnnjobs.figures.network.subject import Progress, Subject
from cnnjobs.registry import NonNegativeInt, PositiveInt, register

_IMAGES: Final = 8


@register("figure", "randomisation")
def randomisation(  # noqa: PLR0913 (every option is one of the command line)
    subject: Subject,
    progress: Progress,
    *,
    layer: str | None = None,
    image: str | None = None,
    images: tuple[NonNegativeInt, ...] = (),
    split: Literal["train", "validation", "test"] = "test",
    class_: str | None = None,
    networks: PositiveInt = 2,
    seed: NonNegativeInt = 0,
) -> Iterator[Drawing]:
    """Dependence of pictures on training: the rank correlation with those of networks that have had none."""
    asked = ask(subject, image=image, images=images, split=split, wanted=class_, number=_IMAGES)
    name = layer or subject.last_maps()
    question = asked.inputs, asked.classes, name, seed
    trained, notes = pictures(subject.model, *question)
    progress(1, networks + 1)
    untrained = []
    for number in range(networks):
        untrained.append(pictures(reinitialised(subject.model, seed + number), *question)[0])
        progress(number + 2, networks + 1)
    found = {
        method: summary(np.concatenate([rank_correlations(maps, others[method]) for others in untrained]))
        for method, maps in trained.items()
    }
    title = "How much pictures depend on training"
    values = [f"{method} {_rounded(each['mean'])}" for method, each in found.items()]
    notes += ["near 1, a picture shows the image and not what was learned"]
    facts = {"kind": "randomisation", **asked.facts, "layer": name, "networks": networks, "seed": seed, "notes": notes}
    marks = [] if class_ is None else [class_]
    yield Drawing(
        name=file_name("randomisation", name, asked.names, *marks, *[f"seed-{seed}"] * (seed > 0)),
        figure=_figure(asked, trained, untrained, values, title),
        caption=(
            f"{title}, of {subject.name}: Spearman's rank correlation of how strongly pixels are marked by it and by"
            f" {_some(networks, 'network')} with new random weights, for the same classes, mean over {asked.names}:"
            f" {', '.join(values)} (of {name}); {'; '.join(notes)}."
        ),
        data={"images": asked.shown, **_arrays("trained", trained), **_arrays("untrained", untrained[0])},
        facts=facts,
        table=[{"method": method, **each} for method, each in found.items()],
    )


def _figure(asked: Questions, trained: Maps, untrained: Sequence[Maps], values: Sequence[str], title: str) -> Figure:
    """The first image with its pictures by two of the networks, and above them the correlations of all images."""
    means = f"mean over {_some(len(asked.images), 'image')} and {_some(len(untrained), 'untrained network')}"
    note = f"numbers: rank correlation of both, {means}; near 1, a picture shows the image and not what was learned"
    rows = []
    for maps, words in ((trained, [asked.words()[0], *values]), (untrained[0], [""] * (len(values) + 1))):
        tiles = [asked.shown[0], *(strengths(each[:1])[0] for each in maps.values())]
        rows.append([Panel(tile, text) for tile, text in zip(tiles, words, strict=True)])
    return panel_rows(rows, title, note, labels=["trained", "untrained"])


def _some(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count > 1)}"


def _arrays(key: str, maps: Maps) -> Maps:
    return {f"{key}_{file_name(method)}": values for method, values in maps.items()}


def _rounded(value: float | None) -> str:
    return "has none" if value is None else f"{value:.2f}"
