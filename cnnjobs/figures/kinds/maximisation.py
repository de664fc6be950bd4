"""Images that excite a channel most, made by following its gradient: from nearly nothing, or from a real image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from cnnjobs.errors import InputError
from cnnjobs.figures.drawing.figure import Drawing, file_name, in_words
from cnnjobs.figures.drawing.mosaics import Pixels, coloured, rgb
from cnnjobs.figures.drawing.rows import Panel, panel_rows
from cnnjobs.figures.drawing.sheets import sheets
from cnnjobs.figures.methods.maximisation import REACH, Ascent, Maximised, maximise, noise
from cnnjobs.figures.methods.top_images import SCORES, search
from cnnjobs.figures.network.layers import Prefix, check_channel, check_spatial
from cnnjobs.figures.network.subject import InputImage, Progress, Subject
from cnnjobs.registry import NonNegativeFloat, NonNegativeInt, PositiveInt, register

# Of the images that are drawn from noise; one that starts from an image has what its source has: neither.
_VARIATION: Final = 0.5
_LARGEST_JITTER: Final = 8
_DISTANCE: Final = 1.0


@register("figure", "maximize")
def maximize(  # noqa: PLR0913 (every option is one of the command line)
    subject: Subject,
    progress: Progress,
    *,
    layer: str | None = None,
    channel: NonNegativeInt | None = None,
    indices: tuple[NonNegativeInt, ...] = (),
    first: PositiveInt = 9,
    score: Literal["sum", "max", "mean"] = "mean",
    image: str | None = None,
    from_top_image: bool = False,
    lambda_: NonNegativeFloat | None = None,
    split: Literal["train", "validation", "test"] = "test",
    steps: PositiveInt = 200,
    jitter: NonNegativeInt | None = None,
    tv: NonNegativeFloat | None = None,
    fourier: bool = False,
    seed: NonNegativeInt = 0,
) -> Iterator[Drawing]:
    """Images made to excite channels; or an image, each channel's top one, changed to, at lambda x squared distance."""
    if image is not None and from_top_image:
        raise InputError("--image and --from-top-image: give one of the two")
    from_image = image is not None or from_top_image
    if lambda_ is not None and not from_image:
        raise InputError("--lambda weighs the distance to an image: give --from-top-image, or one with --image")
    name = layer or subject.last_maps()
    if channel is not None and indices:
        raise InputError("--channel and --indices: give one of the two")
    output, of_classes = _output(subject, name)
    channels = (channel,) if channel is not None else indices or tuple(range(min(first, output.shape[1])))
    for each in channels:
        check_channel(name, output, each)
    usual = _usual(subject, from_image=from_image)
    given = {"distance": lambda_, "variation": tv, "jitter": jitter}
    asked_for: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    ascent = replace(usual, steps=steps, score=score, fourier=fourier, seed=seed, **asked_for)
    measure = SCORES[score] if output.ndim == 4 else "value"
    asked = _Asked(subject, name, channels, ascent, usual, measure, of_classes, progress)
    if from_top_image:
        found = search(subject, name, split, score=score, top=1, progress=progress)
        sources = subject.images([int(found.indices[each, 0]) for each in channels], split)
        yield _from_images(asked, sources, f"the top {split} image")
    elif image is not None:
        source = subject.image(image, split)
        yield _from_images(asked, [source] * len(channels), source.name)
    else:
        yield from _from_noise(asked)


