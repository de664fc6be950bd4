"""The kinds of figures that `cnnjobs figures` draws: one function each, found by its registration.

A kind is a function in a module of this package:

    @register("figure", "filters")
    def filters(subject: Subject, *, layer: str | None = None, indices: tuple[NonNegativeInt, ...] = ()) -> Drawings:

It gets `subject` (the network, its data and its images: `figures.subject`) and, where it takes one, `progress`, to be
told how many of how many images are done. Its keyword-only parameters are its options, checked by their types before it
is called. It yields `Drawing`s, and neither saves nor prints. `OPTIONS` says what an option means, the same for every
kind that has it; `STANDARD` is what is drawn where no kind is named.
"""

from __future__ import annotations

from typing import Any, Final

# Parameter -> what the command's help says of it; `lambda_` is --lambda, `from_top_image` is --from-top-image.
OPTIONS: Final[dict[str, str]] = {
    "layer": "A layer by its name, as --list-layers gives it.",
    "channel": "One channel of the layer, counted from 0.",
    "indices": "Channels or filters: 14,26,32 or 0-9.",
    "first": "So many channels from the first on.",
    "image": "An image: its number in the split, a file, or `card` for the test card.",
    "images": "Images of the split by their numbers: 4531-4546 or 3,14,15.",
    "split": "The split that images are of: train, validation, test.",
    "mode": "Filters in colour (rgb), or one input channel at a time (channel).",
    "scale": "Brightness shared by all panels, or each by its own extremes.",
    "score": "What of a feature map ranks the images: sum, max, mean.",
    "top": "So many of a ranking: images of each channel, mistakes, pairs of classes.",
    "units": "Units that are taken back to the pixels: the strongest of each image, or the whole map.",
    "method": "The rule of ReLUs on the way back: deconv, guided, or vanilla, the gradient.",
    "route": "The branch of residual blocks on the way back: full (both), trunk, shortcut.",
    "blocks": "The blocks that the route is chosen in: the last one before the layer, or all.",
    "unpool": "Max pooling on the way back: overlapping windows are added (sum), or the last one counts (switch).",
    "norm": "Batch norm on the way back: its gradient (vjp), nothing (skip), or its inverse.",
    "max_channels": "The most channels that are drawn.",
    "from_top_image": "Start from the image of the split that excites the channel most.",
    "lambda_": "Weight of the squared distance to the image it starts from: 1 keeps it in sight, 10 hardly changes it.",
    "steps": "So many steps of the way that is gone.",
    "jitter": "Each step sees the image moved by up to so many pixels.",
    "tv": "Weight of the total variation, which keeps neighbours alike.",
    "fourier": "Make the steps in the image's spectrum.",
    "seed": "Seed of what is drawn at random.",
    "class_": "The class that is asked about, by its name or number; without it the predicted one.",
    "samples": "So many noisy copies of an image.",
    "noise": "Standard deviation of that noise, as a share of the range of the image's values.",
    "baseline": "The image that gradients are integrated from: black, gray, or the mean of the normalisation.",
    "number": "So many images of the split, drawn at random.",
    "points": "So many points on each side of the plane, an odd number.",
    "radius": "How far the plane reaches, in lengths of the filters.",
    "networks": "So many networks that nobody has trained.",
    "temperature": "Fit a temperature on the validation images, and show what it mends.",
}

# Flags take no value.
FLAGS: Final = frozenset({"from_top_image", "fourier", "temperature"})

# Kind and options of what is drawn without a KIND, in this order.
STANDARD: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("filters", {}),
    ("activations", {}),
    ("top-images", {}),
    ("patterns", {}),
    ("confusion", {}),
    ("mistakes", {}),
    ("calibration", {}),
)

# How a reader takes them: what goes in, what the layers do with it, what speaks for a class, how often that is right.
READING_ORDER: Final = (
    *("inputs", "filters", "activations", "top-images", "patterns", "maximize"),
    *("saliency", "gradcam", "randomisation", "confusion", "mistakes", "calibration", "landscape"),
)


def option_name(parameter: str) -> str:
    """Command line option of a parameter: `lambda_` is `--lambda`."""
    return f"--{parameter.rstrip('_').replace('_', '-')}"
