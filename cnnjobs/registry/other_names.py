"""Names that people give to what a network gets: with them it is trained as it was written."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from cnnjobs.registry.annotations import REQUIRED, Parameter

_MEANT: Final = {
    **dict.fromkeys(
        ("image_channels", "input_channels", "num_channels", "n_channels", "img_channels", "in_chans", "channels"),
        "in_channels",
    ),
    **dict.fromkeys(("n_classes", "number_of_classes", "nb_classes", "num_labels", "nclasses"), "num_classes"),
    **dict.fromkeys(("img_size", "image_dim", "image_width", "image_height", "im_size"), "image_size"),
}


def filled_in(name: str, parameter: Parameter, given: Collection[str]) -> Parameter:
    """A parameter without a default that is another name of what is `given`: the sweep may leave it out."""
    meant = _MEANT.get(name)
    if meant not in given or parameter.default is not REQUIRED:
        return parameter
    return replace(parameter, annotation=parameter.annotation | None, default=None, fills=meant or "")
