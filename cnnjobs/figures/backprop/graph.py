"""The operations between images and a layer's output, as autograd recorded them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge


@dataclass(frozen=True, eq=False)
class Graph:
    """The operations on the way from `images` to `output`, the last one first; each comes ahead of those that it uses.

    Autograd sees every operation, whether a module, a function or a method called it, in place or not.
    """

    nodes: tuple[Node, ...]

    @classmethod
    def between(cls, images: Tensor, output: Tensor) -> Graph:
        """The graph from `images`, a leaf, to `output`; empty where the output does not depend on the images."""
        end = get_gradient_edge(images).node
        if output.grad_fn is None:
            return cls(())
        order = _consumers_last(output.grad_fn)
        leading = {end}
        for node in order:
            if any(used in leading for used, _ in node.next_functions):
                leading.add(node)
        return cls(tuple(node for node in reversed(order) if node in leading))

    @cached_property
    def _members(self) -> frozenset[Node]:
        return frozenset(self.nodes)

    def uses(self, node: Node) -> tuple[tuple[Node, int] | None, ...]:
        """The operands of an operation: the operation that made each and which of its outputs; None off the way."""
        return tuple(
            (used, number) if used is not None and used in self._members else None
            for used, number in node.next_functions
        )

    def reach(self) -> dict[Node, int]:
        """For each operation, itself and all that it depends on, as bits: bit i is `nodes[i]`."""
        reached: dict[Node, int] = {}
        for index in reversed(range(len(self.nodes))):
            node = self.nodes[index]
            bits = 1 << index
            for operand in self.uses(node):
                bits |= reached[operand[0]] if operand else 0
            reached[node] = bits
        return reached


def kind(node: Node) -> str:
    """Name of an operation, without the number of its variant: `Relu`, `Convolution`, `CopySlices`."""
    return re.sub(r"Backward\d*$", "", node.name().rpartition("::")[2])


def shape(node: Node, output: int = 0) -> tuple[int, ...]:
    """The shape of what an operation gave."""
    return tuple(node._input_metadata[output].shape)


def saved(node: Node, name: str, default: Any = None) -> Any:
    """Argument of an operation that autograd kept under this name."""
    value = getattr(node, f"_saved_{name}", default)
    # Numbers below 0 come as unsigned ones.
    return value - 2**64 if type(value) is int and value >= 2**63 else value


def _consumers_last(start: Node) -> list[Node]:
    """All nodes that `start` depends on and itself, each behind those that it uses."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(start, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(used, False) for used, _ in node.next_functions if used is not None and used not in seen]
    return order
