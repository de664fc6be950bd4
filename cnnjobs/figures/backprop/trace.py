"""Back-projection: signals taken back from its output to the pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from cnnjobs.errors import InputError
from cnnjobs.figures.backprop.graph import Graph
from cnnjobs.figures.backprop.operations import Change, cut, norm_scale, ruled
from cnnjobs.figures.backprop.routes import cut_operands
from cnnjobs.figures.backprop.rules import Rules
from cnnjobs.figures.network.layers import Prefix, called

_LARGE_GAIN = 100


@dataclass(frozen=True, eq=False)
class Trace:
    """The `output` (N, K, h, w) or (N, K) of `layer` for `images` (N, C, H, W), and the way back from it."""

    layer: str
    images: Tensor
    output: Tensor

    @cached_property
    def graph(self) -> Graph:
        """The operations between the images and the output. Raises InputError when no gradient leads through them."""
        graph = Graph.between(self.images, self.output)
        if not graph.nodes:
            raise InputError(f"{called(self.layer)}: no gradient leads from it to the images; the network cuts it off")
        return graph

    def project(self, seed: Tensor, rules: Rules = Rules()) -> Tensor:  # noqa: B008 (frozen)
        """The signal `seed`, of the output's shape, taken back to the images: (N, C, H, W). k·seed gives k times that.

        Raises InputError when the network has something that these rules say nothing about.
        """
        with torch.inference_mode(False), self._following(rules):
            (signal,) = torch.autograd.grad(self.output, self.images, seed.detach().clone(), retain_graph=True)
        return signal

    def notes(self, rules: Rules) -> tuple[str, ...]:
        """Notes on a projection by these rules, beside the rules themselves."""
        scales = [scale for node in self.graph.nodes if (scale := norm_scale(node)) is not None]
        if rules.norm != "inverse" or not scales:
            return ()
        every = torch.cat([scale.abs() for scale in scales])
        dead, gain = int((every == 0).sum()), float(1 / every[every > 0].min())
        large = f"an inverted batch norm multiplies by up to {gain:.3g}" if gain > _LARGE_GAIN else ""
        zero = f"{dead} channels of batch norms have scale 0 and give nothing back" if dead else ""
        return tuple(filter(None, (large, zero)))

    @contextmanager
    def _following(self, rules: Rules) -> Iterator[None]:
        """The operations give back what the rules say while this lasts: those of this trace, never the network's."""
        changes: dict[Node, Change | None] = {node: ruled(node, rules, self.layer) for node in self.graph.nodes}
        changes |= {node: cut(operand) for node, operand in cut_operands(self.graph, rules, self.layer).items()}
        handles = [node.register_hook(change) for node, change in changes.items() if change is not None]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def trace(model: nn.Module, images: Tensor, layer: str) -> Trace:
    """The way from `images` (N, C, H, W), as the model takes them, to a layer's output; the empty name is the logits.

    The model runs in eval mode and is left as it was: weights, hooks, modes, gradients, random generators.
    """
    with torch.inference_mode(False), torch.enable_grad():
        leaf = images.detach().clone().requires_grad_()
        # A network may write into its input, but not into a leaf.
        return Trace(layer, leaf, Prefix(model, layer)(leaf.clone()))


def back_project(
    model: nn.Module,
    images: Tensor,
    layer: str,
    seed: Tensor,
    rules: Rules = Rules(),  # noqa: B008 (frozen)
) -> Tensor:
    """`seed` (N, K, h, w) at a layer taken back to the images (N, C, H, W); see `Trace.project`."""
    return trace(model, images, layer).project(seed, rules)
