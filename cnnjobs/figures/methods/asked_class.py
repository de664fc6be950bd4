"""Images, and the class that is asked about in each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from cnnjobs.errors import InputError, suggest_nearest
from cnnjobs.figures.drawing.figure import in_words
from cnnjobs.figures.drawing.mosaics import Pixels
from cnnjobs.figures.methods.attribution import logits_of
from cnnjobs.figures.network.subject import InputImage, Subject

# So many images where none is named.
FEW: Final = 4


@dataclass(frozen=True, eq=False)
class Questions:
    """Images with the class that is asked about in each, `classes` (N,), and all logits (N, classes)."""

    subject: Subject
    images: tuple[InputImage, ...]
    inputs: Tensor
    classes: Tensor
    logits: Tensor

    @property
    def shown(self) -> Pixels:
        """The images as people see them, (N, H, W, C)."""
        return np.stack([image.shown for image in self.images])

    @property
    def names(self) -> str:
        """The images in words."""
        numbers = [image.index for image in self.images if image.index is not None]
        if len(self.images) == 1 or len(numbers) < len(self.images):
            return self.images[0].name
        return f"{self.images[0].name.split()[0]} images {in_words(numbers)}"

    def words(self) -> list[str]:
        """Of each image its number and class, and what the network says of the class that is asked about."""
        shares = self.logits.softmax(1).gather(1, self.classes[:, None])[:, 0].tolist()
        asked = [self.subject.classes[number] for number in self.classes.tolist()]
        return [
            (image.name if image.index is None else f"{image.index} {image.label}") + f": {name} {share:.0%}"
            for image, name, share in zip(self.images, asked, shares, strict=True)
        ]

    @property
    def facts(self) -> dict[str, Any]:
        """Facts of the images."""
        asked = [self.subject.classes[number] for number in self.classes.tolist()]
        images = [{"name": image.name, "index": image.index, "class": image.label} for image in self.images]
        return {"network": self.subject.name, "images": images, "asked": asked}


def ask(
    subject: Subject,
    *,
    image: str | None,
    images: Sequence[int],
    split: str,
    wanted: str | None = None,
    number: int = FEW,
) -> Questions:
    """The images that are named, or a few from all over the split, or the test card where there is none.

    What is asked about is the class `wanted`, else the predicted ones. Raises InputError.
    """
    if images and image is not None:
        raise InputError("--image and --images: give one of the two")
    if not images and image is None and subject.config is not None:
        every = len(subject.split(split))
        # Files often stand class by class.
        images = range(0, every, math.ceil(every / number))
    found = subject.images(images, split) if images else [subject.image(image, split)]
    inputs = torch.cat([each.inputs for each in found])
    logits = logits_of(subject.model, inputs)
    if logits.shape[1] != len(subject.classes):
        raise InputError(f"{subject.name} gives {logits.shape[1]} numbers per image for {len(subject.classes)} classes")
    classes = logits.argmax(1) if wanted is None else torch.full_like(logits.argmax(1), _class(subject, wanted))
    return Questions(subject, tuple(found), inputs, classes, logits.cpu())


def _class(subject: Subject, wanted: str) -> int:
    """The number of a class by its name or number. Raises InputError."""
    if wanted in subject.classes:
        return subject.classes.index(wanted)
    if wanted.isdecimal() and int(wanted) < len(subject.classes):
        return int(wanted)
    remedy = suggest_nearest(wanted, subject.classes, f"write a name, or a number from 0 to {len(subject.classes) - 1}")
    raise InputError(f"--class {wanted}: no such class of {subject.name}; {remedy}")
