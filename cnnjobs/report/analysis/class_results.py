"""Class scores of the chosen configuration on the test split, by its networks' predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

import numpy as np

from cnnjobs.figures.methods.scores import ClassScores, class_scores, confusion_matrix, macro_f1, most_confused
from cnnjobs.report.results.files import Grid
from cnnjobs.report.results.statistics import summarise
from cnnjobs.report.results.table import Choice, ResultsTable
from cnnjobs.report.text import numbers
from cnnjobs.training.data.test_predictions import read_outcome

_MOST_CONFUSED: Final = 3


@dataclass(frozen=True)
class ClassResults:
    """The scores of each class, once for every seed, and sentences: what is confused, and which seeds are left out."""

    label: str
    seeds: tuple[tuple[ClassScores, ...], ...]
    confused: str
    left_out: str


def class_results(table: ResultsTable, choice: Choice) -> ClassResults | None:
    """Those of a configuration's finished runs; None where none of them has kept what it said."""
    classes: tuple[str, ...] = ()
    matrices, missing = [], []
    for record in table.finished(choice.configuration.runs):
        try:
            outcome = read_outcome(table.store.run(record.run_id))
        except ValueError as error:
            outcome = None
            missing.append(str(error))
        if outcome is not None and record.classes:
            classes = record.classes
            matrices.append(confusion_matrix(outcome.labels, outcome.predicted, len(classes)))
    if not matrices:
        return None
    pairs = most_confused(np.sum(matrices, axis=0), classes, _MOST_CONFUSED)
    told = [f"{pair.truth} taken for {pair.predicted} ({numbers.share(pair.share)})" for pair in pairs]
    confused = f"Confused most, as shares of the images of a class: {numbers.listed(told)}." if told else ""
    scores = tuple(class_scores(matrix, classes) for matrix in matrices)
    return ClassResults(choice.configuration.label, scores, confused, "; ".join(missing))


def classes_grid(found: ClassResults) -> Grid:
    """A row per class, mean ± sd over the seeds, and their mean."""
    rows = []
    for own in zip(*found.seeds, strict=True):
        scores = ([each.precision for each in own], [each.recall for each in own], [each.f1 for each in own])
        rows.append((own[0].name, f"{own[0].images:,}", *map(_told, scores)))
    means = zip(
        *(
            (_mean([each.precision for each in seed]), _mean([each.recall for each in seed]), macro_f1(seed))
            for seed in found.seeds
        ),
        strict=True,
    )
    rows.append(("mean of the classes", "", *map(_told, means)))
    return Grid(("class", "images", "precision", "recall", "F1"), tuple(rows))


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return fmean(known) if known else None


def _told(values: Sequence[float | None]) -> str:
    return numbers.mean_and_sd("test.accuracy", summarise([value for value in values if value is not None]))
