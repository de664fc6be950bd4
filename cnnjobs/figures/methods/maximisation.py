"""Images that excite a channel, found by following its gradient; every step is an image that a file could hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import torch
from torch import Tensor, nn

from cnnjobs.figures.backprop.graph import kind
from cnnjobs.figures.methods.spectrum import Canvas, Pixels, Spectrum
from cnnjobs.figures.methods.top_images import Score, score_of
from cnnjobs.figures.network.layers import Prefix, check_channel, check_spatial
from cnnjobs.figures.network.subject import Progress

# By so much a distance of 1 lets an image change, as a root mean square of normalised pixels: it is still the image.
REACH: Final = 0.25
# How often an image is looked at as a file would hold it.
_LOOK: Final = 10
_BATCH: Final = 16
_PROBES: Final = 10
# What may lie between a ReLU and the output of the layer that it belongs to.
_BEHIND_RELU: Final = {"Clone", "MaxPool2DWithIndices", "AvgPool2D", "AdaptiveAvgPool2D", "AdaptiveMaxPool2D", "Mean"}


@dataclass(frozen=True)
class Ascent:
    """Objective of the ascent, a·exp(-variation·v) - distance·c·d, and how.

    a is the `score` of the channel's map; v the total variation, the mean step from a pixel to the next one below and
    beside it, of pixels in [0, 1]; d the mean squared distance to the start, of normalised pixels. c is the image's
    own: with the steepest slope |∇a| near the start, a distance of 1 is worth a change of `REACH`, 2 half of it. So it
    means the same for every layer, channel and score, however large their values are. Each step sees the image moved by
    up to `jitter` pixels either way. With `fourier` the steps are those of the image's spectrum (Olah et al. 2017,
    https://distill.pub/2017/feature-visualization). In the first half of the steps the layer's own ReLU lets all
    gradients through, so that silent units wake.
    """

    steps: int = 200
    score: Score = "mean"
    distance: float = 0.0
    variation: float = 0.0
    jitter: int = 0
    fourier: bool = False
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Maximised:
    """For each of n channels the best image that was met, `pixels` (n, C, H, W) uint8, and what it is worth.

    `activations` (n,), those of the start `before` (n,) and the `distances` (n,) to it, root mean squares of normalised
    pixels, are those of images of 8 bits. `course` (looks, n) are the best activations after `steps` (looks,).
    """

    pixels: Tensor
    activations: Tensor
    before: Tensor
    distances: Tensor
    course: Tensor
    steps: tuple[int, ...]


def noise(shape: tuple[int, int, int], channels: Sequence[int], seed: int) -> Tensor:
    """Nearly gray images (n, C, H, W) in [0, 1] to start from; that of a channel is the same beside any others."""
    images = []
    for channel in channels:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + channel)
        images.append(0.5 + 0.02 * torch.randn(shape, generator=generator))
    return torch.stack(images).clamp(0, 1)


def maximise(
    model: nn.Module,
    normalise: Callable[[Tensor], Tensor],
    layer: str,
    channels: Sequence[int],
    *,
    starts: Tensor,
    ascent: Ascent = Ascent(),
    progress: Progress | None = None,
) -> Maximised:
    """The images that excite channels of a layer, also of one without maps, each from its start (n, C, H, W) in [0, 1].

    `normalise` makes what the model takes of images in [0, 1]. Raises InputError for a channel that the layer has not.
    """
    prefix = Prefix(model, layer)
    with torch.no_grad():
        output = prefix(normalise(starts[:1]))
    if output.ndim != 2:
        check_spatial(layer, output)
    for channel in channels:
        check_channel(layer, output, channel)
    batches = [slice(start, start + _BATCH) for start in range(0, len(channels), _BATCH)]
    parts = []
    for number, place in enumerate(batches):
        chosen = torch.tensor(channels[place], device=starts.device)
        climb = _Climb(prefix, normalise, chosen, starts[place], ascent)
        moved = _counting_on(progress, number * ascent.steps, len(batches) * ascent.steps)
        with torch.inference_mode(False), torch.enable_grad():
            parts.append(climb.run(moved))
    return Maximised(
        pixels=torch.cat([part.pixels for part in parts]),
        activations=torch.cat([part.activations for part in parts]),
        before=torch.cat([part.before for part in parts]),
        distances=torch.cat([part.distances for part in parts]),
        course=torch.cat([part.course for part in parts], dim=1),
        steps=parts[0].steps,
    )


def _counting_on(progress: Progress | None, done: int, total: int) -> Callable[[int], None]:
    return lambda step: None if progress is None else progress(done + step, total)


@dataclass(frozen=True, eq=False)
class _Looked:
    """Images (n, C, H, W) of whole numbers from 0 to 255, what is maximised (n,), and the activations (n,)."""

    pixels: Tensor
    goals: Tensor
    activations: Tensor

    def or_better(self, other: _Looked) -> _Looked:
        """Of each image the better one; the older one where they are equal."""
        better = other.goals > self.goals
        shape = (-1, 1, 1, 1)
        return _Looked(
            torch.where(better.view(shape), other.pixels, self.pixels),
            torch.where(better, other.goals, self.goals),
            torch.where(better, other.activations, self.activations),
        )


@dataclass(frozen=True, eq=False)
class _Climb:
    """The ascent of a few channels (n,) at once: each follows its own gradient."""

    prefix: Prefix
    normalise: Callable[[Tensor], Tensor]
    channels: Tensor
    starts: Tensor
    ascent: Ascent

    def run(self, moved: Callable[[int], None]) -> Maximised:
        """Climb, and keep the best of all that was looked at."""
        ascent = self.ascent
        canvas: Canvas = (Spectrum if ascent.fourier else Pixels)(self.starts)
        optimizer = torch.optim.Adam([canvas.values], lr=canvas.rate)
        # Ever smaller steps: what is left at the end would else be the last step's own.
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, ascent.steps, eta_min=canvas.rate / 50)
        generator = torch.Generator().manual_seed(ascent.seed)
        first = best = self._look(self.starts)
        course, steps = [first.activations], [0]
        for step in range(1, ascent.steps + 1):
            shift = torch.randint(-ascent.jitter, ascent.jitter + 1, (2,), generator=generator).tolist()
            goals, _ = self._goals(canvas.image(), shift, wake=2 * step <= ascent.steps)
            # Of the canvas alone: the gradients of the weights are not touched.
            (slope,) = torch.autograd.grad(-goals.sum(), [canvas.values])
            # However small what is maximised is, its slope is not taken for nothing.
            largest = slope.flatten(1).abs().amax(1).clamp(min=torch.finfo(slope.dtype).tiny)
            canvas.values.grad = slope / largest.view(-1, *[1] * (slope.ndim - 1))
            optimizer.step()
            schedule.step()
            canvas.clamp()
            if step % _LOOK == 0 or step == ascent.steps:
                best = best.or_better(self._look(canvas.image()))
                course.append(best.activations)
                steps.append(step)
            moved(step)
        moves = self.normalise(best.pixels / 255) - self.normalise(self.starts)
        return Maximised(
            pixels=best.pixels.to(torch.uint8).cpu(),
            activations=best.activations.cpu(),
            before=first.activations.cpu(),
            distances=moves.square().mean((1, 2, 3)).sqrt().cpu(),
            course=torch.stack(course).cpu(),
            steps=tuple(steps),
        )

    def _look(self, images: Tensor) -> _Looked:
        """Images (n, C, H, W) in [0, 1] as a file would hold them."""
        pixels = (images.detach() * 255).round()
        with torch.no_grad():
            return _Looked(pixels, *self._goals(pixels / 255))

    def _goals(self, images: Tensor, shift: Sequence[int] = (0, 0), *, wake: bool = False) -> tuple[Tensor, Tensor]:
        """images (n, C, H, W) in [0, 1] -> what is maximised (n,), and the activations (n,) in it.

        With `wake`, gradients are those of the values before the layer's ReLU: else what is silent would stay so.
        """
        ascent = self.ascent
        inputs = self.normalise(images)
        activations = self._activations(inputs.roll(tuple(shift), dims=(2, 3)), wake=wake)
        distances = (inputs - self.normalise(self.starts)).square().mean((1, 2, 3))
        variations = images.diff(dim=2).abs().mean((1, 2, 3)) + images.diff(dim=3).abs().mean((1, 2, 3))
        # Below 0 a factor under 1 would be a gain.
        smooth = (-ascent.variation * variations * activations.detach().sign()).exp()
        return activations * smooth - ascent.distance * self._unit * distances, activations

    def _activations(self, inputs: Tensor, *, wake: bool) -> Tensor:
        """inputs (n, C, H, W) as the model takes them -> the score of each one's channel (n,)."""
        output = self.prefix(inputs)
        maps = output[torch.arange(len(inputs)), self.channels].reshape(len(inputs), -1)  # (n, h·w)
        if wake:
            _pass_relu(output)
        return score_of(maps[:, None, :, None], self.ascent.score)[:, 0]

    @cached_property
    def _unit(self) -> Tensor:
        """The price (n,) of a squared distance that ends an ascent `REACH` away where it is steepest.

        A start may be flat: the slope is followed for that far, and its largest size counts.
        """
        starts = self.normalise(self.starts).detach()
        inputs, root = starts, math.sqrt(starts[0].numel())
        largest = torch.zeros(len(starts), device=starts.device)
        for _ in range(_PROBES):
            inputs = inputs.detach().requires_grad_()
            with torch.enable_grad():
                (slope,) = torch.autograd.grad(self._activations(inputs, wake=True).sum(), [inputs])
            size = slope.flatten(1).norm(dim=1)
            largest = torch.maximum(largest, size)
            step = REACH * root / _PROBES / size.clamp(min=torch.finfo(slope.dtype).tiny)
            inputs = inputs + step.view(-1, 1, 1, 1) * slope
        # a = g·δ - c·mean(δ²) is largest at δ = N·g / 2c, whose root mean square is √N·|g| / 2c.
        return root * largest / (2 * REACH)


def _pass_relu(output: Tensor) -> None:
    """The ReLU that ends a layer, where one does, gives the whole signal back in this pass."""
    node = output.grad_fn
    while node is not None and kind(node) in _BEHIND_RELU:
        node = node.next_functions[0][0]
    if node is not None and kind(node) == "Relu":
        node.register_hook(lambda _, outputs: outputs)
