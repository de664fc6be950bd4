"""Receptive field of a unit of a layer: computed from the operations between them."""

from __future__ import annotations

from dataclasses import dataclass

from torch.autograd.graph import Node

from cnnjobs.figures.backprop.graph import shape
from cnnjobs.figures.backprop.regions import EVERYTHING, Region, clipped, needed, union
from cnnjobs.figures.backprop.trace import Trace
from cnnjobs.figures.network.layers import check_spatial


@dataclass(frozen=True)
class Box:
    """Rows from `top` to before `bottom`, columns from `left` to before `right`."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left


def receptive_field(trace: Trace, position: tuple[int, int] | None = None, *, padded: bool = False) -> Box:
    """The pixels that the unit at `position` (row, column) of a layer's maps depends on; of all units without one.

    Exact for convolutions, poolings, zero padding, additions, concatenated channels and all that works on each place by
    itself, along all branches; behind other operations it is the whole image. With `padded`, what the unit sees beyond
    the edges counts as well, at indices below 0 and from the size on. Raises InputError for a layer without maps.
    """
    check_spatial(trace.layer, trace.output)
    start: Region = EVERYTHING if position is None else ((position[0], position[0]), (position[1], position[1]))
    nodes = trace.graph.nodes
    regions: dict[Node, Region] = {nodes[0]: start}
    for node in nodes:
        for number, operand in enumerate(trace.graph.uses(node)):
            if operand is None:
                continue
            size = shape(*operand)
            region = needed(node, number, size, regions[node])
            region = region if padded or len(size) < 3 else clipped(region, size)
            used = operand[0]
            regions[used] = union(regions[used], region) if used in regions else region
    (height, width), (rows, columns) = trace.images.shape[-2:], regions[nodes[-1]]
    top, bottom = rows or (0, height - 1)
    left, right = columns or (0, width - 1)
    return Box(top, left, bottom + 1, right + 1)
