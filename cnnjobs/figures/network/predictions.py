"""Predictions for every image of a split."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnnjobs.errors import InputError
from cnnjobs.figures.network.subject import Progress, Subject
from cnnjobs.training.data.gathering import OutcomeCollector
from cnnjobs.training.data.test_predictions import Outcome, read_outcome
from cnnjobs.training.networks.evaluate import autocast, undisturbed


def find_outcome(subject: Subject, split: str, progress: Progress) -> Outcome:
    """Predictions for each image of a split: kept ones for test images, else new ones for all.

    Raises InputError, DataError.
    """
    if split == "test" and subject.folder is not None:
        try:
            kept = read_outcome(subject.folder)
        except ValueError as error:
            raise InputError(f"{error}; without this file the images are looked at again") from error
        if kept is not None:
            return kept
    collector = OutcomeCollector()
    for logits, labels in _answers(subject, split, progress):
        collector.add(logits, labels)
    outcome = collector.outcome()
    assert outcome is not None
    return outcome


def find_logits(subject: Subject, split: str, progress: Progress) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits (N, classes) and labels (N,) of a split, looked at image by image. Raises InputError, DataError."""
    parts = list(_answers(subject, split, progress))
    logits, labels = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    return logits, labels


def draw_images(subject: Subject, split: str, number: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images of a split that are drawn at random, as the network takes them (n, C, H, W), and their labels (n,).

    All of them where it has fewer. Raises InputError, DataError.
    """
    images = subject.split(split)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:number].to(subject.device)
    return subject.preprocessing(images.images(order)), _places(subject)[images.labels[order]]


def _answers(subject: Subject, split: str, progress: Progress) -> list[tuple[Tensor, Tensor]]:
    """Logits (B, classes), float32, and labels (B,) as the network counts them, of batch after batch."""
    images = subject.split(split)
    places = _places(subject)
    precision = subject.config.precision if subject.config else "float32"
    found = []
    done = 0
    with undisturbed(subject.model), torch.no_grad(), autocast(subject.device, precision):
        for inputs, labels in subject.preprocessing.batches(images, 1):
            found.append((subject.model(inputs).float(), places[labels]))
            done += len(labels)
            progress(done, len(images))
    return found


def _places(subject: Subject) -> Tensor:
    """Where each class of the data set (K,) stands among those of the network. Raises InputError."""
    assert subject.config is not None
    classes = subject.data_sets.get(subject.config).classes
    if classes == subject.classes:
        return torch.arange(len(classes), device=subject.device)
    unknown = [name for name in classes if name not in subject.classes]
    if unknown:
        found = f"{len(unknown)} classes of data set `{subject.config.dataset.name}`, `{unknown[0]}` among them"
        raise InputError(f"{subject.name} does not tell {found}: it cannot be right or wrong about them")
    return torch.tensor([subject.classes.index(name) for name in classes], device=subject.device)
