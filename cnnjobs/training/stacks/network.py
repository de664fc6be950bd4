"""K networks of the same shape as one: one forward and one backward pass for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cnnjobs.training.stacks.layers import Drop, Form, NotStackableError, leaves, stacked_layer


class StackedNetwork(nn.Module):
    """The networks `models` as one, which shares their weights: what either side writes, both have.

    A network whose numbers are no longer finite leaves the others alone: nothing is ever added up across networks.
    Raises NotStackableError; what the models hold is the same then, too.
    """

    def __init__(self, models: Sequence[nn.Module], generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.size = len(models)
        if len({repr(model) for model in models}) > 1:
            raise NotStackableError("their layers differ")
        if not all(parameter.requires_grad for parameter in models[0].parameters()):
            raise NotStackableError("some of their layers are frozen")
        form, layers = Form.SHARED, nn.ModuleList()
        for members in zip(*map(leaves, models), strict=True):
            layer = stacked_layer(members, form)
            if isinstance(layer, Drop):
                layer.generators = generators
            layers.append(layer)
            form = layer.after
        if form is not Form.ROWS:
            raise NotStackableError("no linear layer gives their logits")
        self.layers = layers
        self._joined = list(layers.parameters())
        self._parts = list(zip(*(model.parameters() for model in models), strict=True))

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> logits (K, B, classes)."""
        data = images
        for layer in self.layers:
            data = layer(data)
        return data

    def backward(self, losses: Tensor) -> None:
        """Give every parameter of every model the gradient of the model's own loss, of losses (K,)."""
        gradients = torch.autograd.grad(losses.sum(), self._joined)
        for gradient, joined, parts in zip(gradients, self._joined, self._parts, strict=True):
            # Fused optimizers read both in the order of memory.
            if gradient.stride() != joined.stride():
                gradient = torch.empty_like(joined).copy_(gradient)  # noqa: PLW2901
            for part, own in zip(parts, gradient.chunk(self.size), strict=True):
                part.grad = own
