"""The shape of a run's images once they are decoded, by the headers of their files."""

from __future__ import annotations

from cnnjobs.components.files.image_folders import TO_ONE_SIZE
from cnnjobs.components.files.raw_splits import Contents
from cnnjobs.config.fitting import FITTING, fitting_of
from cnnjobs.config.run import RunConfig
from cnnjobs.errors import DataError, concerning


def decoded_shape(config: RunConfig, contents: Contents) -> tuple[int, int, int]:
    """The shape (C, H, W). Raises DataError where images have sizes of their own, and nothing brings them to one."""
    if not contents.needs_fitting:
        return contents.channels, contents.height, contents.width
    with concerning("augment"):
        fitting = fitting_of(config.augment)
        if fitting is None:
            name, found = config.dataset.name, sizes(contents)
            later = next((step.name for step in config.augment if step.name in FITTING), None)
            remedy = f"write `{later}` before `{config.augment[0].name}`" if later else TO_ONE_SIZE
            raise DataError(f"data set `{name}`: its images have {found}, and networks take one square size; {remedy}")
        return contents.channels, fitting.size, fitting.size


def sizes(contents: Contents) -> str:
    """`40×30 pixels`, or the smallest and the largest sides."""
    if contents.largest is None:
        return f"{contents.width}×{contents.height} pixels"
    height, width = contents.largest
    return f"sizes of their own, {contents.width} to {width} pixels wide and {contents.height} to {height} high"