def _usual(subject: Subject, *, from_image: bool) -> Ascent:
    """Default settings: only what comes from noise is moved about and kept smooth."""
    if from_image:
        return Ascent(distance=_DISTANCE)
    return Ascent(variation=_VARIATION, jitter=min(_LARGEST_JITTER, subject.input_shape[1] // 16))


def _output(subject: Subject, layer: str) -> tuple[Tensor, bool]:
    """Output of the layer for a black image, (1, K, h, w) or (1, K), and whether that is the logits.

    Raises InputError.
    """
    black = torch.zeros(1, *subject.input_shape, device=subject.device)
    with torch.no_grad():
        output, logits = Prefix(subject.model, layer)(black), Prefix(subject.model, "")(black)
    if output.ndim != 2:
        check_spatial(layer, output)
    return output, torch.equal(output, logits) and output.shape[1] == len(subject.classes)


@dataclass(frozen=True, eq=False)
class _Asked:
    """Images to make, and their channels."""

    subject: Subject
    layer: str
    channels: tuple[int, ...]
    ascent: Ascent
    usual: Ascent
    measure: str
    of_classes: bool
    progress: Progress

    @property
    def which(self) -> str:
        """The layer and its channels in words."""
        return f"{self.layer}, channel{'s' * (len(self.channels) > 1)} {in_words(self.channels)}"

    @property
    def each(self) -> str:
        """One channel, or each of them."""
        return "each" if len(self.channels) > 1 else "it"

    def name(self, channel: int) -> str:
        """The channel's number, and its class where the layer's values are the logits."""
        return f"{channel} {self.subject.classes[channel]}" if self.of_classes else f"{channel}"

    def make(self, starts: Tensor) -> Maximised:
        """The images that were found, from starts (n, C, H, W) in [0, 1]."""
        subject = self.subject
        starts = starts.to(subject.device)
        return maximise(
            subject.model,
            subject.normalisation,
            self.layer,
            self.channels,
            starts=starts,
            ascent=self.ascent,
            progress=self.progress,
        )

    def drawing(self, name: str, figure: Figure, caption: str, found: Maximised, data: dict[str, Any]) -> Drawing:
        """The figure with all that is known of it."""
        arrays = {
            "images": _shown(found.pixels),
            "channels": np.asarray(self.channels),
            "activations": found.activations.numpy(),
            "activations_before": found.before.numpy(),
            "course": found.course.numpy(),
            "steps": np.asarray(found.steps),
        }
        facts = {"kind": "maximize", "network": self.subject.name, "layer": self.layer, **asdict(self.ascent)}
        return Drawing(name, figure, caption, {**arrays, **data}, {**facts, "channels": list(self.channels)})

    def how(self) -> str:
        """Method in words."""
        ascent = self.ascent
        parts = [f"{ascent.steps} steps, every pixel legal at each"]
        parts += ["steps of the spectrum"] if ascent.fourier else []
        parts += [f"jitter {ascent.jitter}"] if ascent.jitter else []
        parts += [f"total variation weighed with {ascent.variation:g}"] if ascent.variation else []
        return ", ".join(parts)

    def marks(self) -> list[str]:
        """Settings that differ from the default, for the name of the file."""
        usual = asdict(self.usual)
        changed = {key: value for key, value in asdict(self.ascent).items() if value != usual[key]}
        return [key if value is True else f"{key}-{value}" for key, value in changed.items()]


def _from_noise(asked: _Asked) -> Iterator[Drawing]:
    """Images made from nearly gray noise."""
    subject, ascent = asked.subject, asked.ascent
    found = asked.make(noise(subject.input_shape, asked.channels, ascent.seed))
    values = found.activations.tolist()
    silent = [
        channel for channel, wakes in zip(asked.channels, found.activations > found.before, strict=True) if not wakes
    ]
    words = [f"{asked.name(channel)}: {value:.4g}" for channel, value in zip(asked.channels, values, strict=True)]
    made = "images" if len(asked.channels) > 1 else "an image"
    title = f"{asked.which}: {made} made to excite {asked.each} most, by the {asked.measure}"
    note = "channel: what the image is worth" + "; ×: nothing wakes it" * bool(silent)
    start, end = float(found.before.mean()), float(found.activations.mean())
    gain = f"on average from {start:.3g} for the noise that they started from to {end:.4g}"
    for page, figure in sheets(rgb(_shown(found.pixels)), asked.channels, words, title, note, crossed=silent):
        on_page = [in_words(asked.channels[page.start : page.stop])]
        yield asked.drawing(
            file_name("maximize", asked.layer, *on_page, *asked.marks()),
            figure,
            f"{title}, of {subject.name}: {asked.how()}; {gain}.",
            found,
            {},
        )


def _from_images(asked: _Asked, sources: Sequence[InputImage], what: str) -> Drawing:
    """Images changed to excite a channel more, beside what they were."""
    subject, ascent = asked.subject, asked.ascent
    shown = np.stack([source.shown for source in sources])
    found = asked.make(torch.from_numpy(shown).permute(0, 3, 1, 2).float() / 255)
    made = _shown(found.pixels)
    changes, _ = coloured(rgb(made.astype(np.float64) - shown), shared=False)
    rows = []
    columns = (found.before.tolist(), found.activations.tolist(), found.distances.tolist())
    for place, (before, after, distance) in enumerate(zip(*columns, strict=True)):
        source = sources[place]
        name = source.name if source.index is None else f"{source.index} {source.label}"
        rows.append([
            Panel(shown[place], f"{name}: {before:.4g}"),
            Panel(made[place], f"changed: {after:.4g}"),
            Panel(changes[place], f"change: {distance:.3g}"),
        ])  # fmt: skip
    title = f"{asked.which}: {what}, changed to excite {asked.each} more, λ = {ascent.distance:g}"
    note = f"numbers: {asked.measure}; root mean square of the change in normalised pixels; gray is no change"
    labels = [f"channel {asked.name(channel)}" for channel in asked.channels]
    name = file_name("maximize", asked.layer, in_words(asked.channels), what, *asked.marks())
    before, after, distance = (column[0] for column in columns)
    caption = (
        f"{title}, of {subject.name}: {asked.measure} minus λ times the mean squared distance to the image, in units in"
        f" which λ = 1 is worth a change of about {REACH:g},"
        f" {asked.how()}; of channel {asked.channels[0]} from {before:.4g} to {after:.4g} at a root mean square"
        f" distance of {distance:.3g} in normalised pixels."
    )
    return asked.drawing(
        name,
        panel_rows(rows, title, note, labels=labels),
        caption,
        found,
        {
            "starts": shown,
            "indices": np.asarray([-1 if source.index is None else source.index for source in sources]),
            "distances": found.distances.numpy(),
        },
    )


def _shown(pixels: Tensor) -> Pixels:
    """pixels (n, C, H, W) uint8 -> (n, H, W, C)."""
    return pixels.permute(0, 2, 3, 1).numpy()
