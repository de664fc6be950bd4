"""Scores of each class: confusion matrix, scores, the most-confused pairs, and single mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from cnnjobs.errors import InputError
from cnnjobs.figures.drawing.figure import Drawing, file_name
from cnnjobs.figures.drawing.rows import Panel, in_rows, panel_rows
from cnnjobs.figures.methods.score_charts import MOST_NAMED, class_chart, confusion_chart, pair_chart
from cnnjobs.figures.methods.scores import class_scores, confusion_matrix, macro_f1, most_confused
from cnnjobs.figures.network.predictions import find_outcome
from cnnjobs.figures.network.subject import Progress, Subject
from cnnjobs.registry import PositiveInt, register

# More rows do not fit on a page.
_MOST_ROWS: Final = 50


@dataclass(frozen=True, eq=False)
class _Confusion:
    """Counts (true class, predicted class) of a split."""

    subject: Subject
    split: str
    matrix: NDArray[np.int64]

    @property
    def images(self) -> str:
        """Number of images counted."""
        return f"{self.matrix.sum():,} {self.split} images"

    @property
    def facts(self) -> dict[str, Any]:
        """Facts that all of its figures share."""
        number = int(self.matrix.sum())
        accuracy = int(self.matrix.trace()) / number
        about = {"kind": "confusion", "network": self.subject.name, "split": self.split}
        return {**about, "num_images": number, "accuracy": accuracy}


@register("figure", "confusion")
def confusion(
    subject: Subject,
    progress: Progress,
    *,
    split: Literal["train", "validation", "test"] = "test",
    top: PositiveInt = 12,
) -> Iterator[Drawing]:
    """Confusions between classes: confusion matrix; precision, recall and F1 per class; most-confused pairs."""
    found = find_outcome(subject, split, progress)
    matrix = confusion_matrix(found.labels, found.predicted, len(subject.classes))
    counted = _Confusion(subject, split, matrix)
    yield _matrix(counted)
    yield _classes(counted)
    if matrix.trace() < matrix.sum():
        yield _pairs(counted, top)


def _matrix(counted: _Confusion) -> Drawing:
    classes, matrix = counted.subject.classes, counted.matrix
    title = f"Confusion of {counted.images}, {counted.facts['accuracy']:.1%} right"
    cells = "counts in the cells" if len(classes) <= MOST_NAMED else "in the order of the classes"
    colours = f"{cells}, colours by the share of the row"
    return Drawing(
        name=file_name("confusion", counted.split),
        figure=confusion_chart(matrix, classes, title),
        caption=f"{title}, by {counted.subject.name}: rows are true classes, columns predicted ones, {colours}.",
        data={"counts": matrix},
        facts=counted.facts,
        table=[
            {"true class": name, **dict(zip(classes, row, strict=True))}
            for name, row in zip(classes, matrix.tolist(), strict=True)
        ],
    )


def _classes(counted: _Confusion) -> Drawing:
    scores = class_scores(counted.matrix, counted.subject.classes)
    known = [(each.f1, each) for each in scores if each.f1 is not None]
    ranked = sorted(known, key=lambda pair: -pair[0])[-_MOST_ROWS:]
    mean, (lowest, worst) = macro_f1(scores), ranked[-1]
    which = (
        "each class" if len(ranked) == len(known) else f"the {len(ranked)} of {len(known)} classes with the lowest F1"
    )
    title = f"Precision, recall and F1 of {which}, {counted.images}"
    summary = f"the best F1 first; their mean is {mean:.3f}, the lowest {lowest:.3f} ({worst.name})"
    rows = [
        {
            **{"class": each.name, "images": each.images, "predicted": each.predicted, "right": each.right},
            **{"precision": each.precision, "recall": each.recall, "f1": each.f1},
        }
        for each in scores
    ]
    columns = ("precision", "recall", "f1")
    return Drawing(
        name=file_name("confusion", counted.split, "classes"),
        figure=class_chart([each for _, each in ranked], title),
        caption=f"{title}, by {counted.subject.name}, {summary}.",
        data={
            "scores": np.array([[row[key] or 0.0 for key in columns] for row in rows], dtype=np.float64),
            "images": counted.matrix.sum(axis=1),
        },
        facts={**counted.facts, "macro_f1": mean},
        table=rows,
    )


def _pairs(counted: _Confusion, top: int) -> Drawing:
    pairs = most_confused(counted.matrix, counted.subject.classes, top)
    mistakes = int(counted.matrix.sum() - counted.matrix.trace())
    covered = sum(pair.count for pair in pairs)
    title = f"The most-confused pairs, {counted.images}"
    first = f"{pairs[0].truth} for {pairs[0].predicted} {pairs[0].count} times"
    return Drawing(
        name=file_name("confusion", counted.split, "pairs"),
        figure=pair_chart(pairs, title),
        caption=(
            f"{title}, of {counted.subject.name}: true class → predicted class, {covered:,} of {mistakes:,} mistakes;"
            f" the first took {first}."
        ),
        data={"counts": np.array([pair.count for pair in pairs])},
        facts={**counted.facts, "mistakes": mistakes},
        table=[
            {"true": pair.truth, "predicted": pair.predicted, "count": pair.count, "share": pair.share}
            for pair in pairs
        ],
    )


@register("figure", "mistakes")
def mistakes(
    subject: Subject,
    progress: Progress,
    *,
    split: Literal["train", "validation", "test"] = "test",
    top: PositiveInt = 20,
) -> Iterator[Drawing]:
    """The images that the network is wrong about, the surest first: predicted class, confidence, true class, number."""
    found = find_outcome(subject, split, progress)
    (wrong,) = np.nonzero(~found.right)
    if not len(wrong):
        raise InputError(f"{subject.name} makes no mistake on {len(found.labels):,} {split} images")
    # Stable: equally sure ones stand in the order of their numbers.
    chosen = wrong[np.argsort(-found.confidence[wrong], kind="stable")[:top]]
    images = subject.images(chosen.tolist(), split)
    said = [subject.classes[number] for number in found.predicted[chosen].tolist()]
    sure = found.confidence[chosen].tolist()
    panels = [
        Panel(image.shown, f"{image.index}: {label} {share:.0%} ({image.label})")
        for image, label, share in zip(images, said, sure, strict=True)
    ]
    title = f"The surest mistakes: {len(chosen)} of {len(wrong):,} in {len(found.labels):,} {split} images"
    note = "number: predicted class with its probability (true class)"
    yield Drawing(
        name=file_name("mistakes", split),
        figure=panel_rows(in_rows(panels), title, note),
        caption=f"{title}, of {subject.name}; above each {note}.",
        data={
            "images": np.stack([image.shown for image in images]),
            **{"indices": chosen, "labels": found.labels[chosen], "predicted": found.predicted[chosen]},
            "confidence": found.confidence[chosen],
        },
        facts={"kind": "mistakes", "network": subject.name, "split": split, "mistakes": len(wrong)},
        table=[
            {"index": image.index, "true": image.label, "predicted": label, "confidence": share}
            for image, label, share in zip(images, said, sure, strict=True)
        ],
    )
