"""Attribution of a class to parts of an image: saliency in three forms, and Grad-CAM."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from cnnjobs.figures.drawing.figure import Drawing, file_name
from cnnjobs.figures.drawing.heatmap import directions, enlarged, overlaid, strengths
from cnnjobs.figures.drawing.mosaics import Pixels
from cnnjobs.figures.drawing.rows import Panel, panel_rows
from cnnjobs.figures.methods.asked_class import Questions, ask
from cnnjobs.figures.methods.attribution import class_signals, grad_cam, integrated_gradients, smooth_gradients
from cnnjobs.figures.network.subject import Subject
from cnnjobs.registry import NonNegativeFloat, NonNegativeInt, PositiveInt, register

_MOST_BESIDE: Final = 2


@register("figure", "saliency")
def saliency(  # noqa: PLR0913 (every option is one of the command line)
    subject: Subject,
    *,
    image: str | None = None,
    images: tuple[NonNegativeInt, ...] = (),
    split: Literal["train", "validation", "test"] = "test",
    class_: str | None = None,
    samples: PositiveInt = 50,
    noise: NonNegativeFloat = 0.15,
    steps: PositiveInt = 50,
    baseline: Literal["black", "gray", "mean"] = "black",
    seed: NonNegativeInt = 0,
) -> Iterator[Drawing]:
    """Pixels that speak for a class, the predicted one without --class: gradient, SmoothGrad, integrated gradients."""
    asked = ask(subject, image=image, images=images, split=split, wanted=class_)
    model, inputs, classes = subject.model, asked.inputs, asked.classes
    plain = _pixels(class_signals(model, inputs, classes))
    smooth = _pixels(smooth_gradients(model, inputs, classes, samples=samples, noise=noise, seed=seed))
    integral = integrated_gradients(model, inputs, classes, _baseline(subject, baseline), steps=steps)
    whole = _pixels(integral.values)
    rows = [strengths(np.abs(plain).max(-1)), strengths(np.abs(smooth).max(-1)), directions(whole.sum(-1))]
    title = f"What speaks for the class in {asked.names}"
    note = "gradients: white is the largest of the channels; integrated: red speaks for the class, blue against it"
    missing = float(integral.errors.max())
    complete = "" if integral.complete else ", so they are not complete"
    yield Drawing(
        name=file_name("saliency", asked.names, *([] if class_ is None else [class_])),
        figure=_in_rows(asked, rows, ["gradient", "SmoothGrad", "integrated"], title, note),
        caption=(
            f"{title}, by {subject.name}: the gradient of the logit, its mean over {samples} copies with noise of"
            f" {noise:g} of the range of values, and gradients integrated from a {baseline} image in {integral.steps}"
            f" steps, which should add up to what the logit gains and miss at most {missing:.2%} of"
            f" it{complete}; full colour is the 99th percentile of each."
        ),
        data={
            **{"images": asked.shown, "gradient": plain, "smoothgrad": smooth, "integrated": whole},
            "completeness_errors": integral.errors.cpu().numpy(),
        },
        facts={
            "kind": "saliency",
            **asked.facts,
            **{"samples": samples, "noise": noise, "steps": integral.steps, "baseline": baseline, "seed": seed},
            "completeness_errors": integral.errors.tolist(),
        },
    )


@register("figure", "gradcam")
def gradcam(
    subject: Subject,
    *,
    layer: str | None = None,
    image: str | None = None,
    images: tuple[NonNegativeInt, ...] = (),
    split: Literal["train", "validation", "test"] = "test",
    class_: str | None = None,
) -> Iterator[Drawing]:
    """Places of a layer that speak for a class (Grad-CAM), the predicted one without --class."""
    asked = ask(subject, image=image, images=images, split=split, wanted=class_)
    name = layer or subject.last_maps()
    maps = grad_cam(subject.model, asked.inputs, name, asked.classes)
    heat = enlarged(maps, subject.input_shape[1:])
    dark = [words for words, each in zip(asked.words(), heat, strict=True) if not each.any()]
    title = f"{name}, Grad-CAM: what speaks for the class in {asked.names}"
    note = "yellow speaks most for the class, black not at all" + f"; nowhere for {', '.join(dark)}" * bool(dark)
    height, width = maps.shape[1:]
    yield Drawing(
        name=file_name("gradcam", name, asked.names, *([] if class_ is None else [class_])),
        figure=_in_rows(asked, [overlaid(asked.shown, heat)], ["Grad-CAM"], title, note),
        caption=(
            f"{title}, by {subject.name}: the {height}×{width} maps of the layer weighted with the mean gradient of the"
            f" logit, what is below 0 left out, enlarged to the image; {note}; asked for {'; '.join(asked.words())}."
        ),
        data={"images": asked.shown, "maps": maps.cpu().numpy(), "classes": asked.classes.cpu().numpy()},
        facts={"kind": "gradcam", **asked.facts, "layer": name},
    )


def _in_rows(asked: Questions, rows: Sequence[Pixels], labels: Sequence[str], title: str, note: str) -> Figure:
    """A column for each image with what was computed of it below, or a row for each of at most two."""
    words = asked.words()
    columns = [
        [Panel(asked.shown[place], words[place]), *(Panel(row[place]) for row in rows)] for place in range(len(words))
    ]
    if len(words) > _MOST_BESIDE:
        return panel_rows([*zip(*columns, strict=True)], title, note, labels=["image", *labels])
    return panel_rows(
        [
            [first, *(Panel(each.pixels, label) for each, label in zip(others, labels, strict=True))]
            for first, *others in columns
        ],
        title,
        note,
    )


def _pixels(signals: Tensor) -> NDArray[np.float32]:
    """signals (N, C, H, W) -> (N, H, W, C)."""
    return signals.permute(0, 2, 3, 1).float().cpu().numpy()


def _baseline(subject: Subject, name: str) -> Tensor:
    """An image (C, H, W) as the model takes it; the mean is that of the normalisation."""
    shape = subject.input_shape
    if name == "mean":
        return torch.zeros(shape, device=subject.device)
    pixels = torch.full((1, *shape), 0.5 if name == "gray" else 0.0, device=subject.device)
    return subject.normalisation(pixels)[0]
