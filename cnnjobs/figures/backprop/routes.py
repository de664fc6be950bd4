"""The residual additions of a network, and which branch of each a back-projection takes."""

from __future__ import annotations

from torch.autograd.graph import Node

from cnnjobs.errors import InputError
from cnnjobs.figures.backprop.graph import Graph, kind, shape
from cnnjobs.figures.backprop.rules import Rules
from cnnjobs.figures.network.layers import called


def cut_operands(graph: Graph, rules: Rules, layer: str) -> dict[Node, int]:
    """The residual additions that the rules cut, each with the operand that gets nothing back: 0 or 1.

    Raises InputError when there is no residual addition to cut.
    """
    if rules.route == "full":
        return {}
    trunks = residual_additions(graph)
    if not trunks:
        raise InputError(
            f"{called(layer)} has no {rules.route}: no residual addition lies between the images and it; "
            "use the route full"
        )
    chosen = list(trunks)[:1] if rules.blocks == "last" else list(trunks)
    return {node: 1 - trunks[node] if rules.route == "trunk" else trunks[node] for node in chosen}


def residual_additions(graph: Graph) -> dict[Node, int]:
    """The additions of two branches that both come from the images, the last one first, each with its trunk: 0 or 1.

    The trunk is the branch with more convolutions since the two parted, then that with more operations, then the first.
    """
    reach = graph.reach()
    convolutions = sum(1 << index for index, node in enumerate(graph.nodes) if kind(node) == "Convolution")
    trunks: dict[Node, int] = {}
    for node in graph.nodes:
        branches = graph.uses(node)
        if kind(node) != "Add" or len(branches) != 2 or None in branches:
            continue
        (first, first_output), (second, second_output) = (branch for branch in branches if branch)
        size = shape(first, first_output)
        if first is second or len(size) != 4 or size != shape(second, second_output):
            continue
        alone = [reach[first] & ~reach[second], reach[second] & ~reach[first]]
        lengths = [((bits & convolutions).bit_count(), bits.bit_count()) for bits in alone]
        trunks[node] = 0 if lengths[0] >= lengths[1] else 1
    return trunks
