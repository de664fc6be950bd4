"""Sizes of what convolution and pooling give."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from cnnjobs.errors import InputError

Unknown = Literal["kernel", "padding", "stride"]


@dataclass(frozen=True)
class Window:
    """Window that slides over an image: the kernel of a convolution or the window of a pooling, in one direction."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    @property
    def extent(self) -> int:
        """Number of pixels it spans, the gaps of a dilation included."""
        return self.dilation * (self.kernel - 1) + 1

    def output(self, size: int) -> int:
        """Number of places it has: floor((size - extent + 2 padding) / stride) + 1; 0 where it does not fit."""
        return max((size - self.extent + 2 * self.padding) // self.stride + 1, 0)

    def unseen(self, size: int) -> int:
        """Number of the last pixels, padding included, that it never covers."""
        return max(size - self.extent + 2 * self.padding, 0) % self.stride

    def working(self, size: int) -> str:
        """The formula with its numbers and its result."""
        extent = str(self.kernel) if self.dilation == 1 else f"({self.dilation}·({self.kernel} − 1) + 1)"
        return f"floor(({size} − {extent} + 2·{self.padding}) / {self.stride}) + 1 = {self.output(size)}"


def same_padding(kernel: int, dilation: int = 1) -> int:
    """The padding with which stride 1 keeps the size. Raises InputError for an even extent."""
    total = Window(kernel, dilation=dilation).extent - 1
    if total % 2:
        found = f"no padding keeps the size with an even kernel of {kernel}"
        raise InputError(f"{found}: {total // 2} makes it smaller by 1, {total // 2 + 1} larger by 1")
    return total // 2


def solve(unknown: Unknown, known: Window, size: int, output: int) -> list[Window]:
    """Every window like `known` but for the unknown number that gives `output` from `size`. Raises InputError."""
    candidates: Iterable[int] = range(1, size + 2 * known.padding + 1)
    if unknown == "padding":
        candidates = range(output * known.stride + known.extent)
    windows = [replace(known, **{unknown: candidate}) for candidate in candidates]
    found = [window for window in windows if window.output(size) == output]
    if not found:
        near = [
            max(
                (each for each in windows if each.output(size) < output),
                key=lambda each: each.output(size),
                default=None,
            ),
            min(
                (each for each in windows if each.output(size) > output),
                key=lambda each: each.output(size),
                default=None,
            ),
        ]
        told = " and ".join(f"{getattr(each, unknown)} gives {each.output(size)}" for each in near if each is not None)
        raise InputError(f"no {unknown} gives {output} from {size}: {told}")
    return found
